import type { Command } from "commander";
import { openDatabase } from "#libs/adapters/postgres/index.ts";
import { readSettings } from "#libs/process/settings.ts";
import { type ExitCode, exitCodes, worse } from "./exit-codes.ts";
import { notice, type Style, style, write } from "./output.ts";
import { type Verified, verifyShard } from "./verify-shard.ts";

interface VerifyOptions {
  readonly json?: boolean;
  readonly shard?: string;
}

/** A replay reads everything: statements may take longer than in a process that serves. */
const statementTimeoutMs = 60_000;

function text(found: Verified, paint: Style): string {
  const head = found.ok ? paint.good("holds") : paint.bad("differs");
  const lines = [
    `shard ${found.shard}: ${head}`,
    `  entries     ${found.entries} to log position ${found.appliedSeq}, ${found.facts} facts`,
    `  accounts    ${found.accounts}`,
    `  chain hash  ${found.chainHash}`,
    `  state hash  ${found.stateHash ?? "none"}`,
    ...found.differences.map((one) => `  ${paint.bad(one)}`),
  ];
  return `${lines.join("\n")}\n`;
}

async function verify(options: VerifyOptions): Promise<ExitCode> {
  const settings = readSettings(undefined, ["database"]);
  const db = openDatabase({ url: settings.databaseUrl, name: "verify", statementTimeoutMs });
  let exit: ExitCode = exitCodes.ok;
  try {
    for (const shard of options.shard === undefined ? settings.shards : [options.shard]) {
      const found = await verifyShard(db, shard);
      if (found === null) notice(`shard ${shard} has no journal`);
      else await write(options.json === true ? `${JSON.stringify(found)}\n` : text(found, style()));
      exit = worse(exit, found?.ok === true ? exitCodes.ok : exitCodes.failed);
    }
  } finally {
    await db.close();
  }
  return exit;
}

export function registerVerify(program: Command, finish: (exit: ExitCode) => void): void {
  program
    .command("verify")
    .summary("replay a live shard's journal and compare")
    .description(
      "Replays the journal in PostgreSQL (DATABASE_URL) on a fresh engine and compares both ways: hashes, invariants, holdings, ledger, sagas, effects, numbers, halts, rules.",
    )
    .option("--shard <id>", "one shard; else every one of PLIMSOLL_SHARDS")
    .option("--json", "one line of JSON per shard")
    .action(async (options: VerifyOptions) => finish(await verify(options)));
}
