import { afterAll, beforeAll, expect, test } from "vitest";
import {
  acquireLease,
  appendAudit,
  Corrupt,
  Deposed,
  enqueueEntry,
  entryByKey,
  entryBySeq,
  findDecisions,
  insertDeadLetter,
  insertDecisions,
  lastOutboxSeq,
  loadMarkState,
  loadSnapshots,
  lockOutbox,
  markInputAt,
  endProviderCall,
  factCursor,
  factsOfNames,
  markNoticesSent,
  markNoticeTried,
  markProviderCalled,
  moveFactCursor,
  openProviderCall,
  openProviderCalls,
  partitionRoom,
  readProviderCalls,
  markPublished,
  pendingEntries,
  pruneOutbox,
  pruneRecords,
  readAudit,
  readLeases,
  readReconciliations,
  raiseAlarm,
  readAlarms,
  recordNotices,
  recordReconciliation,
  releaseLease,
  renewLease,
  saveMarkInputs,
  saveMarkState,
  saveSnapshot,
  unsentNotices,
  verifyAudit,
} from "#libs/adapters/postgres/index.ts";
import type { Database, GateDecision, NewEntry, Queryable } from "#libs/adapters/postgres/index.ts";
import { commitBatch } from "#libs/adapters/postgres/index.ts";
import { batchAfter, eventually, newShard, startDatabase } from "./postgres-database.ts";
import type { TestDatabase } from "./postgres-database.ts";

let database: TestDatabase;
let db: Database;
beforeAll(async () => {
  database = await startDatabase();
  db = database.db;
});
afterAll(() => database.stop());

const halt = (key: string, shard: string): NewEntry => ({
  source: "operator",
  shard,
  key,
  body: { k: "cash", account: key, asset: "USD", amount: "1" },
  t: 5,
  trace: undefined,
});

test("fifty at once get numbers without a gap, and the same key the same number", async () => {
  const keys = Array.from({ length: 50 }, (_, at) => `k${at % 25}`);
  const numbers = await Promise.all(keys.map((key) => enqueueEntry(db, halt(key, "o1"))));
  const sorted = [...new Set(numbers)].toSorted((a, b) => a - b);
  expect(sorted).toEqual(Array.from({ length: 25 }, (_, at) => at + 1));
  for (const [at, key] of keys.entries()) expect(numbers[at]).toBe(numbers[keys.indexOf(key)]);
  expect((await pendingEntries(db, { shard: "o1" })).map((one) => one.sourceSeq)).toEqual(sorted);
  expect(await lastOutboxSeq(db, "operator", "o1")).toBe(25);
});

test("two who wait for the same number with the same key get one entry", async () => {
  await enqueueEntry(db, halt("first", "o3"));
  let both: Promise<number[]> = Promise.resolve([]);
  await db.transaction(async (client) => {
    await client.query({ text: "SELECT 1 FROM source_counter WHERE shard = 'o3' FOR UPDATE" });
    both = Promise.all([enqueueEntry(db, halt("same", "o3")), enqueueEntry(db, halt("same", "o3"))]);
    await eventually(async () => {
      const text =
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT enqueue_entry%'";
      return (await db.query({ text })).rowCount === 2;
    });
  });
  expect(await both).toEqual([2, 2]);
});

test("the order of a source's entries is one transaction's on all of its shards at a time, in whatever order they are named", async () => {
  await newShard(db, "l1");
  await newShard(db, "l2");
  const order: string[] = [];
  let others: Promise<unknown> = Promise.resolve();
  const locks = async (name: string, shards: readonly string[]): Promise<void> =>
    db.transaction(async (client) => {
      expect(await lockOutbox(client, "operator", shards)).toEqual(new Map(shards.map((shard) => [shard, 0])));
      order.push(`${name} locked`);
      await enqueueEntry(client, halt(name, shards[0] ?? ""));
      order.push(`${name} over`);
    });
  await db.transaction(async (client) => {
    // Nobody has counted on these shards before.
    await lockOutbox(client, "operator", ["l2", "l1"]);
    others = Promise.all([locks("a", ["l1", "l2"]), locks("b", ["l2", "l1"])]);
    await eventually(async () => {
      const text = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'WITH locked AS%'";
      return (await db.query({ text })).rowCount === 2;
    });
    expect(order).toEqual([]);
    expect(await enqueueEntry(client, halt("mine", "l1"))).toBe(1);
  });
  await others;
  const [first = ""] = order;
  expect(order.slice(0, 2)).toEqual([first, first.replace("locked", "over")]);
  expect([await lastOutboxSeq(db, "operator", "l1"), await lastOutboxSeq(db, "operator", "l2")]).toEqual([2, 1]);
});

