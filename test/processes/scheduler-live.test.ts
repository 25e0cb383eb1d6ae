import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compareConservation, compareLedger, compareMemory, compareVenue } from "#apps/scheduler/looks.ts";
import { type Bus, connectBus, ensureStreams, type EntryWriter, openEntryWriter } from "#libs/adapters/nats/index.ts";
import { type Database, enqueueEntry, openDatabase, readReconciliations } from "#libs/adapters/postgres/index.ts";
import type { ShardStatus } from "#libs/contracts/live/margin.ts";
import type { TradingReply } from "#libs/contracts/live/venue.ts";
import { clockFrom } from "#libs/process/clock.ts";
import { type PrivateServer, startNats, startRedis } from "#libs/process/servers/index.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import { eventually, shardRules } from "#test/support/live-shard.ts";
import { metricsOf } from "#test/support/metrics.ts";
import { migratedPostgres } from "#test/support/servers.ts";

/* The scheduler beside a margin process and a matching engine that run: nothing of them is imitated. */

let servers: PrivateServer[] = [];
let bus: Bus;
let db: Database;
let folder: string;
let environment: Record<string, string> = {};
let frames: EntryWriter;
const apps: RunningApp[] = [];
const setting = `1760000000000@1@${Date.now()}`;
const clock = clockFrom(setting);
const price = "50000";

beforeAll(async () => {
  const [nats, postgres, redis] = await Promise.all([startNats(), migratedPostgres(), startRedis()]);
  servers = [nats, redis];
  db = openDatabase({ url: postgres.url, name: "test" });
  bus = await connectBus({ url: nats.url, name: "test", namespace: "" });
  await ensureStreams(bus, ["0"]);
  folder = mkdtempSync(join(tmpdir(), "plimsoll-scheduler-"));
  const rules = join(folder, "rules.json");
  writeFileSync(rules, JSON.stringify(shardRules));
  environment = {
    NATS_URL: nats.url,
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    PLIMSOLL_RULES: rules,
    PLIMSOLL_DATA: folder,
    PLIMSOLL_CLOCK: setting,
  };
  frames = openEntryWriter(bus, { shard: "0", source: "mark-price", lastSeq: 0 });
}, 60_000);

afterAll(async () => {
  for (const app of apps.toReversed()) if (app.running) await app.stop();
  await frames?.close();
  await bus?.close();
  await db?.close();
  await Promise.all(servers.map((server) => server.stop()));
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

async function start(name: string): Promise<RunningApp> {
  const app = await spawnApp(name, environment);
  apps.push(app);
  return app;
}

/** The gate wants marks that are new by its own clock. */
async function frame(): Promise<void> {
  const body = { k: "frame", index: { USDT: "1", BTC: price }, mark: { "BTC-PERP": price } } as const;
  await frames.write(body, clock.now()).stored;
}

const status = async (): Promise<ShardStatus> =>
  bus.request<ShardStatus>(bus.names.subjects.rpc("0", "status"), {}, { timeoutMs: 2_000 });

async function leading(): Promise<RunningApp> {
  const margin = await start("margin");
  await eventually("a margin process that answers", async () => {
    await frame();
    return (await status()).state === "ready";
  });
  return margin;
}

const ask = async (verb: "place" | "cancel", body: unknown): Promise<TradingReply> =>
  bus.request<TradingReply>(bus.names.subjects.trading(verb), body, { timeoutMs: 5_000 });

let orders = 0;
/** The id of an order that was taken: on a busy machine the gate may be too late for one, or its marks too old. */
async function place(account: string, side: "buy" | "sell", qty: string): Promise<string> {
  return eventually("an order that is taken", async () => {
    orders += 1;
    const id = `o-${orders}`;
    await frame();
    const { state } = await ask("place", { account, id, instrument: "BTC-PERP", side, qty, price });
    return state === "rejected" ? null : id;
  });
}

const behind = async (afterMs = 0): Promise<readonly string[]> =>
  (await compareVenue(bus, db, "0", clock.now() + afterMs)).differences;

test("memory, tables, ledger and the matching engine are compared while they run, trade, die and come back", async () => {
  const venue = await start("venue");
  await venue.whenMessage("ready");
  const margin = await leading();
  const scheduler = await start("scheduler");
  await scheduler.whenMessage("ready");
  for (const account of ["alice", "bob"]) {
    const body = { k: "cash", account, asset: "USDT", amount: "100000" } as const;
    await enqueueEntry(db, { source: "operator", shard: "0", key: account, body, t: clock.now() });
  }
  await eventually("both deposits", async () => ((await status()).sources["operator"] ?? 0) >= 2);
  const resting = await place("alice", "sell", "0.1");
  await place("bob", "buy", "0.06");
  await eventually("every entry of the venue", async () => (await behind(120_000)).length === 0);

  const memory = await eventually("the comparison with memory", async () => compareMemory(bus, "0"));
  expect(memory).toMatchObject({ kind: "memory", shard: "0", differences: [] });
  expect(memory.compared).toBeGreaterThanOrEqual(2);
  const ledger = await compareLedger(db, "0");
  expect(ledger.differences).toEqual([]);
  expect(ledger.compared).toBeGreaterThan(4);
  const standing = new Set<string>();
  for (const look of [1, 2])
    expect((await compareConservation(db, ["0"], standing)).map(({ differences }) => [look, differences])).toEqual([
      [look, []],
      [look, []],
    ]);

  // The process has looked by itself, and the venue attests what the shard has.
  const made = await eventually("the process's own looks", async () => {
    const runs = await readReconciliations(db, "0", 200);
    const kinds = ["memory", "ledger", "venue", "positions"];
    return kinds.every((kind) => runs.some((run) => run.kind === kind)) ? runs : null;
  });
  expect(made.filter(({ differences }) => differences.length > 0)).toEqual([]);
  const metrics = await metricsOf(scheduler);
  expect(metrics.get('venue_sequence_lag_seconds{shard="0",app="scheduler"}')).toBe(0);

  // Somebody writes a balance behind the engine's back.
  const change = async (by: number): Promise<void> => {
    await db.query({
      text: "UPDATE balance SET amount = amount + $1 WHERE shard = '0' AND account = 'alice'",
      values: [by],
    });
  };
  await change(7);
  expect((await compareMemory(bus, "0")).differences.join()).toContain("alice");
  expect((await compareLedger(db, "0")).differences.join()).toContain("alice");
  expect((await compareConservation(db, ["0"], standing))[0].differences).toEqual([
    "USDT: all shards hold 7 more than was deposited less withdrawn",
  ]);
  await change(-7);
  expect((await compareMemory(bus, "0")).differences).toEqual([]);

  // Without a leader the venue goes on: cancels need no risk, and wait for it.
  await margin.kill();
  expect(await ask("cancel", { account: "alice", id: resting })).toMatchObject({ state: "cancelled" });
  expect(await behind()).toEqual([]);
  expect((await behind(61_000))[0]).toMatch(/entries of the venue wait, the newest for \d+ s$/);
  await expect(compareMemory(bus, "0")).rejects.toThrow();
  await leading();
  await eventually("the venue's entries", async () => (await behind(120_000)).length === 0);
  const after = await eventually("memory after the crash", async () => compareMemory(bus, "0"));
  expect(after.differences).toEqual([]);
}, 120_000);
