import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bus, connectBus, ensureStreams, openLogReader } from "#libs/adapters/nats/index.ts";
import { acquireShard, type Database, migrate, openDatabase } from "#libs/adapters/postgres/index.ts";
import type { Effect } from "#libs/contracts/log.ts";
import type { VenueCommand } from "#libs/contracts/live/venue.ts";
import { wait } from "#libs/process/backoff.ts";
import { type PrivateServer, startNats, startPostgres, startRedis } from "#libs/process/servers/index.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";

let nats: PrivateServer;
let postgres: PrivateServer;
let redis: PrivateServer;
let bus: Bus;
let db: Database;
const apps: RunningApp[] = [];
/** What the venue was told, and whether it answers. */
const told: VenueCommand[] = [];
let answering = true;

beforeAll(async () => {
  [nats, postgres, redis] = await Promise.all([startNats(), startPostgres(), startRedis()]);
  await migrate(postgres.url);
  db = openDatabase({ url: postgres.url, name: "test" });
  bus = await connectBus({ url: nats.url, name: "test", namespace: "" });
  await ensureStreams(bus, ["0"]);
  await acquireShard(db, "0", "test", 60_000);
  bus.subscribe(bus.names.subjects.venue("command"), ({ data }) => {
    told.push(JSON.parse(new TextDecoder().decode(data)) as VenueCommand);
  });
  bus.respond(bus.names.subjects.venue("command"), async (data) => {
    const { effect } = JSON.parse(new TextDecoder().decode(data)) as VenueCommand;
    if (!answering) await wait(1_000);
    return { effect: effect.id, state: "working", seq: null };
  });
}, 60_000);

afterAll(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  await bus?.close();
  await db?.close();
  await Promise.all([nats?.stop(), postgres?.stop(), redis?.stop()]);
});

async function start(): Promise<RunningApp> {
  const app = await spawnApp("liquidation", {
    NATS_URL: nats.url,
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
  });
  apps.push(app);
  await app.whenMessage("leading");
  return app;
}

const block = (id: string): Effect => ({
  id,
  effect: "block",
  saga: `saga-${id}`,
  account: `a-${id}`,
  instrument: null,
});

async function open(effect: Effect, pushed = true): Promise<void> {
  await db.query({
    text: "INSERT INTO effect (shard, id, kind, body, opened_seq) VALUES ('0', $1, $2, $3, 1)",
    values: [effect.id, effect.effect, JSON.stringify(effect)],
  });
  if (pushed) bus.publish(bus.names.subjects.effects("0"), { shard: "0", epoch: 1, effects: [effect] });
}

/** As margin does when the engine has applied the outcome. */
async function answer(id: string): Promise<void> {
  await db.query({
    text: "UPDATE effect SET answered_seq = 2, answered_at = clock_timestamp() WHERE shard = '0' AND id = $1",
    values: [id],
  });
}

const times = (id: string): number => told.filter(({ effect }) => effect.id === id).length;

async function poll(holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it did not come to hold: ${holds.toString()}`);
    await wait(20);
  }
}

test("an effect is sent until the engine has answered it, whatever becomes of Redis and of this process", async () => {
  const first = await start();
  await open(block("one"));
  await poll(() => times("one") >= 1);
  expect(told[0]).toMatchObject({ shard: "0", attempt: 1, effect: { id: "one", effect: "block" } });
  // The venue's word alone ends nothing: without an outcome the watchdog asks again.
  await poll(() => times("one") >= 2);
  await answer("one");

  // No answer in time says nothing: it is asked again under the same id.
  answering = false;
  await open(block("silent"));
  await poll(() => times("silent") >= 2);
  answering = true;
  await answer("silent");

  // One that was never pushed is found in the table; Redis may be emptied, and gone.
  await open(block("unpushed"), false);
  await poll(() => times("unpushed") >= 1);
  await redis.restart();
  const before = times("unpushed");
  await poll(() => times("unpushed") > before);
  await redis.kill();
  await open(block("without-redis"));
  await poll(() => times("without-redis") >= 3);
  await answer("unpushed");
  await answer("without-redis");
  await redis.restart();

  // A crash hands open effects to whoever leads next.
  await open(block("crash"), false);
  await first.kill("SIGKILL");
  const atCrash = times("crash");
  await start();
  await poll(() => times("crash") > atCrash);
  await answer("crash");

  // Answered ones are left alone from now on.
  await open(block("last"));
  await poll(() => times("last") >= 3);
  const settled = times("one");
  await answer("last");
  expect(times("one")).toBe(settled);
}, 90_000);

test("a resume becomes one entry of the log", async () => {
  if (apps.every((app) => !app.running)) await start();
  await open({ id: "again", effect: "resume", saga: "saga" });
  const reader = await openLogReader(bus, "0", { from: 1 });
  const entries: Record<string, unknown>[] = [];
  await poll(async () => {
    for (const { data } of await reader.next(100, 50)) entries.push(JSON.parse(new TextDecoder().decode(data)));
    return entries.length > 0;
  });
  const { rows } = await db.query<{ attempts: number }>({ text: "SELECT attempts FROM effect WHERE id = 'again'" });
  await poll(async () => {
    const now = await db.query<{ attempts: number }>({ text: "SELECT attempts FROM effect WHERE id = 'again'" });
    return (now.rows[0]?.attempts ?? 0) > (rows[0]?.attempts ?? 0);
  });
  for (const { data } of await reader.next(100, 300)) entries.push(JSON.parse(new TextDecoder().decode(data)));
  await answer("again");
  await reader.stop();
  expect(entries).toMatchObject([{ k: "resumed", effect: "again", source: "liquidation", sourceSeq: 1 }]);
}, 60_000);
