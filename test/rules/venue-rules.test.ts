import { expect, test } from "vitest";
import { slotCount } from "#libs/contracts/live/shards.ts";
import type { Fact } from "#libs/contracts/log.ts";
import { Engine } from "#libs/engine/index.ts";
import type { InstrumentDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { liveOptions } from "#libs/journal/index.ts";
import type { Command } from "#apps/venue/matching/commands.ts";
import { applyCommand } from "#apps/venue/matching/exchange.ts";
import { type Floor, orderKey } from "#apps/venue/matching/floor.ts";
import { floorFrom, stateOf } from "#apps/venue/matching/state.ts";
import { readFacts, rulesIn } from "#apps/venue/service/facts.ts";
import { venueDocument, venueParts } from "../support/venue.ts";

const { floor: made } = venueParts(undefined, ["0"]);

const send = (floor: Floor, command: Command) => {
  const { entries, reply } = applyCommand(floor, command);
  return { entries: entries.map(({ entry }) => entry), reply };
};

function place(floor: Floor, account: string, id: string, side: "buy" | "sell", lots: number, limit: number, t = 1) {
  const common = { instrument: "BTC-PERP", market: false, ioc: false, reduceOnly: false };
  const terms = { account, id, side, lots, limit, ...common };
  return send(floor, { c: "place", t, terms, approval: { request: `r-${id}`, epoch: 1, until: 9 } });
}

const perp = venueDocument.instruments[0] as InstrumentDocument;
const inverse = venueDocument.instruments[1] as InstrumentDocument;
const documentWith = (...instruments: InstrumentDocument[]): RuleDocument => ({ ...venueDocument, instruments });
let version = 1;
const rules = (floor: Floor, ...instruments: InstrumentDocument[]) =>
  send(floor, { c: "rules", t: 2, version: (version += 1), document: documentWith(...instruments) });

const tell = (floor: Floor, facts: readonly Omit<Fact, "seq" | "t">[], to: number) => {
  const news = readFacts(
    floor,
    facts.map((fact, at) => ({ ...fact, seq: to - facts.length + at + 1, t: 1 }) as Fact),
  );
  return send(floor, { c: "facts", t: 3, shard: "0", to, at: to, ...news });
};

const positions = (floor: Floor): unknown => {
  const [attest] = send(floor, { c: "attest", t: 3, shard: "0", from: 0, to: slotCount }).entries;
  return attest?.k === "attest" ? attest.positions : null;
};

/** The same from its snapshot: whatever was learned of rules survives it. */
const restored = (floor: Floor): Floor => {
  const state = stateOf(floor);
  const again = floorFrom(JSON.parse(JSON.stringify(state)) as typeof state, ["0"]);
  expect(stateOf(again)).toEqual(state);
  return again;
};

test("a new instrument is traded from its rules on; the same or older rules change nothing", () => {
  const floor = made();
  const eth = { ...perp, id: "ETH-PERP" };
  expect(floor.isOpen("ETH-PERP")).toBe(false);
  expect(rules(floor, perp, inverse, eth).entries).toEqual([]);
  expect(restored(floor).isOpen("ETH-PERP")).toBe(true);
  send(floor, { c: "rules", t: 2, version: 1, document: venueDocument });
  expect(floor.isOpen("ETH-PERP")).toBe(true);
});

test("another tick keeps the orders that it can express in their places, and cancels the others", () => {
  const floor = made();
  for (const [id, limit] of [
    ["first", 100],
    ["off", 101],
    ["second", 100],
  ] as const)
    place(floor, "a1", id, "buy", 2, limit);
  place(floor, "a3", "taker", "sell", 1, 101);
  const { entries } = rules(floor, { ...perp, tick: "1" }, inverse);
  // 50.5 is no whole number of the new ticks; half of it had filled.
  expect(entries).toMatchObject([{ k: "cancel", account: "a1", id: "off" }]);
  expect(floor.answered.get(orderKey("a1", "off"))).toMatchObject({ state: "cancelled", filled: "0.01" });
  const again = restored(floor);
  const after = place(again, "a3", "after", "sell", 3, 50).entries;
  expect(after.filter((one) => one.k === "fill" && one.liquidity === "maker")).toMatchObject([
    { order: "first", qty: "0.02", price: "50" },
    { order: "second", qty: "0.01", price: "50" },
  ]);
});

test("what the rules drop is closed and its orders go; with its positions settled nothing of it is left", () => {
  const floor = made();
  place(floor, "a1", "bid", "buy", 2, 100);
  place(floor, "a3", "offer", "sell", 1, 100);
  expect(rules(floor, inverse).entries).toMatchObject([{ k: "cancel", account: "a1", id: "bid" }]);
  const again = restored(floor);
  expect(place(again, "a1", "more", "buy", 1, 100).reply).toMatchObject({ codes: ["instrument_closed"] });
  // Positions in it are told for as long as there are any.
  expect(positions(again)).toEqual([
    ["a1", "BTC-PERP", "0.01"],
    ["a3", "BTC-PERP", "-0.01"],
  ]);
  // Listed again as it was, it goes on.
  rules(again, perp, inverse);
  expect(place(restored(again), "a1", "later", "buy", 1, 100).reply).toMatchObject({ state: "resting" });
});

test("lots that mean something else close the instrument while positions are counted in them, and open it without", () => {
  const coarse = { ...perp, lot: "0.1" };
  const empty = made();
  place(empty, "a1", "bid", "buy", 2, 100);
  expect(rules(empty, coarse, inverse).entries).toMatchObject([{ k: "cancel", id: "bid" }]);
  place(empty, "a1", "bid2", "buy", 2, 100);
  expect(place(restored(empty), "a3", "offer", "sell", 1, 100).entries).toMatchObject([
    { k: "fill", qty: "0.1" },
    { qty: "0.1" },
  ]);
  const held = made();
  place(held, "a1", "bid", "buy", 2, 100);
  place(held, "a3", "offer", "sell", 2, 100);
  rules(held, coarse, inverse);
  expect(restored(held).isOpen("BTC-PERP")).toBe(false);
  expect(positions(held)).toEqual([
    ["a1", "BTC-PERP", "0.02"],
    ["a3", "BTC-PERP", "-0.02"],
  ]);
});

test("an expiry cancels what rests, closes the instrument for good, and its settled positions vanish", () => {
  const floor = made();
  place(floor, "a1", "bid", "buy", 5, 100);
  place(floor, "a3", "offer", "sell", 3, 100);
  const expired = { fact: "instrument.expired", instrument: "BTC-PERP", price: "50", settled: 1 };
  const settled = { fact: "fill", instrument: "BTC-PERP", price: "50", reason: "expiry" };
  const long = { ...settled, account: "a1", side: "sell", qty: "0.03" };
  expect(tell(floor, [long, expired], 2).entries).toMatchObject([{ k: "cancel", account: "a1", id: "bid" }]);
  expect(positions(floor)).toEqual([["a3", "BTC-PERP", "-0.03"]]);
  const again = restored(floor);
  tell(again, [{ ...settled, account: "a3", side: "buy", qty: "0.03" }], 3);
  expect(positions(again)).toEqual([]);
  expect(place(again, "a1", "more", "buy", 1, 100).reply).toMatchObject({ codes: ["instrument_closed"] });
  rules(again, perp);
  expect(again.isOpen("BTC-PERP")).toBe(false);
  // A fill that is no settling happened here and is known.
  tell(again, [{ ...long, reason: undefined }], 4);
  expect(positions(again)).toEqual([]);
});

test("a dated instrument takes no orders from its time on, whoever has said so", () => {
  const floor = made();
  rules(floor, { ...perp, expiry: 100 }, inverse);
  expect(place(floor, "a1", "before", "buy", 1, 100, 99).reply).toMatchObject({ state: "resting" });
  expect(place(floor, "a1", "after", "buy", 1, 100, 100).reply).toMatchObject({ codes: ["instrument_closed"] });
  // Cancels go on.
  expect(send(floor, { c: "cancel", t: 101, account: "a1", id: "before" }).reply).toMatchObject({ state: "cancelled" });
});

test("an order whose instrument is gone is withdrawn: it was not there", () => {
  const floor = made();
  place(floor, "a1", "bid", "buy", 2, 100);
  rules(floor, inverse);
  const effect = {
    id: "e1",
    effect: "withdraw",
    account: "a1",
    instrument: "BTC-PERP",
    order: "bid",
    reason: "expired",
  } as const;
  expect(send(floor, { c: "effect", t: 4, shard: "0", epoch: 1, effect }).entries).toMatchObject([{ k: "withdrawn" }]);
});

test("the engine's fact of new rules names the entry that holds them; rules that drop what is in use are refused", () => {
  const engine = Engine.create(venueDocument, liveOptions);
  const put = (sourceSeq: number, document: RuleDocument) =>
    engine.apply({ k: "rules", document, t: 1, source: "operator", sourceSeq }).facts;
  expect(rulesIn(put(1, documentWith(perp)))).toEqual({ version: 2, source: "operator", sourceSeq: 1 });
  const approval = { request: "r", epoch: 1, until: 9 };
  const order = {
    k: "order",
    account: "a1",
    id: "o1",
    instrument: "BTC-PERP",
    side: "buy",
    qty: "1",
    price: "50",
  } as const;
  engine.apply({ ...order, approval, t: 1, source: "venue", sourceSeq: 1 });
  const [rejected] = put(2, documentWith(inverse));
  expect(rejected).toMatchObject({ fact: "rules.rejected", problems: [{ code: "rules_incompatible" }] });
  expect(rulesIn([rejected as Fact])).toBeNull();
  expect(engine.machine.rules.version).toBe(2);
  expect(
    engine.apply({ k: "cancel", account: "a1", id: "o1", t: 1, source: "venue", sourceSeq: 2 }).facts,
  ).toMatchObject([{ fact: "order.cancelled", id: "o1" }]);
});
