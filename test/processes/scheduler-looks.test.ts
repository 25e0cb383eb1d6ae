import { afterAll, beforeAll, expect, test } from "vitest";
import { blindAfterMs, Findings } from "#apps/scheduler/findings.ts";
import {
  compareConservation,
  compareLedger,
  compareVenue,
  everyShard,
  lookAtPartitions,
  lookAtSnapshots,
  lookLimits,
  venueLagMs,
} from "#apps/scheduler/looks.ts";
import { Positions } from "#apps/scheduler/positions.ts";
import { retention, upkeep } from "#apps/scheduler/upkeep.ts";
import { connectBus } from "#libs/adapters/nats/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import {
  commitBatch,
  enqueueEntry,
  ensurePartitions,
  openProviderCall,
  readAlarms,
  readReconciliations,
  recordNotices,
  saveSnapshot,
} from "#libs/adapters/postgres/index.ts";
import type { Batch, Database, LedgerTransaction, PositionRow } from "#libs/adapters/postgres/index.ts";
import type { VenueStatus } from "#libs/contracts/live/venue.ts";
import { silentLogger } from "#libs/telemetry/logger.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";
import { useNats } from "#test/support/servers.ts";
import { batchAfter, deposit, newShard, placeAfter, startDatabase } from "../adapters/postgres-database.ts";
import type { TestDatabase } from "../adapters/postgres-database.ts";

const nats = useNats();
let database: TestDatabase;
let db: Database;
let bus: Bus;
beforeAll(async () => {
  database = await startDatabase();
  db = database.db;
  bus = await connectBus({ url: nats().url, namespace: "", name: "test" });
}, 60_000);
afterAll(async () => {
  await bus.close();
  await database.stop();
});

const newFindings = (monotonic?: () => number): Findings =>
  new Findings({ db, logger: silentLogger, metrics: createMetrics("test") }, monotonic);
const alarmsOf = async (shard: string): Promise<string[]> =>
  (await readAlarms(db)).filter((one) => one.shard === shard).map(({ code }) => code);

test("a balance that nobody booked is found, recorded, and an alarm: once while it stands, and again when it is over", async () => {
  const findings = newFindings();
  const look = async (): Promise<void> => findings.look("ledger", "7", async () => compareLedger(db, "7"));
  await newShard(db, "7");
  await look();
  expect(await alarmsOf("7")).toEqual([]);
  const text = "INSERT INTO balance (shard, account, asset, amount) VALUES ('7', 'mallory', 'USDT', 1000000)";
  await db.query({ text });
  await look();
  await look();
  const [run] = await readReconciliations(db, "7");
  expect(run).toMatchObject({ kind: "ledger", shard: "7" });
  expect(run?.differences.join()).toContain("mallory");
  expect(await alarmsOf("7")).toEqual(["ledger_differs"]);
  await db.query({ text: "DELETE FROM balance WHERE shard = '7'" });
  await look();
  await look();
  expect((await alarmsOf("7")).sort()).toEqual(["ledger_differs", "ledger_differs_over"]);
});

const position = (account: string, qty: string, cost: string): PositionRow => ({
  account,
  instrument: "X",
  qty,
  cost,
  margin: "0",
  mode: "cross",
  leverage: null,
  fundingEpoch: 0,
});
/** Half of a trade against `clearing`: one contract for five. */
const half = (account: string, sign: "" | "-"): LedgerTransaction => {
  const other = sign === "" ? "-" : "";
  return {
    entry: 2,
    kind: "fill",
    legs: [
      { account, asset: "USD", leg: "cost", instrument: "X", amount: `${other}5` },
      { account: "clearing", asset: "USD", leg: "cost", instrument: "X", amount: `${sign}5` },
    ],
  };
};

