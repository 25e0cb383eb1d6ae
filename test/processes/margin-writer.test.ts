import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ConstraintBroken,
  contentValues,
  type Database,
  DatabaseDown,
  decisionLine,
  Deposed,
  findDecisions,
  migrate,
  openDatabase,
  readJournal,
  readShard,
  Unbalanced,
} from "#libs/adapters/postgres/index.ts";
import { type PrivatePostgres, startPostgres } from "#libs/process/servers/index.ts";
import { silentLogger } from "#libs/telemetry/logger.ts";
import { arrived, travelling } from "#apps/margin/writer-messages.ts";
import { Writer } from "#apps/margin/writer.ts";
import { batchAfter, deposit, newShard, type Place, placeAfter } from "#test/adapters/postgres-database.ts";

let server: PrivatePostgres;
let db: Database;
let writer: Writer;

beforeAll(async () => {
  server = await startPostgres({ fsync: false });
  await migrate(server.url);
  db = openDatabase({ url: server.url, name: "test" });
  writer = new Writer({ url: server.url, name: "test-writer" }, silentLogger);
});
afterAll(async () => {
  await writer.close();
  await db.close();
  await server.stop();
});

const line = (place: Place): string => `{"seq":${place.appliedSeq + 1},"e":{"k":"time"}}\n`;

function asked(before: Place, change: Parameters<typeof batchAfter>[1] = {}): Parameters<Writer["commit"]>[0] {
  const { epoch, appliedSeq: fromSeq, chainHash } = before;
  const content = contentValues(batchAfter(before, change));
  return { epoch, fromSeq, chainHash, content, journal: line(before), facts: "" };
}

test("a batch is hashed, packed and committed, and again the same batch is nothing new", async () => {
  const before = await newShard(db, "written");
  const batch = batchAfter(before, { transactions: [deposit(1, "alice", "5")] });
  const question = asked(before, { transactions: [deposit(1, "alice", "5")] });
  expect(await writer.commit(question)).toBe(batch.chainHash);
  expect(await writer.commit(question)).toBe(batch.chainHash);
  expect(await readShard(db, "written")).toMatchObject({ appliedSeq: 1, chainHash: batch.chainHash });
  const [journaled] = await readJournal(db, "written", 0, 10);
  expect(journaled?.entries.toString("utf8")).toBe(line(before));
  expect(await writer.commit(asked(placeAfter(batch)))).not.toBe(batch.chainHash);
});

test("what the database refuses arrives as what it is", async () => {
  const before = await newShard(db, "refused");
  await expect(writer.commit(asked({ ...before, epoch: 9 }))).rejects.toBeInstanceOf(Deposed);
  const oneSided = { ...deposit(1, "alice", "5"), legs: deposit(1, "alice", "5").legs.slice(1) };
  await expect(writer.commit(asked(before, { transactions: [oneSided] }))).rejects.toBeInstanceOf(Unbalanced);
  expect((await readShard(db, "refused"))?.appliedSeq).toBe(0);
});

test("an error keeps its kind and what it says on its way between threads", () => {
  for (const error of [
    new Deposed("epoch 2"),
    new Unbalanced("USD"),
    new ConstraintBroken("no", "amount_finite"),
    new DatabaseDown("gone", "none"),
    new DatabaseDown("gone", "unknown"),
  ]) {
    const copy = arrived(structuredClone(travelling(error)));
    expect(copy).toEqual(error);
    expect(copy.constructor).toBe(error.constructor);
  }
  expect(arrived(travelling(new TypeError("odd"))).message).toBe("TypeError: odd");
});

test("decisions are kept in the words in which they were made", async () => {
  const head = { shard: "0", request: "r-1", verb: "check", account: "alice", decision: "reject" } as const;
  const place = { codes: ["leverage", "initial_margin"], epoch: 1, appliedSeq: 7, frame: 3, ruleVersion: 1, t: 5 };
  await writer.decisions([decisionLine({ ...head, ...place }, '{"asked":{"request":"r-1"}}')]);
  expect(await findDecisions(db, "r-1")).toEqual([{ ...head, ...place, body: { asked: { request: "r-1" } } }]);
});

test("while the database is away a commit fails as such, and the same one succeeds when it is back", async () => {
  const before = await newShard(db, "away");
  await server.kill();
  await expect(writer.commit(asked(before))).rejects.toBeInstanceOf(DatabaseDown);
  await server.restart();
  expect(await writer.commit(asked(before))).toBe(batchAfter(before).chainHash);
});

test("with its thread gone every further question is refused", async () => {
  const own = new Writer({ url: server.url, name: "test-own" }, silentLogger);
  await own.close();
  await expect(own.decisions(["{}"])).rejects.toThrow("ended");
});