test("what is rolled back takes no number; entries come with their header and are published once", async () => {
  const failing = db.transaction(async (client) => {
    expect(await enqueueEntry(client, halt("lost", "o2"))).toBe(1);
    throw new Error("changed my mind");
  });
  await expect(failing).rejects.toThrow("changed my mind");
  expect(await enqueueEntry(db, { ...halt("kept", "o2"), trace: "00-x" })).toBe(1);
  expect(await enqueueEntry(db, { ...halt("kept", "o2"), t: 99 })).toBe(1);
  const entry = {
    k: "cash",
    account: "kept",
    asset: "USD",
    amount: "1",
    t: 5,
    source: "operator",
    sourceSeq: 1,
    trace: "00-x",
  };
  expect(await pendingEntries(db, { source: "operator", shard: "o2" })).toMatchObject([{ entry, published: false }]);
  await markPublished(db, { source: "operator", shard: "o2", sourceSeq: 1, logSeq: 7 });
  expect(await pendingEntries(db, { shard: "o2" })).toEqual([]);
  expect(await entryBySeq(db, "operator", "o2", 1)).toMatchObject({ entry, published: true });
  expect(await entryByKey(db, "operator", "o2", "kept")).toMatchObject({ sourceSeq: 1 });
  expect(await entryBySeq(db, "operator", "o2", 2)).toBeNull();

  expect(await pruneOutbox(db, 0)).toBe(0);
  const before = await newShard(db, "o2");
  await commitBatch(db, batchAfter(before, { sourceSeqs: [{ source: "operator", seq: 1 }] }));
  expect(await pruneOutbox(db, 3_600_000)).toBe(0);
  expect(await pruneOutbox(db, 0)).toBe(1);
  expect(await enqueueEntry(db, halt("next", "o2"))).toBe(2);
});

test("one of many gets a lease; it runs out by the database's clock and is then another's", async () => {
  const tries = await Promise.all(Array.from({ length: 10 }, (_, at) => acquireLease(db, "l", `o${at}`, 60_000)));
  expect(tries.filter((one) => one !== null)).toEqual([{ epoch: 1 }]);
  expect(await renewLease(db, "l", 1, 1)).toBe(true);
  const seen: unknown[] = [];
  await eventually(async () => seen.push(await acquireLease(db, "l", "heir", 60_000)) > 0 && seen.at(-1) !== null);
  expect(seen.at(-1)).toEqual({ epoch: 2 });
  expect(await renewLease(db, "l", 1, 60_000)).toBe(false);
  await releaseLease(db, "l", 1);
  expect(await readLeases(db)).toContainEqual({ name: "l", owner: "heir", epoch: 2, held: true });
  await releaseLease(db, "l", 2);
  expect(await acquireLease(db, "l", "third", 60_000)).toEqual({ epoch: 3 });
});

test("the state of prices belongs to the holder of the lease", async () => {
  await acquireLease(db, "marks", "one", 60_000);
  expect(await loadMarkState(db, "marks")).toBeNull();
  await saveMarkState(db, "marks", 1, Buffer.from("first"));
  await saveMarkState(db, "marks", 1, Buffer.from("second"));
  expect(await loadMarkState(db, "marks")).toEqual({ epoch: 1, version: 2, bytes: Buffer.from("second") });
  await releaseLease(db, "marks", 1);
  await acquireLease(db, "marks", "two", 60_000);
  await expect(saveMarkState(db, "marks", 1, Buffer.from("late"))).rejects.toBeInstanceOf(Deposed);
  await saveMarkState(db, "marks", 2, Buffer.from("third"));
  expect(await loadMarkState(db, "marks")).toMatchObject({ epoch: 2, version: 3 });
});

test("inputs of prices are found by time, decisions by request", async () => {
  const input = { price: "1.5", used: [], dropped: [] };
  const row = { id: "BTC", price: "1.5", quality: "good", input };
  await saveMarkInputs(
    db,
    [10, 20, 30].map((t) => ({ ...row, sourceSeq: t / 10, t })),
  );
  expect(await markInputAt(db, "BTC", 25)).toEqual({ ...row, sourceSeq: 2, t: 20 });
  expect(await markInputAt(db, "BTC", 9)).toBeNull();

  const decision: GateDecision = {
    shard: "0",
    request: "r1",
    verb: "check",
    account: "a",
    decision: "reject",
    codes: ["leverage", "initial_margin"],
    epoch: 1,
    appliedSeq: 2,
    frame: 3,
    ruleVersion: 4,
    t: 5,
    body: { overlay: ['"'] },
  };
  await insertDecisions(db, [decision, { ...decision, request: "r2", decision: "accept", codes: [] }]);
  expect(await findDecisions(db, "r1")).toEqual([decision]);
  expect(await findDecisions(db, "r2")).toMatchObject([{ decision: "accept", codes: [] }]);
});