test("conservation holds over all shards together; what clearing holds is a difference once it lasts", async () => {
  const shards = ["c1", "c2"];
  const standing = new Set<string>();
  const look = async () => compareConservation(db, shards, standing);
  const [one, two] = [await newShard(db, "c1"), await newShard(db, "c2")];
  const funded: Partial<Batch> = { transactions: [deposit(1, "alice", "100")], balances: [balance("alice", "100")] };
  const first = batchAfter(one, funded);
  await commitBatch(db, first);
  expect(await look()).toMatchObject([
    { kind: "conservation", shard: everyShard, differences: [] },
    { kind: "clearing", differences: [] },
  ]);
  await commitBatch(
    db,
    batchAfter(placeAfter(first), {
      transactions: [half("alice", "")],
      positions: [position("alice", "1", "5"), position("clearing", "-1", "-5")],
    }),
  );
  // The other half is on its way.
  expect((await look())[1].differences).toEqual([]);
  const lasting = ["clearing holds -1 contracts of X over all shards", "clearing holds 5 USD over all shards"];
  expect((await look()).map(({ differences }) => differences)).toEqual([[], lasting]);
  const otherHalf = { ...half("bob", "-"), entry: 1 };
  const positions = [position("bob", "-1", "-5"), position("clearing", "1", "5")];
  await commitBatch(db, batchAfter(two, { transactions: [otherHalf], positions }));
  const met = await look();
  expect(met.map(({ differences }) => differences)).toEqual([[], []]);
  expect(met[0].compared).toBeGreaterThan(2);

  const change = async (text: string): Promise<readonly string[]> => {
    await db.query({ text });
    return (await look())[0].differences;
  };
  expect(await change("UPDATE balance SET amount = 101 WHERE shard = 'c1'")).toEqual([
    "USD: all shards hold 1 more than was deposited less withdrawn",
  ]);
  expect(await change("UPDATE balance SET amount = 100 WHERE shard = 'c1'")).toEqual([]);
  expect(await change("UPDATE position SET qty = -2 WHERE account = 'bob'")).toEqual([
    "X: long and short contracts of all shards differ by -1",
  ]);
  expect(await change("UPDATE position SET qty = -1, cost = -6 WHERE account = 'bob'")).toEqual([
    "USD: all shards hold 1 more than was deposited less withdrawn",
  ]);
});
const balance = (account: string, amount: string) => ({ account, asset: "USD", amount });

test("positions that the matching engine attests otherwise differ until their range is attested again", async () => {
  const place = await newShard(db, "p1");
  const positions = new Positions();
  const findings = newFindings();
  const look = async () => {
    let found: readonly string[] = [];
    await findings.look("positions", "p1", async () => {
      const run = await positions.look(db, "p1");
      found = run.differences;
      return run;
    });
    return found;
  };
  const difference = { account: "alice", instrument: "X", venue: "2", engine: "1" };
  const differ = { fact: "positions.differ", from: 0, to: 7, accounts: 3, count: 1, differences: [difference] };
  const attested = { fact: "positions.attested", from: 0, to: 7, accounts: 3 };
  let before = place;
  let seq = 0;
  const commit = async (fact: Readonly<Record<string, unknown>> & { readonly fact: string }): Promise<void> => {
    seq += 1;
    const row = { seq, t: 1, fact: fact.fact, account: null, body: { ...fact, seq, t: 1 } };
    const batch = batchAfter(before, { facts: [row], factSeq: seq });
    await commitBatch(db, batch);
    before = placeAfter(batch);
  };
  await commit(attested);
  expect(await look()).toEqual([]);
  await commit(differ);
  expect(await look()).toEqual(["slots 0 to 7, 1 positions: alice X venue 2 engine 1"]);
  await commit({ ...attested, from: 8, to: 15 });
  expect(await look()).toHaveLength(1);
  expect(await alarmsOf("p1")).toEqual(["positions_differ"]);
  await commit(attested);
  expect(await look()).toEqual([]);
  expect((await alarmsOf("p1")).sort()).toEqual(["positions_differ", "positions_differ_over"]);
});

