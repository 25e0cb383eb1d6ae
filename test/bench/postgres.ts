import { chainHash, commitBatch, openDatabase, acquireShard, migrate, pack } from "#libs/adapters/postgres/index.ts";
import type { BalanceRow, Batch, LedgerTransaction, PositionRow, ShardRow } from "#libs/adapters/postgres/index.ts";
import { startPostgres } from "#libs/process/servers/index.ts";

/**
 * Half fills per second that PostgreSQL takes with everything that belongs to them: batches of 1,000, each half fill one ledger transaction of five
 * legs, a balance and a position, beside those of the system accounts; journal and facts. One commit in flight, every commit flushed to disk.
 * `node --import tsx test/bench/postgres.ts [seconds] [accounts]`
 */
const halfFills = 1_000;
const seconds = Number(process.argv[2] ?? 20);
const accounts = Number(process.argv[3] ?? 50_000);
const instruments = 50;

/** Spread over all accounts without a random number: a step that shares no factor with the usual counts. */
const accountOf = (entry: number): string => `account-${(entry * 7_919) % accounts}`;
const instrumentOf = (entry: number): string => `I${(entry * 31) % instruments}-PERP`;

function halfFill(entry: number): LedgerTransaction {
  const account = accountOf(entry);
  const instrument = instrumentOf(entry);
  const cost = `${20_000 + (entry % 977)}.25`;
  return {
    entry,
    kind: "fill",
    legs: [
      { account, asset: "USD", leg: "cost", instrument, amount: `-${cost}` },
      { account: "clearing", asset: "USD", leg: "cost", instrument, amount: cost },
      { account, asset: "USD", leg: "cash", instrument: null, amount: "-12.5" },
      { account: "fees", asset: "USD", leg: "cash", instrument: null, amount: "10" },
      { account: "insurance", asset: "USD", leg: "cash", instrument: null, amount: "2.5" },
    ],
  };
}

const position = (account: string, entry: number): PositionRow => ({
  account,
  instrument: instrumentOf(entry),
  qty: `${1 + (entry % 9)}.5`,
  cost: `${20_000 + entry}.25`,
  margin: "0",
  mode: "cross",
  leverage: null,
  fundingEpoch: 1,
});

function batchAfter(before: ShardRow | Batch, first: number, fromSeq: number): Batch {
  const entries = Array.from({ length: halfFills }, (_, at) => first + at);
  const balances = entries.flatMap((entry): BalanceRow[] => [
    { account: accountOf(entry), asset: "USD", amount: `${entry}.5` },
    { account: "fees", asset: "USD", amount: `${entry}0` },
    { account: "insurance", asset: "USD", amount: `${entry}2.5` },
  ]);
  const lines = entries.map((entry) => {
    const fill = {
      k: "fill",
      trade: `t${entry}`,
      account: accountOf(entry),
      instrument: instrumentOf(entry),
      side: "buy",
    };
    const more = {
      qty: "1.5",
      price: "20000.25",
      liquidity: "taker",
      order: `o${entry}`,
      t: 1_700_000_000_000 + entry,
    };
    return JSON.stringify({ seq: entry, e: { ...fill, ...more, source: "venue", sourceSeq: entry } });
  });
  const journal = `${lines.join("\n")}\n`;
  return {
    shard: "0",
    epoch: before.epoch,
    fromSeq,
    toSeq: fromSeq + halfFills,
    firstEntry: first,
    entryCount: halfFills,
    factSeq: before.factSeq + halfFills,
    chainHash: chainHash(before.chainHash, journal, journal),
    streamCreated: null,
    lastMessageHash: null,
    journal: pack(journal),
    factsBlob: pack(journal),
    facts: [],
    transactions: entries.map(halfFill),
    balances,
    positions: entries.flatMap((entry) => [position(accountOf(entry), entry), position("clearing", entry)]),
    sagas: [],
    effectsOpened: [],
    effectsAnswered: [],
    sourceSeqs: [{ source: "venue", seq: first + halfFills - 1 }],
    deadLetters: [],
    ruleVersion: 1,
    t: 1_700_000_000_000 + first,
  };
}

const server = await startPostgres({ fsync: true });
try {
  await migrate(server.url);
  const db = openDatabase({ url: server.url, name: "bench", max: 1 });
  let before: ShardRow | Batch | null = await acquireShard(db, "0", "bench", 60_000);
  if (before === null) throw new Error("the shard is led by somebody");
  const commits: number[] = [];
  const started = performance.now();
  let made = 0;
  for (let first = 1; performance.now() - started < seconds * 1_000; first += halfFills) {
    const makeAt = performance.now();
    const batch: Batch = batchAfter(before, first, first - 1);
    const commitAt = performance.now();
    made += commitAt - makeAt;
    await commitBatch(db, batch);
    commits.push(performance.now() - commitAt);
    before = batch;
  }
  const elapsed = (performance.now() - started) / 1_000;
  const sorted = commits.toSorted((a, b) => a - b);
  const quantile = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1);
  const fills = commits.length * halfFills;
  const rows = commits.length * (halfFills * 7 + 1) + fills;
  console.log(`${commits.length} batches of ${halfFills} half fills in ${elapsed.toFixed(1)} s, ${accounts} accounts`);
  console.log(`half fills/s ${(fills / elapsed).toFixed(0)}, rows/s ${(rows / elapsed).toFixed(0)}`);
  console.log(
    `batches/s ${(commits.length / elapsed).toFixed(1)}, commit ms p50 ${quantile(0.5)} p99 ${quantile(0.99)} max ${quantile(1)}`,
  );
  console.log(
    `making the batches took ${((made / 1_000 / elapsed) * 100).toFixed(0)} % of the time, on the same core as the client`,
  );
  await db.close();
} finally {
  await server.stop();
}
