import { startPostgres } from "#libs/process/servers/index.ts";
import { acquireShard, chainHash, genesisHash, migrate, openDatabase, pack } from "#libs/adapters/postgres/index.ts";
import type { Batch, Database, LedgerTransaction } from "#libs/adapters/postgres/index.ts";

export interface TestDatabase {
  readonly url: string;
  readonly db: Database;
  stop(): Promise<void>;
}

/** A private server with the newest schema; commits are not flushed to disk. */
export async function startDatabase(): Promise<TestDatabase> {
  const server = await startPostgres({ fsync: false });
  try {
    await migrate(server.url);
    const db = openDatabase({ url: server.url, name: "test", max: 60 });
    const stop = async (): Promise<void> => {
      await db.close();
      await server.stop();
    };
    return { url: server.url, db, stop };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

export const deposit = (entry: number, account: string, amount: string): LedgerTransaction => ({
  entry,
  kind: "deposit",
  legs: [
    { account, asset: "USD", leg: "cash", instrument: null, amount },
    { account: "external", asset: "USD", leg: "external", instrument: null, amount: `-${amount}` },
  ],
});

/** The batch of one entry per log position that follows what `before` says is committed. */
export function batchAfter(before: Place, change: Partial<Batch> = {}): Batch {
  const entryCount = change.entryCount ?? 1;
  const lines = Array.from(
    { length: entryCount },
    (_, at) => `{"seq":${before.appliedSeq + at + 1},"e":{"k":"time"}}\n`,
  );
  const journal = lines.join("");
  return {
    shard: before.shard,
    epoch: before.epoch,
    fromSeq: before.appliedSeq,
    toSeq: before.appliedSeq + entryCount,
    firstEntry: before.entries + 1,
    entryCount,
    factSeq: before.factSeq,
    chainHash: chainHash(before.chainHash, journal, ""),
    streamCreated: "2026-01-01T00:00:00Z",
    lastMessageHash: "ab".repeat(32),
    journal: pack(journal),
    factsBlob: pack(""),
    facts: [],
    transactions: [],
    balances: [],
    positions: [],
    sagas: [],
    effectsOpened: [],
    effectsAnswered: [],
    sourceSeqs: [],
    deadLetters: [],
    ruleVersion: 1,
    t: before.logTime + 100,
    ...change,
  };
}

export interface Place {
  readonly shard: string;
  readonly epoch: number;
  readonly appliedSeq: number;
  readonly entries: number;
  readonly factSeq: number;
  readonly chainHash: string;
  readonly logTime: number;
}

export const placeAfter = (batch: Batch): Place => ({
  shard: batch.shard,
  epoch: batch.epoch,
  appliedSeq: batch.toSeq,
  entries: batch.firstEntry - 1 + batch.entryCount,
  factSeq: batch.factSeq,
  chainHash: batch.chainHash,
  logTime: batch.t,
});

/** A new shard led by this test. */
export async function newShard(db: Database, shard: string): Promise<Place> {
  const row = await acquireShard(db, shard, `leader-of-${shard}`, 60_000);
  if (row === null || row.chainHash !== genesisHash) throw new Error(`${shard} is not new`);
  return row;
}

/** Polls a condition; throws after a deadline. */
export async function eventually(condition: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
  const until = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > until) throw new Error("it did not come to pass");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
