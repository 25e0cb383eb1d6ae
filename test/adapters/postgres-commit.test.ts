import { afterAll, beforeAll, expect, test } from "vitest";
import {
  acquireShard,
  checkLedger,
  chainHash,
  commitBatch,
  ConstraintBroken,
  Corrupt,
  DatabaseDown,
  Deposed,
  genesisHash,
  journalPages,
  ledgerOfAccount,
  ledgerSums,
  openDatabase,
  openEffects,
  markEffectsSent,
  pack,
  readAccounts,
  readFacts,
  readFactsOfSaga,
  readHalts,
  readJournal,
  readRuleVersion,
  runningSagas,
  readShard,
  readSourceSeqs,
  releaseShard,
  renewShard,
  Unbalanced,
} from "#libs/adapters/postgres/index.ts";
import type { Batch, PositionRow } from "#libs/adapters/postgres/index.ts";
import { batchAfter, deposit, eventually, newShard, placeAfter, startDatabase } from "./postgres-database.ts";
import type { Place, TestDatabase } from "./postgres-database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await startDatabase();
});
afterAll(() => database.stop());

const long: PositionRow = {
  account: "alice",
  instrument: "BTC-PERP",
  qty: "2",
  cost: "60000.5",
  margin: "0",
  mode: "cross",
  leverage: null,
  fundingEpoch: 3,
};

function richBatch(before: Parameters<typeof batchAfter>[0]): Batch {
  const first = before.entries + 1;
  const facts = [
    {
      seq: 1,
      t: 5,
      fact: "cash.deposited",
      account: "alice",
      body: { seq: 1, t: 5, fact: "cash.deposited", note: '"\\' },
    },
    { seq: 2, t: 5, fact: "liquidation.started", account: null, body: { seq: 2, t: 5, fact: "x", saga: "s1" } },
  ];
  const fill = {
    entry: first,
    kind: "fill",
    legs: [
      { account: "alice", asset: "USD", leg: "cash", instrument: null, amount: "60000.5" },
      { account: "alice", asset: "USD", leg: "cost", instrument: "BTC-PERP", amount: "-60000.5" },
    ],
  } as const;
  return batchAfter(before, {
    factSeq: 4,
    facts,
    transactions: [deposit(first, "alice", "100"), fill],
    balances: [
      { account: "alice", asset: "USD", amount: "1" },
      { account: "alice", asset: "USD", amount: "60100.5" },
      { account: "NULL", asset: "USD", amount: "0.000000000000000001" },
    ],
    positions: [{ ...long, qty: "1" }, long],
    sagas: [
      { id: "s1", account: "alice", instrument: null, state: "locking", stage: 1, step: 0, startedAt: 5, ended: false },
    ],
    effectsOpened: [{ id: "e1", effect: "block", saga: "s1", account: "alice", instrument: null }],
    sourceSeqs: [
      { source: "venue", seq: 6 },
      { source: "venue", seq: 7 },
    ],
    halts: [{ scope: "global", id: null, state: "paused", reason: "drill", manual: true, since: 5, until: null }],
    deadLetters: [
      {
        border: "log",
        code: "unreadable",
        what: "no k",
        payload: Buffer.from([0, 255, 34, 92]),
        logSeq: 1,
        source: "x",
      },
    ],
    rules: [{ version: 1, t: 5, document: { a: "1" } }],
    t: 1_000,
  });
}

test("a batch commits everything that it carries", async () => {
  const { db } = database;
  const before = await newShard(db, "rich");
  const batch = richBatch(before);
  expect(await commitBatch(db, batch)).toBe("committed");

  const shard = await readShard(db, "rich");
  expect(shard).toMatchObject({ appliedSeq: 1, entries: 1, factSeq: 4, chainHash: batch.chainHash, leaseHeld: true });
  const rows = await readAccounts(db, "rich", { after: null, limit: 10 });
  expect(rows).toEqual({
    appliedSeq: 1,
    entries: 1,
    accounts: ["NULL", "alice"],
    balances: [
      { account: "NULL", asset: "USD", amount: "0.000000000000000001" },
      { account: "alice", asset: "USD", amount: "60100.5" },
    ],
    positions: [long],
    next: null,
  });
  expect((await readFacts(db, "rich", { account: "alice" })).map((one) => one["note"])).toEqual(['"\\']);
  expect(await readFactsOfSaga(db, "rich", "s1")).toHaveLength(1);
  const everyRunning = { shards: ["rich"], account: null, stage: null, before: null, limit: 10 };
  expect(await runningSagas(db, everyRunning)).toMatchObject([{ id: "s1", stage: 1, startedAt: 5 }]);
  expect(await readHalts(db, "rich")).toMatchObject([{ scope: "global", id: null, state: "paused", since: 5 }]);
  expect(await readSourceSeqs(db, "rich")).toEqual(new Map([["venue", 7]]));
  expect(await readRuleVersion(db, "rich", null)).toMatchObject({ version: 1, document: { a: "1" } });
  const letters = await db.query({ text: "SELECT payload, source_seq FROM dead_letter WHERE shard = 'rich'" });
  expect(letters.rows).toEqual([{ payload: Buffer.from([0, 255, 34, 92]), source_seq: null }]);
  expect(await ledgerOfAccount(db, "rich", "alice", { before: null, limit: 10 })).toMatchObject([
    { entry: 1, number: 1, kind: "fill" },
    { entry: 1, number: 1, kind: "fill" },
    { entry: 1, number: 0, kind: "deposit", amount: "100", t: 1_000 },
  ]);
});

