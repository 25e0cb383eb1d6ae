import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { revokeTokens } from "#libs/adapters/postgres/index.ts";
import { issueToken, newKeyPair, type Role, roles, tokenLimits } from "#libs/access/index.ts";
import { readSettings } from "#libs/process/settings.ts";
import { audited } from "./audited.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { whole } from "./flags.ts";
import { notice, write } from "./output.ts";

interface TokenOptions {
  readonly role: readonly Role[];
  readonly owner?: string;
  readonly minutes: number;
  readonly key?: string;
}

const minutesMax = tokenLimits.lifetimeMs / 60_000;
const minutesDefault = 60;

async function issue(subject: string, options: TokenOptions): Promise<ExitCode> {
  const privateKey =
    options.key === undefined ? readSettings(undefined, []).tokenKey : readFileSync(options.key, "utf8");
  if (privateKey === null) {
    notice("no private key: set PLIMSOLL_TOKEN_KEY or give --key <file>");
    return exitCodes.refused;
  }
  try {
    const claims = { subject, roles: options.role, owner: options.owner };
    await write(`${await issueToken(privateKey, claims, options.minutes * 60_000, Date.now())}\n`);
    return exitCodes.ok;
  } catch (error) {
    notice(error instanceof Error ? error.message : "the token could not be signed");
    return exitCodes.refused;
  }
}

async function printKeyPair(): Promise<ExitCode> {
  const { privateKey, jwks } = await newKeyPair();
  await write(`PLIMSOLL_TOKEN_KEY='${privateKey}'\nPLIMSOLL_JWKS='${jwks}'\n`);
  return exitCodes.ok;
}

const revoke = async (subject: string): Promise<ExitCode> =>
  audited("token.revoke", { subject }, async (db) => {
    await revokeTokens(db, subject, Date.now());
    await write(`tokens of ${subject} issued until now are worth nothing\n`);
    return exitCodes.ok;
  });

const examples = `
Examples:
  plimsoll token key-pair > keys.env                 the private key stays with who issues, processes get PLIMSOLL_JWKS
  plimsoll token issue ann --role operator
  plimsoll token issue alice --role trader --owner alice --minutes 30 --key private.jwk
  plimsoll token revoke ann                          what ann was issued until now (DATABASE_URL)`;

/** Adds `plimsoll token` to a program. */
export function registerToken(program: Command, finish: (exit: ExitCode) => void): void {
  const token = program
    .command("token")
    .summary("issue and revoke tokens of people")
    .description("Signs JWTs with the deployment's private key, and revokes those that were issued.")
    .addHelpText("after", examples);
  token
    .command("issue <subject>")
    .description("print a token for a person")
    .addOption(new Option("--role <roles...>", "what they may do").choices([...roles]).makeOptionMandatory())
    .option("--owner <id>", "whose accounts a trader reads: an entity's or an account's id")
    .option("--minutes <n>", "how long it is valid", whole(1, minutesMax), minutesDefault)
    .option("--key <file>", "private JWK, by default PLIMSOLL_TOKEN_KEY")
    .action(async (subject: string, options: TokenOptions) => finish(await issue(subject, options)));
  token
    .command("key-pair")
    .description("print a new private key and the JWKS that belongs to it")
    .action(async () => finish(await printKeyPair()));
  token
    .command("revoke <subject>")
    .description("make every token worthless that a person was issued until now")
    .action(async (subject: string) => finish(await revoke(subject)));
}