test("the newest three snapshots are kept, a damaged one is passed over", async () => {
  await newShard(db, "snap");
  const hash = "ab".repeat(32);
  const of = (entry: number, size: number) => ({
    shard: "snap",
    entry,
    seq: entry * 2,
    factSeq: 1,
    chainHash: hash,
    stateHash: hash,
    format: "1",
    bytes: Buffer.alloc(size, entry),
  });
  for (const entry of [1, 2, 3]) await saveSnapshot(db, of(entry, 10));
  await saveSnapshot(db, of(4, 9_000_000));
  await saveSnapshot(db, of(4, 9_000_000));
  const kept = await db.query<{ entry: string }>({
    text: "SELECT entry FROM snapshot WHERE shard = 'snap' ORDER BY 1",
  });
  expect(kept.rows.map((row) => row.entry)).toEqual(["2", "3", "4"]);
  const { snapshot, corrupt } = await loadSnapshots(db, "snap");
  expect(corrupt).toEqual([]);
  expect(snapshot?.entry).toBe(4);
  expect(Buffer.from(snapshot?.bytes ?? []).equals(Buffer.alloc(9_000_000, 4))).toBe(true);

  await db.query({ text: "UPDATE snapshot_part SET bytes = '\\x00' WHERE shard = 'snap' AND entry = 4 AND part = 2" });
  await db.query({ text: "DELETE FROM snapshot_part WHERE shard = 'snap' AND entry = 3" });
  const after = await loadSnapshots(db, "snap");
  expect(after.corrupt.map((one) => one.entry)).toEqual([4, 3]);
  expect(after.snapshot).toEqual(of(2, 10));
  expect((await loadSnapshots(db, "none")).snapshot).toBeNull();
});

test("the record of acts is chained; every kind of tampering is found", async () => {
  const records = ["é", "b", "c", "d"].map((actor) => ({ actor, action: "halt", detail: { why: `"${actor}` } }));
  const heads = await Promise.all(records.map((record) => appendAudit(db, record)));
  expect(heads.map((head) => head.seq).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4]);
  const head = await verifyAudit(db, heads);
  expect(head).toEqual(heads.find((one) => one.seq === 4));
  expect((await readAudit(db, 0)).map((row) => row.detail)).toHaveLength(4);
  for (const text of ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
    await expect(db.query({ text }), text).rejects.toThrow(/never changed/);

  const undone = async (text: string): Promise<unknown> => {
    const found = await db
      .transaction(async (client: Queryable) => {
        await client.query({ text: "SET LOCAL session_replication_role = replica" });
        await client.query({ text });
        const error: unknown = await verifyAudit(client, heads).catch((one: unknown) => one);
        throw Object.assign(new Error("undo"), { found: error });
      })
      .catch((error: { found?: unknown }) => error.found);
    return found;
  };
  for (const text of [
    "UPDATE audit SET detail = '2' WHERE seq = 2",
    "UPDATE audit SET at = at - 1 WHERE seq = 1",
    "DELETE FROM audit WHERE seq = 2",
    "DELETE FROM audit WHERE seq = 4",
    "DELETE FROM audit WHERE seq = 4; UPDATE audit_head SET seq = 3",
    "UPDATE audit SET hash = prev_hash WHERE seq = 3",
  ])
    expect(await undone(text), text).toBeInstanceOf(Corrupt);
  expect(await verifyAudit(db, heads)).toEqual(head);
});

test("notices are recorded once and sent; what is unsent is kept, the rest is pruned by age", async () => {
  const notice = { shard: "0", factSeq: 9, channel: "account", account: "a", body: { x: "1" } } as const;
  expect(await recordNotices(db, [notice, { ...notice, channel: "counterparty", account: "b" }])).toBe(2);
  expect(await recordNotices(db, [notice])).toBe(0);
  expect(await unsentNotices(db, "account")).toMatchObject([
    { id: "0-9-account", account: "a", body: { x: "1" }, attempts: 0, triedAgoMs: null },
  ]);
  await markNoticeTried(db, "0-9-account");
  expect(await unsentNotices(db, "account")).toMatchObject([{ id: "0-9-account", attempts: 1 }]);
  await markNoticesSent(db, ["0-9-account"]);
  expect(await unsentNotices(db, "account")).toEqual([]);
  expect(await pruneRecords(db, "notice", 0)).toBe(1);
  expect(await unsentNotices(db, "counterparty")).toHaveLength(1);

  const alarm = { id: "x.y", shard: null, code: "partitions_low", text: "there is no room", detail: { room: 1 } };
  expect([await raiseAlarm(db, alarm), await raiseAlarm(db, alarm)]).toEqual([true, false]);
  expect(await readAlarms(db)).toEqual([{ ...alarm, id: "alarm-x_y", sent: false }]);
  const unaddressed = { text: "INSERT INTO notice (id, channel, body) VALUES ('n', 'account', '{}')" };
  await expect(db.query(unaddressed)).rejects.toThrow("notice_addressee");

  const run = { shard: "0", kind: "memory", appliedSeq: 4, compared: 10, differences: ["a USD"] };
  await recordReconciliation(db, run);
  expect(await readReconciliations(db, "0")).toMatchObject([run]);
  await insertDeadLetter(db, null, { border: "quote", code: "unreadable", what: "x", payload: Buffer.from([0]) });
  for (const table of ["reconciliation", "dead_letter"] as const) {
    expect(await pruneRecords(db, table, 3_600_000)).toBe(0);
    expect(await pruneRecords(db, table, 0)).toBe(1);
  }
});