test("effects stay open until they are answered, attempts are counted; flat positions and lifted halts go", async () => {
  const { db } = database;
  const first = richBatch(await newShard(db, "effects"));
  await commitBatch(db, first);
  expect(await openEffects(db, { shard: "effects" })).toMatchObject([
    { effect: { id: "e1", effect: "block", account: "alice" }, attempts: 0, sentAgoMs: null, epoch: 1, openedSeq: 1 },
  ]);
  const sent = [{ shard: "effects", id: "e1" }];
  expect(await markEffectsSent(db, [...sent, ...sent])).toBe(1);
  expect(await openEffects(db, { shard: "effects", sentBeforeMs: 60_000 })).toEqual([]);
  expect(await markEffectsSent(db, sent)).toBe(1);
  expect(await openEffects(db, { shard: "effects" })).toMatchObject([{ attempts: 2 }]);

  const flat = { ...long, qty: "0", cost: "0" };
  await commitBatch(db, batchAfter(placeAfter(first), { effectsAnswered: ["e1"], halts: [], positions: [flat] }));
  expect(await openEffects(db, { shard: "effects" })).toEqual([]);
  expect(await markEffectsSent(db, sent)).toBe(0);
  expect(await readHalts(db, "effects")).toEqual([]);
  expect((await readAccounts(db, "effects", { after: null, limit: 10 })).positions).toEqual([]);
});

test("the same batch again is known; another one in its place, or one that leaves something out, is refused", async () => {
  const { db } = database;
  const before = await newShard(db, "again");
  const batch = batchAfter(before);
  expect(await commitBatch(db, batch)).toBe("committed");
  expect(await commitBatch(db, batch)).toBe("already");
  const other = { ...batch, chainHash: "11".repeat(32) };
  await expect(commitBatch(db, other)).rejects.toBeInstanceOf(Deposed);
  const gap = batchAfter({ ...placeAfter(batch), appliedSeq: 9 });
  await expect(commitBatch(db, gap)).rejects.toBeInstanceOf(Deposed);
  const skipped = batchAfter({ ...placeAfter(batch), entries: 9 });
  await expect(commitBatch(db, skipped)).rejects.toBeInstanceOf(Deposed);
  expect((await readJournal(db, "again", 0, 10)).map((one) => one.toSeq)).toEqual([1]);
});

test("a lease keeps a second leader out; an expired one lets it in, and the first is fenced", async () => {
  const { db } = database;
  const before = await newShard(db, "race");
  expect(await acquireShard(db, "race", "second", 60_000)).toBeNull();
  await renewShard(db, "race", before.epoch, 1);
  const taken: (Place | null)[] = [];
  await eventually(
    async () => taken.push(await acquireShard(db, "race", "second", 60_000)) > 0 && taken.at(-1) !== null,
  );
  const heir = taken.at(-1) as Place;
  expect(heir).toMatchObject({ epoch: before.epoch + 1, appliedSeq: 0 });

  const batches = [batchAfter(before), batchAfter(heir, { ruleVersion: 2 })];
  const settled = await Promise.allSettled(batches.map((batch) => commitBatch(db, batch)));
  expect(settled.map((one) => one.status)).toEqual(["rejected", "fulfilled"]);
  expect((settled[0] as PromiseRejectedResult).reason).toBeInstanceOf(Deposed);
  await expect(renewShard(db, "race", before.epoch, 1_000)).rejects.toBeInstanceOf(Deposed);
  await releaseShard(db, "race", before.epoch);
  expect(await readShard(db, "race")).toMatchObject({ owner: "second", leaseHeld: true, ruleVersion: 2 });
  await releaseShard(db, "race", heir.epoch);
  expect(await acquireShard(db, "race", "third", 60_000)).toMatchObject({ epoch: heir.epoch + 1, appliedSeq: 1 });
});