test("the venue is ahead by the age of its last entry while that is not committed; more than a minute is a difference", async () => {
  const { shards } = { shards: { "0": { lastSeq: 9, t: 1_000, acked: 9 } } };
  expect(venueLagMs({ shards }, "0", 8, 62_000)).toBe(61_000);
  expect(venueLagMs({ shards }, "0", 0, 62_000)).toBe(61_000);
  expect(venueLagMs({ shards }, "0", 9, 62_000)).toBe(0);
  expect(venueLagMs({ shards }, "1", 0, 62_000)).toBe(0);

  const place = await newShard(db, "v1");
  await commitBatch(db, batchAfter(place, { sourceSeqs: [{ source: "venue", seq: 4 }] }));
  const status: VenueStatus = {
    shards: { v1: { lastSeq: 5, t: 1_000, acked: 5 } },
    trades: 0,
    openOrders: 0,
    rejected: {},
  };
  const stand = bus.respond(bus.names.subjects.venue("status"), () => status);
  const at = async (now: number) => compareVenue(bus, db, "v1", now);
  expect(await at(1_000 + lookLimits.venueLagMaxMs)).toMatchObject({ lagMs: 60_000, differences: [] });
  expect((await at(1_001 + lookLimits.venueLagMaxMs)).differences).toEqual([
    "1 entries of the venue wait, the newest for 60 s",
  ]);
  await commitBatch(db, {
    ...batchAfter(placeAfter(batchAfter(place)), { sourceSeqs: [{ source: "venue", seq: 5 }] }),
  });
  expect(await at(10_000_000)).toMatchObject({ lagMs: 0, differences: [] });
  stand.stop();
});

test("a look that cannot be made for a minute is an alarm, once, and does not keep others out", async () => {
  let now = 0;
  const findings = newFindings(() => now);
  const fail = async (): Promise<void> => findings.look("memory", "b1", async () => Promise.reject(new Error("away")));
  await fail();
  now = blindAfterMs - 1;
  await fail();
  expect(await alarmsOf("b1")).toEqual([]);
  now = blindAfterMs;
  await fail();
  await fail();
  expect(await alarmsOf("b1")).toEqual(["comparison_blind"]);
});

test("an old snapshot, or one with much to replay after it, is a difference", async () => {
  const place = await newShard(db, "s1");
  const look = async () => (await lookAtSnapshots(db, ["s1"]))[0];
  expect(await look()).toMatchObject({ shard: "s1", ageMs: null, behind: 0, differences: [] });
  const batch = batchAfter(place, { entryCount: 3 });
  await commitBatch(db, batch);
  const hashes = { chainHash: batch.chainHash, stateHash: "ab".repeat(32) };
  const snapshot = { shard: "s1", entry: 3, seq: 3, factSeq: 0, ...hashes, format: "f", bytes: Buffer.from("x") };
  await saveSnapshot(db, snapshot);
  const age = async (ms: number): Promise<void> => {
    const text = "UPDATE snapshot SET saved_at = clock_timestamp() - $1 * interval '1 ms' WHERE shard = 's1'";
    await db.query({ text, values: [ms] });
  };
  await age(2 * lookLimits.snapshotAgeMaxMs);
  // Old, but nothing has happened since.
  expect(await look()).toMatchObject({ behind: 0, differences: [] });
  await commitBatch(db, batchAfter(placeAfter(batch)));
  expect((await look())?.differences[0]).toMatch(
    /^the newest snapshot is 60\d s old, and 1 entries are to be replayed$/,
  );
  await age(0);
  expect(await look()).toMatchObject({ behind: 1, differences: [] });
  await db.query({ text: `UPDATE shard SET entries = ${lookLimits.snapshotBehindMax + 4} WHERE id = 's1'` });
  expect((await look())?.differences[0]).toContain("500001 entries are to be replayed");
});

