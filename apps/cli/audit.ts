import type { Command } from "commander";
import {
  type AuditHead,
  type AuditRow,
  Corrupt,
  type Database,
  openDatabase,
  readAudit,
  verifyAudit,
} from "#libs/adapters/postgres/index.ts";
import { readSettings } from "#libs/process/settings.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { whole } from "./flags.ts";
import { notice, write } from "./output.ts";

interface ListOptions {
  readonly after: number;
  readonly json?: boolean;
}

const statementTimeoutMs = 60_000;
const headPattern = /^(\d{1,15}):([0-9a-f]{64})$/;

async function withDatabase(work: (db: Database) => Promise<ExitCode>): Promise<ExitCode> {
  const { databaseUrl: url } = readSettings(undefined, ["database"]);
  const db = openDatabase({ url, name: "audit", statementTimeoutMs });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

/** Recomputes the chain; with heads that were kept elsewhere a tail that was cut off shows too. */
async function verify(heads: readonly string[]): Promise<ExitCode> {
  const known: AuditHead[] = [];
  for (const text of heads) {
    const [, seq, hash] = headPattern.exec(text) ?? [];
    if (seq === undefined || hash === undefined) {
      notice(`${text} is no head: <seq>:<sha256>`);
      return exitCodes.refused;
    }
    known.push({ seq: Number(seq), hash });
  }
  return withDatabase(async (db) => {
    try {
      const { seq, hash } = await verifyAudit(db, known);
      await write(`${seq}:${hash}\n`);
      return exitCodes.ok;
    } catch (error) {
      if (!(error instanceof Corrupt)) throw error;
      notice(error.message);
      return exitCodes.failed;
    }
  });
}

const textOf = ({ seq, at, actor, action, detail }: AuditRow): string =>
  `${seq}  ${new Date(at).toISOString()}  ${actor}  ${action}  ${JSON.stringify(detail)}`;

const list = async ({ after, json }: ListOptions): Promise<ExitCode> =>
  withDatabase(async (db) => {
    for (let from = after; ;) {
      const page = await readAudit(db, from);
      for (const row of page) await write(`${json === true ? JSON.stringify(row) : textOf(row)}\n`);
      const last = page.at(-1);
      if (last === undefined) return exitCodes.ok;
      from = last.seq;
    }
  });

const examples = `
A head is <seq>:<sha256>, as verify prints it: keep some where nobody who can write to the database can.

Examples:
  plimsoll audit verify
  plimsoll audit verify 41:9f2c…                     and record 41 is still what it was
  plimsoll audit list --after 40`;

/** Adds `plimsoll audit` to a program. */
export function registerAudit(program: Command, finish: (exit: ExitCode) => void): void {
  const audit = program
    .command("audit")
    .summary("verify and list the record of privileged acts")
    .description("The hash-chained record of what people with rights did, in PostgreSQL (DATABASE_URL).")
    .addHelpText("after", examples);
  audit
    .command("verify [heads...]")
    .description("recompute every hash; prints the head")
    .action(async (heads: readonly string[]) => finish(await verify(heads)));
  audit
    .command("list")
    .description("print every record, oldest first")
    .option("--after <seq>", "only those after this one", whole(0, Number.MAX_SAFE_INTEGER), 0)
    .option("--json", "a line of JSON each")
    .action(async (options: ListOptions) => finish(await list(options)));
}