test("of many that commit in one place exactly one does", async () => {
  const { db } = database;
  const before = await newShard(db, "crowd");
  const batches = Array.from({ length: 20 }, (_, at) => {
    const hash = chainHash(genesisHash, `${at}`, "");
    return batchAfter(before, { chainHash: hash, balances: [{ account: "a", asset: "USD", amount: String(at) }] });
  });
  const settled = await Promise.allSettled(batches.map((batch) => commitBatch(db, batch)));
  const winners = batches.filter((_, at) => settled[at]?.status === "fulfilled");
  expect(winners).toHaveLength(1);
  const { balances } = await readAccounts(db, "crowd", { after: null, limit: 10 });
  expect(balances).toEqual(winners[0]?.balances);
});

test("who takes over waits for the batch under way and sees it", async () => {
  const { db } = database;
  const before = await newShard(db, "behind");
  await db.query({ text: "UPDATE shard SET lease_until = '-infinity' WHERE id = 'behind'" });
  const batch = batchAfter(before);
  // Holds the batch's row after its lease has run out, as a slow commit does.
  let taken: ReturnType<typeof acquireShard> = Promise.resolve(null);
  await db.transaction(async (client) => {
    await client.query({ text: "SELECT 1 FROM shard WHERE id = 'behind' FOR UPDATE" });
    taken = acquireShard(db, "behind", "second", 60_000);
    await eventually(async () => {
      const text = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE shard%'";
      return (await db.query({ text })).rowCount === 1;
    });
    await commitBatch(client, batch);
    await client.query({ text: "UPDATE shard SET lease_until = '-infinity' WHERE id = 'behind'" });
  });
  expect(await taken).toMatchObject({ epoch: before.epoch + 1, appliedSeq: 1, chainHash: batch.chainHash });
});

test("a backend killed in the middle of a commit leaves nothing; the same batch then commits", async () => {
  const { db } = database;
  const before = await newShard(db, "killed");
  const batch = { ...richBatch(before), deadLetters: [] };
  const down = await db.transaction(async (client) => {
    // Its balances cannot be written while this lock stands: the shard's row and the ledger have been by then.
    await client.query({ text: "LOCK TABLE balance IN SHARE ROW EXCLUSIVE MODE" });
    const failed = commitBatch(db, batch).catch((error: unknown) => error);
    await eventually(async () => {
      const text = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT commit_batch%'`;
      return (await db.query({ text })).rowCount === 1;
    });
    return failed;
  });
  expect(down).toBeInstanceOf(DatabaseDown);
  expect((down as DatabaseDown).outcome).toBe("unknown");
  expect(await readShard(db, "killed", { settled: true })).toMatchObject({ appliedSeq: 0, chainHash: genesisHash });
  for (const table of ["journal", "ledger_leg", "balance", "position", "fact", "effect", "saga"])
    expect((await db.query({ text: `SELECT 1 FROM ${table} WHERE shard = 'killed'` })).rowCount, table).toBe(0);
  expect(await commitBatch(db, batch)).toBe("committed");
});

test.each<[string, Partial<Batch>, new (...args: never[]) => Error]>([
  [
    "a transaction that does not sum to zero",
    { transactions: [{ ...deposit(1, "a", "5"), legs: deposit(1, "a", "5").legs.slice(1) }] },
    Unbalanced,
  ],
  ["a negative fund", { balances: [{ account: "insurance", asset: "USD", amount: "-0.01" }] }, ConstraintBroken],
  ["a negative house", { balances: [{ account: "house", asset: "USD", amount: "-1" }] }, ConstraintBroken],
  ["NaN", { balances: [{ account: "a", asset: "USD", amount: "NaN" }] }, RangeError],
  [
    "a nineteenth decimal",
    { balances: [{ account: "a", asset: "USD", amount: "0.0000000000000000001" }] },
    ConstraintBroken,
  ],
  ["margin of a cross position", { positions: [{ ...long, margin: "1" }] }, ConstraintBroken],
  ["a position of the fund", { positions: [{ ...long, account: "insurance" }] }, ConstraintBroken],
  ["a falling log time", { t: -1 }, ConstraintBroken],
  ["a NUL in a text", { facts: [{ seq: 1, t: 1, fact: "x", account: null, body: { a: "\0" } }] }, ConstraintBroken],
])("the whole batch is refused for %s", async (what, change, error) => {
  const { db } = database;
  const shard = `refused-${what.replace(/\W/g, "-")}`;
  const before = await newShard(db, shard);
  await expect(commitBatch(db, batchAfter(before, change))).rejects.toBeInstanceOf(error);
  expect(await readShard(db, shard)).toMatchObject({ appliedSeq: 0, entries: 0 });
});

