import { afterEach, beforeEach, expect, test } from "vitest";
import type { TradingReply, VenueStatus } from "#libs/contracts/live/venue.ts";
import type { InstrumentDocument } from "#libs/domain/rule-set/documents.ts";
import type { RunningApp } from "#libs/process/spawn-app.ts";
import { LivePair } from "../support/live-pair.ts";
import { eventually, shardRules } from "../support/live-shard.ts";
import { migratedPostgres, useNats } from "../support/servers.ts";

const nats = useNats();
let run = 0;
const hookWithinMs = 60_000;
let pair: LivePair;

const perp = shardRules.instruments[0] as InstrumentDocument;
const dated: InstrumentDocument = { ...perp, id: "BTC-DATED", tick: "1" };
const [alice, bob] = ["alice", "bob"] as const;

beforeEach(async () => {
  run += 1;
  const { url } = await migratedPostgres();
  pair = await LivePair.open(nats().url, url, `rules${process.pid}x${run}`, shardRules);
}, hookWithinMs);
afterEach(async () => pair.stop(), hookWithinMs);

const place = (account: string, id: string, side: "buy" | "sell", instrument: string, price: string) =>
  pair.trade<TradingReply>("place", { account, id, instrument, side, qty: "0.01", price });
const status = () => pair.venue<VenueStatus>("status", {});
async function again(venue: RunningApp): Promise<RunningApp> {
  await venue.kill();
  // What was attested before proves nothing of what it holds now.
  pair.facts.length = 0;
  const started = await pair.start("venue");
  await started.whenMessage("ready");
  return started;
}

const attested = (accounts: number) =>
  eventually("the attestation", async () => {
    expect(pair.facts.filter((one) => one.fact === "positions.differ")).toEqual([]);
    return pair.facts.some(
      (one) => one.fact === "positions.attested" && one["from"] === 0 && one["accounts"] === accounts,
    );
  });

test("instruments are listed, change their tick and expire while the venue runs, and both sides hold the same", async () => {
  const marks = { "BTC-PERP": "50000", "BTC-DATED": "50000" };
  const quality = { "BTC-PERP": "good", "BTC-DATED": "good", USDT: "good", BTC: "good" } as const;
  await pair.quote({ index: { USDT: "1", BTC: "50000" }, mark: { "BTC-PERP": "50000" } });
  for (const account of [alice, bob])
    await pair.put("operator", { k: "cash", account, asset: "USDT", amount: "100000" });
  let venue = await pair.start("venue");
  await venue.whenMessage("ready");
  const margin = await pair.start("margin");
  await margin.whenMessage("ready");
  expect(await place(alice, "early", "buy", "BTC-DATED", "50000")).toMatchObject({ codes: ["instrument_unknown"] });
  await place(alice, "kept", "buy", "BTC-PERP", "49000");
  await place(alice, "off", "buy", "BTC-PERP", "49000.5");

  await pair.put("operator", { k: "rules", document: { ...shardRules, instruments: [{ ...perp, tick: "1" }, dated] } });
  await pair.quote({ index: { USDT: "1", BTC: "50000" }, mark: marks, quality });
  await eventually("the new rules at the venue", async () => (await status()).ruleVersion === 2);
  expect((await status()).openOrders).toBe(1);
  expect(await place(alice, "off2", "buy", "BTC-PERP", "49000.5")).toMatchObject({ codes: ["tick_size"] });
  await eventually("an order in the new instrument", async () => {
    const reply = await place(alice, `first-${Math.random().toString(36).slice(2)}`, "buy", "BTC-DATED", "50000");
    return reply.state === "resting";
  });
  expect(await place(bob, "meets", "sell", "BTC-DATED", "50000")).toMatchObject({ state: "filled" });
  await place(bob, "rests", "sell", "BTC-DATED", "51000");

  // Killed, it knows the rules that it has learned, whatever its start file says.
  venue = await again(venue);
  expect((await status()).ruleVersion).toBe(2);
  await attested(2);

  await pair.put("operator", { k: "expire", instrument: "BTC-DATED", price: "50500" });
  await eventually("the end of the instrument", async () => (await status()).openOrders === 1);
  expect(await place(alice, "late", "buy", "BTC-DATED", "50000")).toMatchObject({ codes: ["instrument_closed"] });
  const fills = () => pair.facts.filter((one) => one.fact === "fill" && one["reason"] === "expiry");
  await eventually("the settling", async () => fills().length === 2);
  venue = await again(venue);
  await attested(0);
  expect(await place(alice, "later", "buy", "BTC-DATED", "50000")).toMatchObject({ codes: ["instrument_closed"] });
  expect((await status()).openOrders).toBe(1);
});
