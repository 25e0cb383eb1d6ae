import { expect, test } from "vitest";
import { slotCount } from "#libs/contracts/live/shards.ts";
import { Rational } from "#libs/decimal/index.ts";
import type { Command, Numbered, VenueEffect } from "#apps/venue/matching/commands.ts";
import { applyCommand } from "#apps/venue/matching/exchange.ts";
import type { Floor } from "#apps/venue/matching/floor.ts";
import { depthAround } from "#apps/venue/service/books.ts";
import { readFacts } from "#apps/venue/service/facts.ts";
import { venueDocument, venueParts } from "../support/venue.ts";

const { floor: made } = venueParts(undefined, ["0"]);
let count = 0;

const send = (floor: Floor, command: Omit<Command, "t"> & { readonly t?: number }) => {
  const outcome = applyCommand(floor, { t: 1, ...command } as Command);
  return { reply: outcome.reply, entries: outcome.entries.map(({ entry }) => entry) };
};

function place(
  floor: Floor,
  account: string,
  side: "buy" | "sell",
  lots: number,
  limit: number,
  more: { readonly ioc?: boolean; readonly reduceOnly?: boolean; readonly id?: string } = {},
) {
  count += 1;
  const { ioc = false, reduceOnly = false, id = `o${count}` } = more;
  return send(floor, {
    c: "place",
    terms: { account, id, instrument: "BTC-PERP", side, lots, limit, market: false, ioc, reduceOnly },
    approval: { request: `r-${id}`, epoch: 1, until: 9 },
  } as Omit<Command, "t">);
}

const act = (floor: Floor, effect: VenueEffect, epoch = 1) =>
  send(floor, { c: "effect", shard: "0", epoch, effect } as Omit<Command, "t">);

const closing = (more: Partial<Extract<VenueEffect, { effect: "close" }>> = {}): VenueEffect => ({
  id: "e-close",
  effect: "close",
  saga: "s1",
  account: "a1",
  instrument: "BTC-PERP",
  side: "sell",
  qty: "0.1",
  limit: null,
  depthShare: null,
  whenDeep: false,
  backing: null,
  ...more,
});

const block: VenueEffect = { id: "e-block", effect: "block", saga: "s1", account: "a1", instrument: null };
const kinds = (entries: readonly Numbered[]): string[] => entries.map((entry) => entry.k);

/** a1 is long ten lots from a2 at 100 ticks. */
function longOfTen(): Floor {
  const floor = made();
  place(floor, "a2", "sell", 10, 100);
  place(floor, "a1", "buy", 10, 100);
  return floor;
}

test("a block cancels what rests, then says so, and refuses the account until its saga has ended", () => {
  const floor = longOfTen();
  place(floor, "a1", "sell", 1, 120, { id: "rest" });
  const { entries, reply } = act(floor, block);
  expect(kinds(entries)).toEqual(["cancel", "blocked"]);
  expect(reply).toMatchObject({ state: "done", seq: entries[1]?.sourceSeq });
  expect(place(floor, "a1", "sell", 1, 120).reply).toMatchObject({ state: "rejected", codes: ["pool_liquidating"] });
  const facts = [{ seq: 1, t: 1, fact: "liquidation.ended", saga: "another" }];
  send(floor, { c: "facts", shard: "0", to: 1, at: 1, ...readFacts(floor, facts) } as Omit<Command, "t">);
  expect(place(floor, "a1", "sell", 1, 120).reply).toMatchObject({ state: "rejected" });
  const over = readFacts(floor, [{ seq: 2, t: 1, fact: "liquidation.ended", saga: "s1" }]);
  send(floor, { c: "facts", shard: "0", to: 2, at: 2, ...over } as Omit<Command, "t">);
  expect(place(floor, "a1", "sell", 1, 120).reply).toMatchObject({ state: "resting" });
});

test("an order that was approved and then met a block gives its approval back", () => {
  const floor = longOfTen();
  act(floor, block);
  const { entries } = place(floor, "a1", "buy", 1, 90, { id: "late" });
  expect(entries).toMatchObject([{ k: "cancel", account: "a1", id: "late", request: "r-late" }]);
});

test("a close tells the makers' halves and one outcome, and told again it only repeats its answer", () => {
  const floor = longOfTen();
  place(floor, "a3", "buy", 4, 99, { id: "b1" });
  place(floor, "a4", "buy", 9, 98, { id: "b2" });
  const first = act(floor, closing());
  expect(kinds(first.entries)).toEqual(["fill", "fill", "closed"]);
  expect(first.entries[2]).toMatchObject({
    fills: [
      { qty: "0.04", price: "49.5" },
      { qty: "0.06", price: "49" },
    ],
    exhausted: false,
  });
  expect(floor.positions.held("a1", "BTC-PERP")).toBe(0);
  const again = act(floor, closing());
  expect(again.entries).toEqual([]);
  expect(again.reply).toEqual(first.reply);
  expect(act(floor, { id: "e-cancel", effect: "cancel", saga: "s1", of: "e-close" }).reply).toMatchObject({
    state: "done",
    seq: first.entries[2]?.sourceSeq,
  });
});

