import { randomBytes } from "node:crypto";
import { type Command, Option } from "commander";
import { createApiKey, listApiKeys, openDatabase, revokeApiKey } from "#libs/adapters/postgres/index.ts";
import { type Role, roles, secretOfKey } from "#libs/access/index.ts";
import { readSettings } from "#libs/process/settings.ts";
import { audited } from "./audited.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { whole } from "./flags.ts";
import { notice, write } from "./output.ts";

interface CreateOptions {
  readonly role: readonly Role[];
  readonly owner?: string;
  readonly label: string;
  readonly days: number;
}

const daysDefault = 90;
const daysMax = 366;
const dayMs = 86_400_000;
const pageSize = 500;

async function create(subject: string, options: CreateOptions): Promise<ExitCode> {
  const { keySecret } = readSettings(undefined, []);
  if (keySecret === null) {
    notice("PLIMSOLL_KEY_SECRET is not set: a key without it has no secret");
    return exitCodes.refused;
  }
  const { role: given, owner = null, label } = options;
  const key = { id: randomBytes(12).toString("hex"), subject, owner, roles: given, label };
  const expiresAt = Date.now() + options.days * dayMs;
  return audited("key.create", { ...key, expiresAt }, async (db) => {
    await createApiKey(db, { ...key, expiresAt });
    await write(`${JSON.stringify({ key: key.id, secret: secretOfKey(keySecret, key.id) })}\n`);
    return exitCodes.ok;
  });
}

async function list(): Promise<ExitCode> {
  const { databaseUrl: url } = readSettings(undefined, ["database"]);
  const db = openDatabase({ url, name: "keys" });
  try {
    for (let after = ""; ;) {
      const page = await listApiKeys(db, after, pageSize);
      for (const key of page) await write(`${JSON.stringify(key)}\n`);
      if (page.length < pageSize) return exitCodes.ok;
      after = page.at(-1)?.id ?? after;
    }
  } finally {
    await db.close();
  }
}

const revoke = async (id: string): Promise<ExitCode> =>
  audited("key.revoke", { id }, async (db) => {
    const found = await revokeApiKey(db, id);
    if (!found) notice(`there is no key ${id}`);
    return found ? exitCodes.ok : exitCodes.failed;
  });

const examples = `
The secret is printed once and kept nowhere: it follows from PLIMSOLL_KEY_SECRET and the key's id.

Examples:
  plimsoll key create alice --role trader --owner alice --label "alice's bot"
  plimsoll key list
  plimsoll key revoke 5f0c8d2a4b6e7f901a2b3c4d`;

/** Adds `plimsoll key` to a program. */
export function registerKeys(program: Command, finish: (exit: ExitCode) => void): void {
  const key = program
    .command("key")
    .summary("create, list and revoke API keys")
    .description("API keys of programs, in PostgreSQL (DATABASE_URL); each act is audited.")
    .addHelpText("after", examples);
  key
    .command("create <subject>")
    .description("print the id and the secret of a new key")
    .addOption(new Option("--role <roles...>", "what it may do").choices([...roles]).makeOptionMandatory())
    .option("--owner <id>", "whose accounts a trader's key reads")
    .option("--label <text>", "what it is for", "")
    .option("--days <n>", "how long it is valid", whole(1, daysMax), daysDefault)
    .action(async (subject: string, options: CreateOptions) => finish(await create(subject, options)));
  key
    .command("list")
    .description("print every key, a line of JSON each, without secrets")
    .action(async () => finish(await list()));
  key
    .command("revoke <id>")
    .description("make a key worthless for ever")
    .action(async (id: string) => finish(await revoke(id)));
}
