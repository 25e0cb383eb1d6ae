import { afterAll, beforeAll, expect, test } from "vitest";
import { connectBus, openLogReader } from "#libs/adapters/nats/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import {
  acquireShard,
  enqueueEntry,
  migrate,
  openDatabase,
  readReconciliations,
} from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import { compareClearing, compareLedger, reconcile, venueLagMs } from "#apps/scheduler/reconcile.ts";
import { startNats, startPostgres, startRedis } from "#libs/process/servers/index.ts";
import type { PrivateServer } from "#libs/process/servers/index.ts";
import { spawnApp } from "#libs/process/spawn-app.ts";

let servers: PrivateServer[] = [];
let db: Database;
let bus: Bus;
let environment: Record<string, string> = {};

beforeAll(async () => {
  const [postgres, redis, nats] = await Promise.all([startPostgres(), startRedis(), startNats()]);
  servers = [postgres, redis, nats];
  environment = { DATABASE_URL: postgres.url, REDIS_URL: redis.url, NATS_URL: nats.url };
  await migrate(postgres.url);
  db = openDatabase({ url: postgres.url, name: "test" });
  bus = await connectBus({ url: nats.url, namespace: "", name: "test" });
});
afterAll(async () => {
  await bus.close();
  await db.close();
  await Promise.all(servers.map((server) => server.stop()));
});

/** Entries of the log from its first on, until there are so many. */
async function logOf(count: number): Promise<{ k: string; source: string; sourceSeq: number; t: number }[]> {
  const reader = await openLogReader(bus, "0", { from: 1 });
  const found: { k: string; source: string; sourceSeq: number; t: number }[] = [];
  const until = performance.now() + 20_000;
  while (found.length < count && performance.now() < until)
    for (const { data } of await reader.next(100, 200))
      found.push(JSON.parse(new TextDecoder().decode(data)) as (typeof found)[number]);
  await reader.stop();
  return found;
}

test("the process queues sessions by the market's clock, publishes them and an operator's entries, and takes over after a kill", async () => {
  const midnight = Date.UTC(2025, 9, 10);
  const clock = `${midnight + 1_000}@1@${Date.now()}`;
  const app = await spawnApp("scheduler", { ...environment, PLIMSOLL_CLOCK: clock });
  try {
    await app.whenMessage("ready");
    const deposit = { k: "cash", account: "alice", asset: "USDT", amount: "5" } as const;
    await enqueueEntry(db, { source: "operator", shard: "0", key: "d-1", body: deposit, t: midnight });
    const log = await logOf(3);
    expect(log.map(({ k, source, sourceSeq }) => `${k} ${source} ${sourceSeq}`).sort()).toEqual([
      "cash operator 1",
      "session scheduler 1",
      "session scheduler 2",
    ]);
    await app.kill();
  } finally {
    await app.stop();
  }
  const again = await spawnApp("scheduler", { ...environment, PLIMSOLL_CLOCK: clock });
  try {
    await again.whenMessage("ready");
    await enqueueEntry(db, { source: "operator", shard: "0", key: "d-2", body: { k: "time" }, t: midnight });
    const log = await logOf(4);
    // The sessions that the first one opened are not opened again.
    expect(log.map(({ k }) => k).sort()).toEqual(["cash", "session", "session", "time"]);
  } finally {
    expect(await again.stop()).toMatchObject({ code: 0 });
  }
});

test("a balance that nobody booked is found and recorded", async () => {
  await acquireShard(db, "7", "test", 60_000);
  expect((await compareLedger(db, "7")).differences).toEqual([]);
  await db.query({
    text: "INSERT INTO balance (shard, account, asset, amount) VALUES ('7', 'mallory', 'USDT', 1000000)",
  });
  await reconcile(db, [() => compareLedger(db, "7")], () => {});
  const [run] = await readReconciliations(db, "7");
  expect(run).toMatchObject({ kind: "ledger", shard: "7" });
  expect(run?.differences.join()).toContain("mallory");
});

test("clearing that stands open over all shards at two looks is a difference", async () => {
  const standing = new Set<string>();
  expect((await compareClearing(db, standing)).differences).toEqual([]);
  const told: unknown[] = [];
  await reconcile(db, [() => Promise.reject(new Error("away")), () => compareClearing(db, standing)], (run) =>
    told.push(run),
  );
  expect(told).toMatchObject([{ error: expect.any(Error) as Error }, { kind: "clearing", differences: [] }]);
});

test("the venue is ahead by the age of its last entry while the shard has not applied it", () => {
  const venue = { shards: { "0": { lastSeq: 9, t: 1_000, acked: 9 } }, trades: 0, openOrders: 0, rejected: {} };
  expect(venueLagMs(venue, { shard: "0", sources: { venue: 8 } }, 62_000)).toBe(61_000);
  expect(venueLagMs(venue, { shard: "0", sources: {} }, 62_000)).toBe(61_000);
  expect(venueLagMs(venue, { shard: "0", sources: { venue: 9 } }, 62_000)).toBe(0);
  expect(venueLagMs(venue, { shard: "1", sources: {} }, 62_000)).toBe(0);
});