test("a close takes its share of the depth within its limit, and nothing where it waits for depth", () => {
  const floor = longOfTen();
  place(floor, "a3", "buy", 4, 99);
  place(floor, "a4", "buy", 9, 90);
  // A limit off the grid holds in the account's favour: 98.5 ticks are 99.
  const limited = act(floor, closing({ limit: "49.25", depthShare: "0.5" })).entries.at(-1);
  expect(limited).toMatchObject({ fills: [{ qty: "0.02", price: "49.5" }], exhausted: false });
  const deep = act(floor, closing({ id: "e2", qty: "0.12", whenDeep: true })).entries;
  expect(deep).toMatchObject([{ k: "closed", fills: [] }]);
});

test("a close is exhausted when the side it sells to is empty, and a fund's budget bounds what it loses", () => {
  const floor = longOfTen();
  place(floor, "a3", "buy", 4, 100);
  place(floor, "a4", "buy", 9, 98);
  // Two ticks of half a dollar below the reference lose 0.01 a lot: 0.035 pay for three of them.
  const { entries } = act(floor, closing({ backing: { reference: "50", budget: "0.035" } }));
  expect(entries.at(-1)).toMatchObject({
    fills: [
      { qty: "0.04", price: "50" },
      { qty: "0.03", price: "49" },
    ],
  });
  expect(act(floor, closing({ id: "e3", qty: "0.03" })).entries.at(-1)).toMatchObject({ exhausted: false });
  place(floor, "a5", "sell", 3, 98);
  expect(act(floor, closing({ id: "e4", qty: "0.01" })).entries).toMatchObject([
    { k: "closed", fills: [], exhausted: true },
  ]);
});

test("commands of a deposed leader change nothing, those for another shard's account neither", () => {
  const floor = longOfTen();
  send(floor, { c: "epoch", shard: "0", epoch: 7 } as Omit<Command, "t">);
  expect(act(floor, block, 6)).toMatchObject({ entries: [], reply: { state: "stale_epoch", seq: null } });
  expect(floor.blocked("a1", "BTC-PERP")).toBe(false);
  expect(act(floor, block, 8).reply).toMatchObject({ state: "done" });
  expect(act(floor, closing(), 7).reply).toMatchObject({ state: "stale_epoch" });
  const two = venueParts().floor();
  const shard = two.owners.shardOf("a3") === "0" ? "1" : "0";
  const effect: VenueEffect = { ...block, account: "a3" };
  expect(applyCommand(two, { c: "effect", t: 1, shard, epoch: 1, effect }).reply).toMatchObject({
    state: "refused",
    reason: "wrong_shard",
  });
});

test("a withdrawn order is gone, or was not there; both are said", () => {
  const floor = made();
  place(floor, "a1", "buy", 1, 90, { id: "mine" });
  const effect: VenueEffect = {
    id: "e-w",
    effect: "withdraw",
    account: "a1",
    instrument: "BTC-PERP",
    order: "mine",
    reason: "deleveraged",
  };
  expect(kinds(act(floor, effect).entries)).toEqual(["cancel", "withdrawn"]);
  expect(kinds(act(floor, { ...effect, id: "e-w2" }).entries)).toEqual(["withdrawn"]);
});

test("a scope is emptied, of this shard and of nobody else, and told again nothing happens", () => {
  const floor = made();
  place(floor, "a1", "buy", 1, 90, { id: "mine" });
  place(floor, "a2", "buy", 1, 91, { id: "other" });
  const effect: VenueEffect = {
    id: "e-all",
    effect: "cancel_all",
    scope: "entity",
    of: "desk",
    accounts: ["a2", "a3"],
    since: 1,
  };
  const { entries, reply } = act(floor, effect);
  expect(entries).toMatchObject([
    { k: "cancel", account: "a2", id: "other" },
    { k: "cancelled", effect: "e-all", orders: 1 },
  ]);
  expect(act(floor, effect)).toMatchObject({ entries: [], reply });
  const all = { id: "e-more", effect: "cancel_all", scope: "global", of: null, accounts: null, since: 1 } as const;
  expect(kinds(act(floor, all).entries)).toEqual(["cancel", "cancelled"]);
  expect([floor.orders.size, floor.massCancels]).toEqual([0, 2]);
});

test("LIM-14 depth is what stands within two per cent of the middle, on the side that has less", () => {
  const floor = made();
  const [book, grid] = [floor.book("BTC-PERP"), floor.grid("BTC-PERP")];
  const around = (middle: string): number => depthAround(book, grid, Rational.parse(middle));
  for (const [side, lots, limit] of [
    ["buy", 3, 9_800],
    ["buy", 5, 9_799],
    ["sell", 9, 10_000],
    ["sell", 4, 10_200],
    ["sell", 7, 10_201],
  ] as const)
    place(floor, side === "buy" ? "a1" : "a2", side, lots, limit);
  const tick = Number(grid.tick.toStringDown());
  // Bids down to 98 % of it, asks up to 102 %: 3 against 13; a little higher only what is dearer falls away.
  expect(around(String(10_000 * tick))).toBe(3);
  expect(around(String(10_005 * tick))).toBe(0);
});

