import { describe, expect, test } from "vitest";
import type { Effect, EntryBody } from "#libs/contracts/log.ts";
import { gateOfName } from "#libs/engine/gates.ts";
import { Engine, sagaRows } from "#libs/engine/index.ts";
import { perpetual, rules } from "#test/support/exchange.ts";
import { LiveLog } from "#test/support/live-run.ts";

function shard(changes: Parameters<typeof rules>[0] = {}): LiveLog {
  const live = new LiveLog(rules({ instruments: [perpetual()], ...changes }));
  live.apply({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100" } });
  for (const account of ["a", "b", "c"]) live.apply({ k: "cash", account, asset: "USDT", amount: "10000" });
  return live;
}

const approval = { request: "r1", epoch: 1, until: 1000 };
const order = (changes: Partial<EntryBody & { k: "order" }> = {}): EntryBody => ({
  k: "order",
  account: "a",
  id: "o1",
  instrument: "X",
  side: "buy",
  qty: "2",
  price: "99",
  approval,
  ...changes,
});
const unapproved = (): EntryBody => {
  const { approval: _, ...rest } = order() as EntryBody & { k: "order" };
  return rest;
};
const withdrawals = (live: LiveLog): Extract<Effect, { effect: "withdraw" }>[] =>
  live.engine.openEffects().flatMap((one) => (one.effect === "withdraw" ? [one] : []));
const resting = (live: LiveLog, account = "a") =>
  live.engine.account(account).orders.map(({ id, qty, price }) => `${id} ${qty} at ${String(price)}`);

describe("orders that rest at a matching engine", () => {
  test("ORD-12 are booked as they come, whatever a check would say, and reserve margin", () => {
    const live = shard();
    live.apply(order({ qty: "100000", price: "150" }));
    expect(resting(live)).toEqual(["o1 100000 at 150"]);
    expect(live.of("order.booked")).toMatchObject([{ id: "o1", qty: "100000", late: false, unapproved: false }]);
    expect(Number(live.engine.account("a").orderIm)).toBeGreaterThan(1_000_000);
    expect(withdrawals(live)).toEqual([]);
  });

  test("ORD-12 with the id of one that rests are that order amended, in its place", () => {
    const live = shard();
    live.apply(order());
    live.apply(order({ id: "o2" }));
    live.apply(order({ qty: "3", price: "98" }));
    expect(resting(live)).toEqual(["o1 3 at 98", "o2 2 at 99"]);
  });

  test("ORD-13 that came too late or without an approval rest until they are withdrawn", () => {
    const live = shard();
    live.t = 1001;
    live.apply(order());
    live.apply({ ...unapproved(), id: "o2" } as EntryBody);
    expect(live.of("order.booked")).toMatchObject([
      { id: "o1", late: true, unapproved: false },
      { id: "o2", late: false, unapproved: true },
    ]);
    expect(withdrawals(live)).toMatchObject([
      { id: "5-w1", account: "a", instrument: "X", order: "o1", reason: "approval_expired" },
      { id: "6-w1", order: "o2", reason: "unapproved" },
    ]);
    expect(resting(live)).toHaveLength(2);
    live.apply({ k: "withdrawn", effect: "5-w1" });
    expect(resting(live)).toEqual(["o2 2 at 99"]);
    expect(live.of("order.cancelled")).toMatchObject([{ id: "o1", reason: "approval_expired" }]);
    // A cancel that comes first does no harm.
    live.apply({ k: "cancel", account: "a", id: "o2" });
    live.apply({ k: "withdrawn", effect: "6-w1" });
    expect(live.engine.openEffects()).toEqual([]);
    live.apply({ k: "withdrawn", effect: "6-w1" });
    expect(live.of("outcome.ignored")).toMatchObject([{ effect: "6-w1", kind: "withdrawn" }]);
  });

  test("ORD-13 at the very end of their approval are in time, and less of what rests needs none", () => {
    const live = shard();
    live.t = 1000;
    live.apply(order());
    live.t = 5000;
    live.apply({ ...unapproved(), qty: "1" } as EntryBody);
    expect(resting(live)).toEqual(["o1 1 at 99"]);
    expect(withdrawals(live)).toEqual([]);
    live.apply({ ...unapproved(), qty: "2" } as EntryBody);
    expect(withdrawals(live)).toHaveLength(1);
  });

  test("ORD-13 of a pool in liquidation, of a closed instrument or under a halt that cancels are withdrawn", () => {
    const live = shard();
    live.apply({ k: "halt", scope: "account", id: "b", state: "cancel_all", reason: "drill" });
    live.apply(order({ account: "b" }));
    live.apply({ k: "cash", account: "d", asset: "USDT", amount: "101" });
    live.trade("t1", "d", "b", "10", "100");
    live.apply({ k: "frame", mark: { X: "90" } });
    live.apply(order({ account: "d" }));
    live.apply({ k: "expire", instrument: "X", price: "90" });
    live.apply(order({ account: "c" }));
    expect(withdrawals(live).map((one) => [one.account, one.reason])).toEqual([
      ["b", "halt"],
      ["d", "liquidation"],
      // The expiry takes every order off the book, these too.
      ["b", "expired"],
      ["d", "expired"],
      ["c", "expired"],
    ]);
  });

  test("ORD-13 that the engine itself cancels are withdrawn, those that a block or their owner takes are not", () => {
    const live = shard();
    live.apply({ k: "cash", account: "d", asset: "USDT", amount: "101" });
    live.trade("t1", "d", "b", "10", "100");
    live.apply(order({ account: "d", id: "o1" }));
    live.apply(order({ account: "b", id: "reduce", reduceOnly: true, qty: "10" }));
    live.apply(order({ account: "a", id: "own" }));
    live.apply({ k: "cancel", account: "a", id: "own" });
    expect(withdrawals(live)).toEqual([]);
    // b's short shrinks to 4: the order that would reduce it by 10 goes.
    live.trade("t2", "b", "c", "6", "100");
    expect(withdrawals(live)).toMatchObject([{ account: "b", order: "reduce", reason: "reduce_only_uncovered" }]);
    live.apply({ k: "withdrawn", effect: String(withdrawals(live)[0]?.id) });
    live.apply({ k: "frame", mark: { X: "90" } });
    live.apply({ k: "blocked", effect: String(live.engine.openEffects()[0]?.id) });
    expect(live.of("order.cancelled").at(-1)).toMatchObject({ account: "d", id: "o1", reason: "liquidation" });
    expect(withdrawals(live)).toEqual([]);
  });

  test("BRK-19 a halt that cancels is carried out once, and its orders rest until the matching engine says that they are gone", () => {
    const live = shard();
    live.apply(order({ account: "a", id: "o1" }));
    live.t = 7000;
    live.apply({ k: "halt", scope: "instrument", id: "X", state: "cancel_all", reason: "drill" });
    live.apply({ k: "halt", scope: "instrument", id: "X", state: "cancel_all", reason: "again" });
    const [effect] = live.engine.openEffects();
    expect(live.engine.openEffects()).toEqual([
      { id: effect?.id, effect: "cancel_all", scope: "instrument", of: "X", accounts: null, since: 7000 },
    ]);
    expect(resting(live)).toHaveLength(1);
    live.t = 7030;
    live.apply({ k: "cancel", account: "a", id: "o1" });
    live.restart();
    live.apply({ k: "cancelled", effect: String(effect?.id), orders: 1 });
    expect(live.of("halt.emptied")).toMatchObject([{ scope: "instrument", id: "X", orders: 1, afterMs: 30 }]);
    expect([live.engine.openEffects(), resting(live)]).toEqual([[], []]);
    live.apply({ k: "cancelled", effect: String(effect?.id), orders: 1 });
    expect(live.of("outcome.ignored")).toMatchObject([{ kind: "cancelled" }]);
  });

  test("BRK-20 until a scope is empty nobody in it reduces risk; outside of it everybody does", () => {
    const live = shard();
    live.trade("t1", "a", "b", "2", "100");
    const state = (account: string): boolean => gateOfName(live.engine.machine, account, "X").permits("reduce_risk");
    live.apply({ k: "halt", scope: "account", id: "a", state: "cancel_all", reason: "drill" });
    expect([state("a"), state("b")]).toEqual([false, true]);
    live.apply({ k: "cancelled", effect: String(live.engine.openEffects()[0]?.id), orders: 0 });
    expect([state("a"), state("b")]).toEqual([true, true]);
  });

  test("BRK-19 a trigger that pauses an instrument empties it too", () => {
    const live = shard({ breakers: { stalePrice: { state: "reduce_only" } } });
    live.apply({ k: "frame", quality: { X: "disputed" } });
    expect(live.engine.openEffects()).toEqual([]);
    live.apply({ k: "frame", quality: { X: "invalid" } });
    expect(live.engine.openEffects()).toMatchObject([{ effect: "cancel_all", scope: "instrument", of: "X" }]);
    live.apply({ k: "frame", quality: { X: "invalid" } });
    expect(live.engine.openEffects()).toHaveLength(1);
  });

  test("ORD-13 INV-08 an open withdrawal outlives a restart", () => {
    const live = shard();
    live.apply(unapproved());
    const restored = Engine.restore(live.engine.snapshot(), { venue: "matching" });
    expect(restored.openEffects()).toEqual(live.engine.openEffects());
    restored.apply({ k: "withdrawn", effect: "5-w1", t: 0 });
    expect(restored.account("a").orders).toEqual([]);
  });

  test("ORD-12 a cancel of what does not rest says nothing and changes nothing", () => {
    const live = shard();
    const { facts } = live.apply({ k: "cancel", account: "nobody", id: "o9", request: "r1" });
    expect(facts).toEqual([]);
    expect(live.engine.machine.book.findAccount("nobody")).toBe(-1);
  });

  test("ORD-12 INV-09 that name nothing that is listed are refused before anything has changed", () => {
    const live = shard();
    const before = live.engine.stateHash();
    for (const bad of [{ instrument: "Z" }, { qty: "0" }, { qty: "0.5" }, { price: "-1" }, { account: "house" }])
      expect(() => live.apply(order(bad))).toThrow("entry refused");
    expect(() => live.apply(order({ qty: `1${"0".repeat(37)}` }))).toThrow("entry refused: not_an_amount 1000");
    expect(() => live.apply(order({ qty: "9".repeat(20), price: "9".repeat(20) }))).toThrow("out_of_range");
    expect(live.engine.stateHash()).toBe(before);
  });
});

test("LIQ-01 a saga is told when it begins, moves and has ended, with the ratio it began at", () => {
  const live = shard();
  live.apply({ k: "cash", account: "d", asset: "USDT", amount: "101" });
  live.trade("t1", "d", "b", "10", "100");
  live.apply({ k: "frame", mark: { X: "94" } });
  const { machine } = live.engine;
  const [begun] = sagaRows(machine);
  expect(begun).toMatchObject({ account: "d", instrument: null, state: "locking", stage: 1 });
  expect(begun?.ratio).toMatch(/^0\.87/);
  live.apply({ k: "blocked", effect: String(begun?.effect) });
  const [moved] = sagaRows(machine);
  expect(moved).toMatchObject({ saga: begun?.saga, state: "full", ratio: begun?.ratio });
  live.apply({ k: "time" });
  live.apply({ k: "cash", account: "a", asset: "USDT", amount: "1" });
  const fills = [{ qty: "10", price: "94", trade: "t2" }];
  live.apply({ k: "closed", effect: String(moved?.effect), fills, exhausted: false });
  expect(sagaRows(machine)).toMatchObject([{ saga: begun?.saga, state: "ended", effect: null }]);
  live.half("t2", "c", "buy", "10", "94");
  expect(sagaRows(machine)).toEqual([]);
});
