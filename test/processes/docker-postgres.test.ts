import { afterAll, beforeAll, expect, test } from "vitest";
import {
  acquireShard,
  commitBatch,
  DatabaseDown,
  enqueueEntry,
  insertDecisions,
  migrate,
  openDatabase,
  openEffects,
  pendingEntries,
  readShard,
  saveMarkInputs,
} from "#libs/adapters/postgres/index.ts";
import type { Batch, Database } from "#libs/adapters/postgres/index.ts";
import { replication, startPair, until } from "#test/support/standby.ts";
import type { PostgresPair } from "#test/support/standby.ts";
import { batchAfter, newShard, placeAfter } from "../adapters/postgres-database.ts";

let pair: PostgresPair;
let db: Database;
/** What a person with rights may do, while others wait. */
let operator: Database;
const opened: Database[] = [];
function open(name: string, statementTimeoutMs?: number): Database {
  const settings = { url: pair.primary.url, name };
  const made = openDatabase(statementTimeoutMs === undefined ? settings : { ...settings, statementTimeoutMs });
  opened.push(made);
  return made;
}

beforeAll(async () => {
  pair = await startPair();
  await migrate(pair.primary.url);
  db = open("test");
  operator = open("operator");
}, 60_000);
afterAll(async () => {
  pair.thawStandby();
  await Promise.all(opened.map((one) => one.close()));
  await pair.stop();
});

/** What came of it: the value, or for a database that is away whether it may have taken effect. */
const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch((error: unknown) => (error instanceof DatabaseDown ? error.outcome : error));

/** Backends that wait for the standby: how many, and what came of something done to each. */
async function waiting(name: string, act = "true"): Promise<number> {
  const text = `SELECT ${act} FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = $1`;
  return (await operator.query({ text, values: [`plimsoll-${name}`] })).rowCount ?? 0;
}
const isWaiting = (name: string): Promise<number> =>
  until(
    () => waiting(name),
    (found) => found > 0,
  );

/** While the standby hangs. */
async function away(work: () => Promise<void>): Promise<void> {
  pair.freezeStandby();
  try {
    await work();
  } finally {
    pair.thawStandby();
  }
}

const later: Promise<unknown>[] = [];
let asked = 0;
/** Whether an answer waits for the standby instead of being given; it is given later. */
async function heldBack(ask: (db: Database) => Promise<unknown>): Promise<boolean> {
  const name = `ask-${(asked += 1)}`;
  let given = false;
  const answer = outcome(ask(open(name))).finally(() => (given = true));
  later.push(answer);
  const found = await until(
    () => waiting(name),
    (count) => count > 0 || given,
  );
  return found > 0 && !given;
}

const effectful = (before: Parameters<typeof batchAfter>[0]): Batch =>
  batchAfter(before, {
    effectsOpened: [{ id: `e-${before.shard}`, effect: "block", saga: "s", account: "a", instrument: null }],
  });

test("the scripts make a primary whose commits wait for the synchronous standby that they start", async () => {
  expect(await replication(db)).toEqual([{ application_name: "standby", sync_state: "sync" }]);
  await newShard(db, "kept");
  const standby = openDatabase({ url: pair.standbyUrl, name: "standby" });
  const found = await until(
    // It has it on disk, and shows it, the tables too, when it has got round to it.
    () => readShard(standby, "kept").catch(() => null),
    (row) => row !== null,
  );
  await standby.close();
  expect(found).toMatchObject({ shard: "kept", epoch: 1 });
});

test("a commit whose wait for the standby is cancelled is not taken as done, nor is it when it is found again", async () => {
  const batch = effectful(await newShard(db, "cancelled"));
  await away(async () => {
    const commit = outcome(commitBatch(db, batch));
    await isWaiting("test");
    await waiting("test", "pg_cancel_backend(pid)");
    expect(await commit).toBe("unknown");
    // The primary has it, and shows it to everybody: nobody may act on it.
    expect(await readShard(operator, "cancelled")).toMatchObject({ appliedSeq: 1, chainHash: batch.chainHash });
    expect(await heldBack((one) => commitBatch(one, batch))).toBe(true);
    expect(await heldBack((one) => openEffects(one, { shard: "cancelled" }))).toBe(true);
  });
  expect(await Promise.all(later.splice(0))).toMatchObject(["already", [{ shard: "cancelled" }]]);
});

test("a commit inside of a transaction of its own is no different", async () => {
  const { shard } = await newShard(db, "explicit");
  await away(async () => {
    const entry = { source: "operator", shard, key: "k", body: { k: "time" }, t: 1 } as const;
    const commit = outcome(db.transaction((client) => enqueueEntry(client, entry)));
    await isWaiting("test");
    await waiting("test", "pg_cancel_backend(pid)");
    expect(await commit).toBe("unknown");
    expect(await heldBack((one) => pendingEntries(one, { shard }))).toBe(true);
  });
  expect(await Promise.all(later.splice(0))).toMatchObject([[{ key: "k" }]]);
});

test("the time limit of a statement does not end the wait; the outcome is unknown until the standby has it", async () => {
  const batch = effectful(await newShard(db, "slow"));
  await away(async () => {
    expect(await outcome(commitBatch(open("impatient", 2_000), batch))).toBe("unknown");
    expect(await waiting("impatient")).toBe(1);
    expect(await readShard(operator, "slow")).toMatchObject({ appliedSeq: 0 });
  });
  expect(await commitBatch(db, batch)).toBe("already");
  expect(await commitBatch(db, batchAfter(placeAfter(batch)))).toBe("committed");
});

test("records that may go missing do not wait: their connections stay free while the standby is away", async () => {
  const one = openDatabase({ url: pair.primary.url, name: "one", max: 1 });
  opened.push(one);
  await away(async () => {
    await saveMarkInputs(one, [{ sourceSeq: 1, t: 1, id: "BTC", price: "1", quality: "good", input: {} }]);
    const question = { shard: "0", request: "r", verb: "check", account: "a", codes: [], epoch: 1, appliedSeq: 1 };
    await insertDecisions(one, [{ ...question, decision: "accept", frame: 1, ruleVersion: 1, t: 1, body: {} }]);
    // A commit on the same connection afterwards waits again.
    later.push(outcome(acquireShard(one, "waits", "me", 1_000)));
    expect(await isWaiting("one")).toBe(1);
  });
  expect(await Promise.all(later.splice(0))).toMatchObject([{ shard: "waits" }]);
});

test("what a primary that was killed finds in its own log is not taken as done before the standby has it", async () => {
  const batch = effectful(await newShard(db, "killed"));
  await away(async () => {
    const commit = outcome(commitBatch(db, batch));
    await isWaiting("test");
    await pair.primary.restart();
    expect(await commit).toBe("unknown");
    const found = await until(
      () => readShard(operator, "killed").catch(() => null),
      (row) => row !== null,
    );
    expect(found).toMatchObject({ appliedSeq: 1 });
    expect(await heldBack((one) => commitBatch(one, batch))).toBe(true);
    expect(await heldBack((one) => openEffects(one, { shard: "killed" }))).toBe(true);
  });
  expect(await Promise.all(later.splice(0))).toMatchObject(["already", [{ shard: "killed" }]]);
});
