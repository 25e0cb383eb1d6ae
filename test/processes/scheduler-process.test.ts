import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { everyShard } from "#apps/scheduler/looks.ts";
import { ticks } from "#apps/scheduler/ticks.ts";
import { connectBus, openLogReader } from "#libs/adapters/nats/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import { enqueueEntry, openDatabase, readAlarms, readReconciliations } from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import type { VenueStatus } from "#libs/contracts/live/venue.ts";
import { startNats, startRedis } from "#libs/process/servers/index.ts";
import type { PrivateServer } from "#libs/process/servers/index.ts";
import { spawnApp } from "#libs/process/spawn-app.ts";
import type { RunningApp } from "#libs/process/spawn-app.ts";
import { metricsOf } from "#test/support/metrics.ts";
import { migratedPostgres } from "#test/support/servers.ts";
import { urlAs } from "#test/support/database-roles.ts";

let servers: PrivateServer[] = [];
let redis: PrivateServer;
let db: Database;
let bus: Bus;
let environment: Record<string, string> = {};
const apps: RunningApp[] = [];

beforeAll(async () => {
  const [postgres, store, nats] = await Promise.all([migratedPostgres(), startRedis(), startNats()]);
  servers = [store, nats];
  redis = store;
  db = openDatabase({ url: postgres.url, name: "test" });
  environment = { DATABASE_URL: await urlAs("scheduler", postgres.url), REDIS_URL: redis.url, NATS_URL: nats.url };
  bus = await connectBus({ url: nats.url, namespace: "", name: "test" });
});
afterEach(async () => {
  for (const app of apps.splice(0)) if (app.running) await app.stop();
});
afterAll(async () => {
  await bus.close();
  await db.close();
  await Promise.all(servers.map((server) => server.stop()));
});

async function start(clock: string): Promise<RunningApp> {
  const app = await spawnApp("scheduler", { ...environment, PLIMSOLL_CLOCK: clock });
  apps.push(app);
  await app.whenMessage("ready");
  return app;
}

interface Logged {
  readonly k: string;
  readonly source: string;
  readonly sourceSeq: number;
  readonly session?: string;
  readonly start?: number;
}

/** Entries of the log from its first on, until they are enough. */
async function logUntil(enough: (found: readonly Logged[]) => boolean): Promise<readonly Logged[]> {
  const reader = await openLogReader(bus, "0", { from: 1 });
  const found: Logged[] = [];
  const until = performance.now() + 30_000;
  while (!enough(found) && performance.now() < until)
    for (const { data } of await reader.next(100, 200))
      found.push(JSON.parse(new TextDecoder().decode(data)) as Logged);
  await reader.stop();
  return found;
}

const midnight = Date.UTC(2025, 9, 10);

test("the process queues sessions by the market's clock, publishes them and an operator's entries, and takes over after a kill", async () => {
  const clock = `${midnight + 1_000}@1@${Date.now()}`;
  const app = await start(clock);
  const deposit = { k: "cash", account: "alice", asset: "USDT", amount: "5" } as const;
  await enqueueEntry(db, { source: "operator", shard: "0", key: "d-1", body: deposit, t: midnight });
  const log = await logUntil((found) => found.length >= 3);
  expect(log.map(({ k, source, sourceSeq }) => `${k} ${source} ${sourceSeq}`).sort()).toEqual([
    "cash operator 1",
    "session scheduler 1",
    "session scheduler 2",
  ]);
  await app.kill();
  const again = await start(clock);
  await enqueueEntry(db, { source: "operator", shard: "0", key: "d-2", body: { k: "time" }, t: midnight });
  const later = await logUntil((found) => found.length >= 4);
  // The sessions that the first one opened are not opened again.
  expect(later.map(({ k }) => k).sort()).toEqual(["cash", "session", "session", "time"]);
  expect(await again.stop()).toMatchObject({ code: 0 });
}, 60_000);

const startsOf = (log: readonly Logged[], session: string): number[] =>
  log.flatMap((one) => (one.session === session ? [one.start ?? 0] : []));

