import { afterAll, beforeAll, expect, test } from "vitest";
import { openLogReader } from "#libs/adapters/nats/index.ts";
import { type Database, openDatabase } from "#libs/adapters/postgres/index.ts";
import type { EffectBatch } from "#libs/contracts/live/margin.ts";
import type { TradingReply, VenueCommand } from "#libs/contracts/live/venue.ts";
import type { Entry } from "#libs/contracts/log.ts";
import type { RunningApp } from "#libs/process/spawn-app.ts";
import { newTrace } from "#libs/telemetry/trace.ts";
import { expectVerified } from "../support/exact.ts";
import { exchangeRules } from "../support/live-exchange.ts";
import { LivePair } from "../support/live-pair.ts";
import { eventually } from "../support/live-shard.ts";
import { metricOf } from "../support/shard-entries.ts";
import { migratedPostgres, useNats, useRedis } from "../support/servers.ts";

const nats = useNats();
const redis = useRedis();
const hookWithinMs = 60_000;
let pair: LivePair;
let db: Database;

beforeAll(async () => {
  const { url } = await migratedPostgres();
  pair = await LivePair.open(nats().url, url, `trace${process.pid}`, exchangeRules);
  db = openDatabase({ url, name: "test" });
}, hookWithinMs);
afterAll(async () => {
  await pair.stop();
  await db.close();
}, hookWithinMs);

const marks = (mark: string) => ({ index: { USDT: "1", BTC: mark }, mark: { "BTC-PERP": mark } });
const fund = "1000000";

/** Alice is long one bitcoin with a leverage of fifty, against a maker who would buy it back. */
async function open(): Promise<RunningApp> {
  await pair.quote(marks("50000"));
  await pair.put("operator", { k: "fund", asset: "USDT", amount: fund });
  for (const [account, amount] of [
    ["alice", "1000"],
    ["maker", "1000000"],
  ] as const)
    await pair.put("operator", { k: "cash", account, asset: "USDT", amount });
  await (await pair.start("venue")).whenMessage("ready");
  const order = { instrument: "BTC-PERP", qty: "1" };
  const margin = await pair.start("margin");
  await margin.whenMessage("ready");
  await eventually("the trade", async () => {
    await pair.trade("place", { ...order, account: "maker", id: newTrace(), side: "sell", price: "50000" });
    const bought = { ...order, account: "alice", id: newTrace(), side: "buy", price: "50000", ioc: true };
    return (await pair.trade<TradingReply>("place", bought)).filled === "1";
  });
  // Refused while marks are old, as they may be on a busy machine.
  await eventually("the maker's bid", async () => {
    const bid = { ...order, qty: "10", account: "maker", id: newTrace(), side: "buy", price: "49150" };
    return (await pair.trade<TradingReply>("place", bid)).state === "resting";
  });
  return margin;
}

/** What the matching engine has told the shard, in order. */
async function venueEntries(until: (entry: Entry) => boolean): Promise<Entry[]> {
  const reader = await openLogReader(pair.bus, "0", { from: 1 });
  const found: Entry[] = [];
  try {
    await eventually("the outcome", async () => {
      for (const { data } of await reader.next(1_000, 50))
        found.push(JSON.parse(new TextDecoder().decode(data)) as Entry);
      return found.some(until);
    });
  } finally {
    await reader.stop();
  }
  return found.filter(({ source }) => source === "venue");
}

test("one trace goes from an entry to its facts, its effects, the command and the outcome, also after a restart", async () => {
  const handedOut: EffectBatch[] = [];
  const told: VenueCommand[] = [];
  const read = (data: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(data));
  pair.bus.subscribe(pair.bus.names.subjects.allEffects, ({ data }) => handedOut.push(read(data) as EffectBatch));
  pair.bus.subscribe(pair.bus.names.subjects.venue("command"), ({ data }) => told.push(read(data) as VenueCommand));
  const first = await open();
  const trace = newTrace();
  await pair.quote(marks("49200"), trace);
  const blocks = (epoch: number) =>
    handedOut.find((one) => one.epoch === epoch && one.effects.some(({ effect }) => effect === "block"));
  expect((await eventually("the effect", async () => blocks(1))).trace).toBe(trace);
  const factOf = (fact: string) => eventually(fact, async () => pair.facts.find((one) => one.fact === fact));
  expect((await factOf("liquidation.started")).trace).toBe(trace);
  const fundShown = async (app: RunningApp): Promise<void> =>
    void (await eventually(
      "the fund's balance",
      async () => (await metricOf(app, "insurance_fund_balance", 'asset="USDT"')) === Number(fund),
    ));
  await fundShown(first);

  // Nobody has carried it out yet: the next leader hands it out with the trace it had.
  await first.kill();
  const second = await pair.start("margin");
  expect((await eventually("the effect again", async () => blocks(2))).trace).toBe(trace);
  await second.whenMessage("ready");
  await fundShown(second);
  await eventually(
    "the open effect's count",
    async () => (await metricOf(second, "effects_open", 'kind="block"')) === 1,
  );

  // Who starts only now has it from the table.
  await pair.start("liquidation", { REDIS_URL: redis().url });
  const entries = await venueEntries(({ k }) => k === "closed");
  const own = entries.filter((one) => one.trace === trace);
  expect(own.map(({ k }) => k)).toEqual(expect.arrayContaining(["blocked", "fill", "closed"]));
  // Orders of traders have traces of their own, which their fills carry on.
  const others = entries.filter((one) => one.trace !== trace && one.k !== "attest");
  expect(others.map(({ k }) => k)).toEqual(expect.arrayContaining(["order", "fill"]));
  expect(others.filter((one) => one.trace === undefined)).toEqual([]);
  const bought = others.find((one) => one.k === "fill")?.trace;
  const booked = await eventually("the trade's fact", async () => pair.facts.find((one) => one.fact === "fill"));
  expect(booked.trace).toBe(bought);
  expect(told.map(({ effect }) => effect.effect)).toEqual(expect.arrayContaining(["block", "close"]));
  expect(new Set(told.map((one) => one.trace))).toEqual(new Set([trace]));
  expect((await factOf("liquidation.ended")).trace).toBe(trace);
  // The stage that the first leader began is not timed; the next one is, from the outcome to the end.
  await eventually(
    "the stage",
    async () => (await metricOf(second, "liquidation_stage_seconds_count", 'stage="3"')) === 1,
  );
  expect(await metricOf(second, "liquidation_stage_seconds_count", 'stage="1"')).toBeNaN();
  await eventually("no open effect", async () => (await metricOf(second, "effects_open", 'kind="close"')) === 0);
  expect(await metricOf(second, "mark_frame_lag_seconds_count")).toBeGreaterThan(0);
  expect(await metricOf(second, "position_update_lag_seconds_count")).toBeGreaterThan(0);
  expect(await metricOf(second, "venue_sequence_lag_seconds", 'shard="0"')).toBeGreaterThanOrEqual(0);
  await expectVerified({ db });
}, 120_000);
