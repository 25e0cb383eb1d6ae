import {
  auditHead,
  type CommandFacts,
  type CommandRow,
  type Database,
  expireProposals,
  factsOfEntry,
  noteOutcome,
  overdueCommands,
} from "#libs/adapters/postgres/index.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { wait } from "#libs/process/backoff.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import { limits } from "../limits.ts";
import { outcomeOf } from "./outcomes.ts";

/** What became true by a command on every shard, from the tables; null: not everywhere yet. */
async function outcomeFromTables(db: Database, row: CommandRow): Promise<readonly CommandFacts[] | null> {
  const all: CommandFacts[] = [];
  for (const entry of row.entries) {
    const asked = { ...entry, source: sources.operator, trace: row.trace ?? "" };
    const { applied, facts, logSeq } = await factsOfEntry(db, entry.shard, asked, limits.factsOfEntry);
    if (!applied) return null;
    all.push({ shard: entry.shard, logSeq, facts });
  }
  return all;
}

async function sweepOnce(db: Database): Promise<void> {
  await expireProposals(db);
  for (const row of await overdueCommands(db, limits.sweepMs, limits.sweepAtOnce)) {
    const facts = await outcomeFromTables(db, row);
    if (facts !== null) await noteOutcome(db, row.id, { state: outcomeOf(facts), facts });
  }
}

/** Notes what nobody waited for: outcomes that came late or while no API ran, and proposals that have ended. Resolves when stopped. */
export async function sweep(db: Database, logger: Logger, signal: AbortSignal): Promise<void> {
  const anchor = anchoring(db, logger);
  while (!signal.aborted) {
    await sweepOnce(db)
      .then(anchor)
      .catch((error: unknown) => logger.warn({ error }, "commands were not swept"));
    await wait(limits.sweepMs, signal);
  }
}

/** Writes the newest head of the audit's chain into the log of this process, which the database cannot change: at most every minute. */
function anchoring(db: Database, logger: Logger): () => Promise<void> {
  let written = 0;
  let at = Number.NEGATIVE_INFINITY;
  return async () => {
    if (monotonicMs() - at < limits.anchorMs) return;
    const { seq, hash } = await auditHead(db);
    at = monotonicMs();
    if (seq > written) logger.info({ head: `${seq}:${hash}` }, "audit head");
    written = seq;
  };
}