const dayMs = 86_400_000;
const mondayOf = (day: number): number => day - ((((day / dayMs + 3) % 7) + 7) % 7) * dayMs;

test("days and weeks go on opening, each once, though Redis is emptied and killed; its schedules come back by themselves", async () => {
  // A day of the market in nine seconds, from noon on, later than any other test's; how many pass unseen, the machine decides.
  const app = await start(`${midnight + 60.5 * dayMs}@10000@${Date.now()}`);
  const client = new Redis(redis.url, { maxRetriesPerRequest: null });
  const queue = new Queue("scheduler-staleness", { connection: client, prefix: "plimsoll" });
  const every = async (): Promise<unknown> => (await queue.getJobSchedulers()).map((one) => Number(one.every));
  await expect.poll(every, { timeout: 20_000 }).toEqual([10_000]);
  expect(ticks.staleness).toBe(10_000);
  const known = await logUntil((found) => startsOf(found, "day").some((day) => day >= midnight + 60 * dayMs));
  const later = async (than: readonly Logged[]): Promise<readonly Logged[]> =>
    logUntil((found) => {
      const days = startsOf(found, "day");
      const week = startsOf(found, "week").at(-1);
      return days.length > startsOf(than, "day").length && week === mondayOf(days.at(-1) ?? 0);
    });
  await client.flushall();
  const flushed = await later(known);
  await expect.poll(every, { timeout: 20_000 }).toEqual([10_000]);
  await queue.close();
  client.disconnect();
  await redis.kill();
  const log = await later(flushed);
  // Nor does it wait for Redis when it stops: it would be ended for it, with code 1.
  expect(await app.stop()).toMatchObject({ code: 0 });
  await redis.restart();
  const [days, weeks] = [startsOf(log, "day"), startsOf(log, "week")];
  expect(days.length).toBeGreaterThan(startsOf(flushed, "day").length);
  expect(startsOf(flushed, "day").length).toBeGreaterThan(startsOf(known, "day").length);
  for (const starts of [days, weeks])
    expect(starts).toEqual([...new Set(starts)].toSorted((left, right) => left - right));
  expect(days.every((day) => day % dayMs === 0)).toBe(true);
  expect(weeks).toEqual([...new Set(days.map(mondayOf))]);
}, 120_000);

test("a matching engine that is ahead by more than a minute of market time is a metric and an alarm, until it is caught up", async () => {
  const now = midnight + 300 * 86_400_000;
  let lastSeq = 7;
  const stand = bus.respond(bus.names.subjects.venue("status"), (): VenueStatus => ({
    shards: { "0": { lastSeq, t: now - 61_000, acked: lastSeq } },
    trades: 0,
    openOrders: 0,
    rejected: {},
  }));
  const app = await start(`${now}@1@${Date.now()}`);
  const codes = async (): Promise<string[]> => (await readAlarms(db)).map(({ code }) => code);
  await expect.poll(codes, { timeout: 20_000 }).toContain("venue_behind");
  const metrics = await metricsOf(app);
  expect(metrics.get('venue_sequence_lag_seconds{shard="0",app="scheduler"}')).toBeGreaterThanOrEqual(61);
  expect(metrics.get('reconciliation_differences{kind="venue",app="scheduler"}')).toBe(1);
  const found = (await readReconciliations(db, "0", 100)).find(({ kind }) => kind === "venue");
  expect(found?.differences[0]).toMatch(/^7 entries of the venue wait, the newest for \d+ s$/);
  // Nothing is ahead any more: at the next look the alarm is over.
  lastSeq = 0;
  await expect.poll(codes, { timeout: 30_000 }).toContain("venue_behind_over");
  expect((await codes()).filter((code) => code === "venue_behind")).toHaveLength(1);
  stand.stop();
  // What has been looked at stands in the table, of all shards together too.
  const kinds = (await readReconciliations(db, everyShard, 100)).map(({ kind }) => kind);
  expect(kinds).toEqual(expect.arrayContaining(["conservation", "clearing", "expiry", "partitions"]));
}, 90_000);