test("the journal is read page by page along its chain, and a damaged or missing batch is noticed", async () => {
  const { db } = database;
  let place = await newShard(db, "chain");
  const genesis = '{"seq":0,"e":{"k":"genesis"}}\n';
  const batches = [
    batchAfter(place, { entryCount: 0, journal: pack(genesis), chainHash: chainHash(genesisHash, genesis, "") }),
  ];
  await commitBatch(db, batches[0] as Batch);
  for (let at = 1; at < 8; at += 1) {
    place = placeAfter(batches.at(-1) as Batch);
    const batch = batchAfter(place, { entryCount: at });
    batches.push(batch);
    await commitBatch(db, batch);
  }
  const read = async (afterEntry: number, hash: string): Promise<number[]> => {
    const seen: number[] = [];
    for await (const page of journalPages(db, "chain", { afterEntry, hash, pageSize: 3 })) {
      expect(page.length).toBeLessThanOrEqual(3);
      for (const one of page) seen.push(one.firstEntry);
    }
    return seen;
  };
  expect(await read(0, genesisHash)).toEqual([1, 1, 2, 4, 7, 11, 16, 22]);
  expect(await read(0, batches[0]?.chainHash ?? "")).toEqual([1, 2, 4, 7, 11, 16, 22]);
  expect(await read(3, batches[2]?.chainHash ?? "")).toEqual([4, 7, 11, 16, 22]);
  await expect(read(3, genesisHash)).rejects.toBeInstanceOf(Corrupt);

  const damage = async (change: string): Promise<void> => {
    await db.transaction(async (client) => {
      await client.query({ text: "SET LOCAL session_replication_role = replica" });
      await client.query({ text: change });
    });
  };
  await damage(`UPDATE journal SET entries = '\\x7b7d' WHERE shard = 'chain' AND first_entry = 7`);
  await expect(read(0, genesisHash)).rejects.toThrow(/entries 7 to 10: the hash differs/);
  await damage("DELETE FROM journal WHERE shard = 'chain' AND first_entry = 7");
  await expect(read(0, genesisHash)).rejects.toThrow(/entry 11 does not follow entry 6/);
});

test("the ledger is compared with balances and positions, reading only what is new", async () => {
  const { db } = database;
  const first = richBatch(await newShard(db, "sums"));
  await commitBatch(db, { ...first, balances: first.balances.filter((row) => row.account !== "NULL") });
  expect(await checkLedger(db, "sums")).toMatchObject({
    entry: 1,
    appliedSeq: 1,
    added: 4,
    compared: 3,
    differences: [],
  });
  const second = batchAfter(placeAfter(first), {
    transactions: [deposit(2, "alice", "0.5")],
    balances: [{ account: "alice", asset: "USD", amount: "60101" }],
  });
  await commitBatch(db, second);
  expect(await checkLedger(db, "sums")).toMatchObject({ entry: 2, added: 2, differences: [] });
  expect((await ledgerSums(db, "sums", { from: "alice", to: "alice" })).sums).toMatchObject([
    { leg: "cash", amount: "60101", legs: 3 },
    { leg: "cost", instrument: "BTC-PERP", amount: "-60000.5" },
  ]);
  await db.query({ text: "UPDATE balance SET amount = amount + 1 WHERE shard = 'sums' AND account = 'alice'" });
  await db.query({ text: "UPDATE position SET cost = cost + 1 WHERE shard = 'sums'" });
  expect(await checkLedger(db, "sums")).toMatchObject({
    added: 0,
    differences: ["alice BTC-PERP: cost 60001.5, ledger 60000.5", "alice USD: balance 60102, ledger 60101"],
  });
});

test("accounts come in pages, all of one moment", async () => {
  const { db } = database;
  const before = await newShard(db, "pages");
  const names = ["Z", "a", "a_1", "b", "c"];
  await commitBatch(
    db,
    batchAfter(before, { balances: names.map((account) => ({ account, asset: "USD", amount: "1" })) }),
  );
  const seen: string[] = [];
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof readAccounts>> = await readAccounts(db, "pages", { after, limit: 2 });
    seen.push(...page.balances.map((row) => row.account));
    after = page.next;
  } while (after !== null);
  expect(seen).toEqual(names);
});

test("a server that is away is DatabaseDown with nothing sent", async () => {
  const away = openDatabase({ url: "postgres://x:y@127.0.0.1:1/none", name: "away" });
  const error = await readShard(away, "0").catch((one: unknown) => one);
  expect(error).toBeInstanceOf(DatabaseDown);
  expect((error as DatabaseDown).outcome).toBe("none");
  await away.close();
});