test("a call of a provider has one outcome, which is audited with it and never changes", async () => {
  const call = { id: "0-7-takeover", shard: "0", factSeq: 7, provider: "lp", saga: "5-0", step: 3, body: { qty: "2" } };
  expect([await openProviderCall(db, call), await openProviderCall(db, call)]).toEqual([true, false]);
  expect([await markProviderCalled(db, call.id), await markProviderCalled(db, call.id)]).toEqual([1, 2]);
  const [open] = await openProviderCalls(db);
  expect(open).toMatchObject({ ...call, attempts: 2 });
  const before = await verifyAudit(db);
  const alarm = { id: call.id, shard: "0", code: "provider_refused", text: "disputed" };
  const end = { outcome: "refused", reason: "unknown instrument" } as const;
  expect(await endProviderCall(db, { ...call, attempts: 2 }, { ...end, alarm })).toBe(true);
  expect(await endProviderCall(db, { ...call, attempts: 2 }, { outcome: "accepted", reason: null })).toBe(false);
  expect([await openProviderCalls(db), await markProviderCalled(db, call.id)]).toEqual([[], null]);
  expect(await readProviderCalls(db, "lp")).toEqual([{ ...call, attempts: 2, ...end }]);
  const [record] = await readAudit(db, before.seq);
  expect(record).toMatchObject({ actor: "provider:lp", action: "provider.takeover", detail: { ...end, id: call.id } });
  expect((await readAlarms(db))[0]).toMatchObject({ code: "provider_refused", shard: "0" });
  const change = { text: "UPDATE provider_call SET outcome = 'accepted' WHERE id = $1", values: [call.id] };
  await expect(db.query(change)).rejects.toThrow("never changed");
});

test("a reader of facts gets those of its names, passes over the others for good, and never goes back", async () => {
  const place = await newShard(db, "facts");
  const facts = ["a", "b", "a", "c", "a", "c"].map((fact, at) => {
    const seq = at + 1;
    return { seq, t: 1, fact, account: "x", body: { seq, t: 1, fact } };
  });
  await commitBatch(db, batchAfter(place, { facts, factSeq: 6 }));
  const first = await factsOfNames(db, "facts", 0, ["a"], 2);
  expect(first).toMatchObject({ facts: [{ seq: 1 }, { seq: 3 }], upTo: 3, full: true });
  expect(await factsOfNames(db, "facts", 3, ["a"], 2)).toMatchObject({ facts: [{ seq: 5 }], upTo: 6, full: false });
  expect(await factsOfNames(db, "facts", 6, ["a"], 2)).toEqual({ facts: [], upTo: 6, full: false });
  expect(await factsOfNames(db, "nobody", 0, ["a"], 2)).toEqual({ facts: [], upTo: 0, full: false });
  await moveFactCursor(db, "reader", "facts", 6);
  await moveFactCursor(db, "reader", "facts", 3);
  expect([await factCursor(db, "reader", "facts"), await factCursor(db, "other", "facts")]).toEqual([6, 0]);
});

test("partitions say how far they reach", async () => {
  const rooms = new Map((await partitionRoom(db)).map(({ parent, room }) => [parent, room]));
  expect([...rooms.keys()]).toEqual([
    "fact",
    "gate_decision",
    "journal",
    "ledger_leg",
    "ledger_transaction",
    "mark_input",
  ]);
  for (const parent of ["journal", "ledger_leg", "ledger_transaction", "fact"])
    expect(rooms.get(parent)).toBeGreaterThan(20_000_000);
  // The day of the test may end while it runs.
  expect([1, 2]).toContain(rooms.get("mark_input"));
});

test("an idle connection that breaks is replaced", async () => {
  await Promise.all([1, 2, 3].map(() => db.query({ text: "SELECT 1" })));
  await db.transaction(async (client) => {
    await client.query({
      text: "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    });
  });
  await eventually(() =>
    db.query({ text: "SELECT 1" }).then(
      () => true,
      () => false,
    ),
  );
});