test("partitions that are not made ahead are a difference until they are", async () => {
  expect((await lookAtPartitions(db)).differences).toEqual([]);
  const { rows } = await db.query<{ child: string }>({
    text: `SELECT inhrelid::regclass::text AS child FROM pg_inherits WHERE inhparent = 'mark_input'::regclass
      AND to_date(substring(inhrelid::regclass::text FROM '\\d+$'), 'YYYYMMDD') > current_date`,
  });
  for (const { child } of rows) await db.query({ text: `DROP TABLE ${child}` });
  expect((await lookAtPartitions(db)).differences).toEqual(["mark_input has room for 0 more"]);
  await newShard(db, "far");
  await db.query({ text: "UPDATE shard SET entries = 45000000 WHERE id = 'far'" });
  const low = (await lookAtPartitions(db)).differences;
  expect(low.map((one) => one.split(" ")[0])).toEqual(["journal", "ledger_leg", "ledger_transaction", "mark_input"]);
  await ensurePartitions(db);
  expect((await lookAtPartitions(db)).differences).toEqual([]);
});

test("upkeep removes what is past its time and done with, and nothing that is still to be done", async () => {
  const place = await newShard(db, "u1");
  const effect = (id: string) => ({ id, effect: "block", saga: "s", account: "a", instrument: null }) as const;
  const first = batchAfter(place, { effectsOpened: [effect("done"), effect("open")] });
  await commitBatch(db, first);
  await commitBatch(
    db,
    batchAfter(placeAfter(first), { effectsAnswered: ["done"], sourceSeqs: [{ source: "operator", seq: 1 }] }),
  );
  const entry = { source: "operator", shard: "u1", body: { k: "time" }, t: 1 } as const;
  for (const key of ["applied", "waiting"]) await enqueueEntry(db, { ...entry, key });
  const notice = { shard: "u1", channel: "account", account: "a", body: {} } as const;
  await recordNotices(
    db,
    [1, 2].map((factSeq) => ({ ...notice, factSeq })),
  );
  const call = { shard: "u1", provider: "lp", saga: "s", step: 1, body: {} };
  for (const factSeq of [1, 2]) await openProviderCall(db, { ...call, factSeq, id: `u1-${factSeq}-takeover` });
  const longAgo = "clock_timestamp() - interval '1 year'";
  for (const text of [
    `UPDATE effect SET answered_at = ${longAgo}, opened_at = ${longAgo} WHERE shard = 'u1' AND id = 'done'`,
    `UPDATE effect SET opened_at = ${longAgo} WHERE shard = 'u1' AND id = 'open'`,
    `UPDATE entry_outbox SET published_at = ${longAgo} WHERE shard = 'u1' AND key = 'applied'`,
    `UPDATE notice SET sent_at = ${longAgo} WHERE id = 'u1-1-account'`,
    `UPDATE notice SET recorded_at = ${longAgo} WHERE id = 'u1-2-account'`,
    `UPDATE provider_call SET outcome = 'accepted', answered_at = ${longAgo} WHERE id = 'u1-1-takeover'`,
    `UPDATE provider_call SET opened_at = ${longAgo} WHERE id = 'u1-2-takeover'`,
    `INSERT INTO dead_letter (border, code, what, payload, recorded_at) VALUES ('quote', 'x', 'x', '', ${longAgo})`,
    `INSERT INTO reconciliation (shard, kind, applied_seq, compared, differing, differences, at)
      VALUES ('u1', 'ledger', 1, 1, 0, '[]', ${longAgo})`,
  ])
    await db.query({ text });
  expect((await upkeep(db)).removed).toBe(6);
  const left = async (text: string): Promise<unknown> =>
    (await db.query<{ left: string }>({ text })).rows.map((row) => row.left);
  expect(await left("SELECT id AS left FROM effect WHERE shard = 'u1'")).toEqual(["open"]);
  expect(await left("SELECT key AS left FROM entry_outbox WHERE shard = 'u1'")).toEqual(["waiting"]);
  expect(await left("SELECT id AS left FROM notice WHERE shard = 'u1'")).toEqual(["u1-2-account"]);
  expect(await left("SELECT id AS left FROM provider_call WHERE shard = 'u1'")).toEqual(["u1-2-takeover"]);
  expect((await upkeep(db)).removed).toBe(0);
  expect(retention.effectMs).toBeGreaterThan(86_400_000);
});
