import {
  Corrupt,
  type Database,
  genesisHash,
  journalPages,
  type Queryable,
  readBalances,
  readPositions,
  readShard,
  type ShardRow,
  sumLegs,
} from "#libs/adapters/postgres/index.ts";
import type { Engine } from "#libs/engine/index.ts";
import {
  AccountOrder,
  afterEveryId,
  differences,
  holdingsPage,
  ReplayDiffers,
  Replayer,
  storedHoldings,
} from "#libs/journal/index.ts";
import { LegSums, outsideAccount, storedSums } from "./verify-ledger.ts";
import { RuleHistory, storedRecords, replayedRecords } from "./verify-records.ts";

export interface Verified {
  readonly ok: boolean;
  readonly shard: string;
  readonly entries: number;
  readonly appliedSeq: number;
  readonly facts: number;
  readonly chainHash: string;
  readonly stateHash: string | null;
  readonly accounts: number;
  /** What does not hold, at most a hundred; empty: all is well. */
  readonly differences: readonly string[];
}

const differencesMax = 100;
const accountsPerPage = 1_000;
/** Batches between two statements of a transaction, whose idle time is bounded. */
const pageInSnapshot = 10;

/**
 * Replays a shard's journal on a fresh engine and compares everything that the tables say, both ways and at one position: its leader
 * may be at work. Null: there is no such shard.
 */
export async function verifyShard(db: Database, shard: string): Promise<Verified | null> {
  if ((await readShard(db, shard)) === null) return null;
  const replay = new Replay();
  await replay.run(db, shard);
  return db.transaction(async (snapshot) => {
    const row = (await readShard(snapshot, shard)) as ShardRow;
    await replay.run(snapshot, shard, pageInSnapshot);
    return compare(snapshot, row, replay);
  }, "repeatable read read only");
}

/** The journal as far as it can be replayed, with what the tables keep beside the state. */
class Replay {
  readonly sums = new LegSums();
  readonly rules = new RuleHistory();
  readonly replayer = new Replayer(undefined, (engine, applied) => {
    if (applied !== null) this.sums.add(engine, applied.transactions);
    this.rules.note(engine);
  });
  broken: string | null = null;

  async run(db: Queryable, shard: string, pageSize?: number): Promise<void> {
    const { replayer } = this;
    if (this.broken !== null) return;
    const size = pageSize === undefined ? {} : { pageSize };
    const start = {
      afterEntry: replayer.entries,
      hash: replayer.engine === null ? genesisHash : replayer.chain,
      ...size,
    };
    try {
      for await (const page of journalPages(db, shard, start)) for (const batch of page) replayer.replay(batch);
    } catch (error) {
      if (!(error instanceof ReplayDiffers) && !(error instanceof Corrupt)) throw error;
      this.broken = error.message;
    }
  }
}

async function compare(db: Queryable, row: ShardRow, replay: Replay): Promise<Verified> {
  const { engine, chain, entries } = replay.replayer;
  const found: string[] = replay.broken === null ? [] : [replay.broken];
  if (chain !== row.chainHash || entries !== row.entries)
    found.push(`the journal ends at entry ${entries} (${chain}), the shard at ${row.entries} (${row.chainHash})`);
  else if (engine !== null) {
    found.push(...placeDifferences(engine, row));
    const records = [replayedRecords(engine, replay.rules), await storedRecords(db, row.shard)] as const;
    found.push(...differences(...records, differencesMax));
    for await (const page of holdingDifferences(db, row, engine, replay.sums)) {
      found.push(...page);
      if (found.length >= differencesMax) break;
    }
  }
  for (const [name, held] of Object.entries(engine?.invariants() ?? {}))
    if (held !== true && held !== "not applicable") found.push(`invariant ${name}: ${String(held)}`);
  const place = { shard: row.shard, entries, appliedSeq: row.appliedSeq, facts: row.factSeq, chainHash: row.chainHash };
  const accounts = engine?.machine.book.accountCount ?? 0;
  const stateHash = engine?.stateHash() ?? null;
  return { ok: found.length === 0, ...place, stateHash, accounts, differences: found.slice(0, differencesMax) };
}

function placeDifferences({ machine }: Engine, row: ShardRow): string[] {
  const replayed = { "newest fact": machine.factSeq, "rule version": machine.rules.version, "log time": machine.t };
  const stored = { "newest fact": row.factSeq, "rule version": row.ruleVersion, "log time": row.logTime };
  const named = (values: Readonly<Record<string, number>>): Map<string, string> =>
    new Map(Object.entries(values).map(([name, value]) => [name, String(value)]));
  return differences(named(replayed), named(stored), differencesMax);
}

/** Balances, positions and sums of ledger legs, some accounts at a time. */
async function* holdingDifferences(
  db: Queryable,
  { shard, entries }: ShardRow,
  engine: Engine,
  sums: LegSums,
): AsyncGenerator<string[]> {
  const ids = [...new AccountOrder(engine).ids, outsideAccount].sort();
  let after: string | null = "";
  while (after !== null) {
    const page = holdingsPage(engine, ids, after, accountsPerPage);
    const upTo = page.upTo ?? afterEveryId;
    const range = { from: after, to: upTo };
    const stored = storedHoldings(page, await readBalances(db, shard, range), await readPositions(db, shard, range));
    yield differences(page.held, stored, differencesMax);
    const legs = await sumLegs(db, shard, { after, upTo, entry: entries });
    yield differences(sums.of(page.ids), storedSums(legs), differencesMax);
    after = page.upTo;
  }
}