test("LIM-20 LIM-27 a stop and a key go with the order into the log, and stay with it when it is amended", () => {
  const floor = made();
  const terms = { account: "a1", id: "o-stop", instrument: "BTC-PERP", side: "buy", lots: 4, limit: 90 } as const;
  const more = { market: false, ioc: false, reduceOnly: false, stop: "80", key: "k-1" };
  const approval = { request: "r-1", epoch: 1, until: 9 };
  const placed = send(floor, { c: "place", terms: { ...terms, ...more }, approval } as Omit<Command, "t">);
  expect(placed.entries).toMatchObject([{ k: "order", stop: "80", key: "k-1" }]);
  const change = { c: "amend", account: "a1", id: "o-stop", total: 6, limit: 91 } as const;
  const amended = send(floor, { ...change, approval: { ...approval, lots: 6 } } as Omit<Command, "t">);
  expect(amended.entries.at(-1)).toMatchObject({ k: "order", id: "o-stop", stop: "80", key: "k-1" });
});

test("an order never trades with its own account: the newer one ends", () => {
  const floor = made();
  place(floor, "a2", "sell", 2, 100);
  place(floor, "a1", "sell", 5, 101);
  const { reply, entries } = place(floor, "a1", "buy", 4, 101, { id: "own" });
  expect(reply).toMatchObject({ state: "partly", filled: "0.02", codes: ["self_trade"] });
  expect(entries.at(-1)).toMatchObject({ k: "cancel", id: "own", request: "r-own" });
});

test("an order asked for again answers as before and trades nothing", () => {
  const floor = made();
  place(floor, "a2", "sell", 2, 100);
  const first = place(floor, "a1", "buy", 2, 100, { id: "once" });
  const again = place(floor, "a1", "buy", 2, 100, { id: "once" });
  expect(again.reply).toEqual(first.reply);
  expect(again.entries).toMatchObject([{ k: "cancel", request: "r-once" }]);
});

test("positions that changed hands elsewhere count for reduce-only orders and in what is attested", () => {
  const floor = longOfTen();
  place(floor, "a1", "sell", 8, 120, { id: "out", reduceOnly: true });
  const facts = [
    {
      seq: 1,
      t: 1,
      fact: "adl.filled",
      account: "a1",
      against: "a4",
      instrument: "BTC-PERP",
      side: "sell",
      qty: "0.05",
    },
  ];
  const gone = send(floor, { c: "facts", shard: "0", to: 1, at: 1, ...readFacts(floor, facts) } as Omit<Command, "t">);
  expect(gone.entries).toMatchObject([{ k: "cancel", id: "out" }]);
  expect(floor.positions.held("a1", "BTC-PERP")).toBe(5);
  const { entries } = send(floor, { c: "attest", shard: "0", from: 0, to: 4096 } as Omit<Command, "t">);
  expect(entries).toMatchObject([
    {
      k: "attest",
      facts: 1,
      positions: [
        ["a1", "BTC-PERP", "0.05"],
        ["a2", "BTC-PERP", "-0.1"],
        ["a4", "BTC-PERP", "0.05"],
      ],
    },
  ]);
});

test("the market's clock never falls in what is told", () => {
  const floor = made();
  place(floor, "a2", "sell", 2, 100);
  const late = send(floor, { c: "cancel_all", account: "a2", instrument: null, t: 50 } as Omit<Command, "t">);
  const early = place(floor, "a2", "sell", 2, 100);
  expect([late, early].flatMap(({ entries }) => entries.map(({ t }) => t))).toEqual([50, 50]);
});

test("an owner with more positions than an attestation may hold is passed over, the others are told", () => {
  const accounts = Array.from({ length: 6_000 }, (_, at) => `sub-${at}`);
  const { floor: crowded } = venueParts({ ...venueDocument, entities: { broker: { accounts } } }, ["0"]);
  const floor = crowded();
  floor.positions.restore(
    [...accounts, "a1"].flatMap((account) => [[account, "BTC-PERP", 1] as const, [account, "BTC-INV", -1] as const]),
  );
  const told: (readonly [string, string, string])[] = [];
  for (let from = 0; from < slotCount;) {
    const { entries, reply } = send(floor, { c: "attest", shard: "0", from, to: slotCount } as Omit<Command, "t">);
    for (const entry of entries) if (entry.k === "attest") told.push(...entry.positions);
    from = (reply as { to: number }).to;
  }
  expect(told).toEqual([
    ["a1", "BTC-INV", "-1"],
    ["a1", "BTC-PERP", "0.01"],
  ]);
});
