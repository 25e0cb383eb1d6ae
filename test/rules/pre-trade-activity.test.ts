import { describe, expect, test } from "vitest";
import type { LimitsDocument } from "#libs/domain/rule-set/limit-documents.ts";
import { isActive } from "#libs/engine/activity.ts";
import { Engine, Gate } from "#libs/engine/index.ts";
import { perpetual, rules, TestExchange } from "#test/support/exchange.ts";
import { codesOf, day, hold, limitedExchange, termsOf } from "#test/support/limited-exchange.ts";
import { table } from "#test/support/table.ts";

const losses = table(`
  limits             | lost | codes     | because
  {"dayLoss":"0.03"} | 2999 | -         | below 3 % of 100,000
  {"dayLoss":"0.03"} | 3000 | day_loss  | at it
  {"weekLoss":"0.08"} | 7999 | -        | below 8 %
  {"weekLoss":"0.08"} | 8000 | week_loss | at it
`);
for (const { limits, lost, codes, because } of losses)
  test(`LIM-19 under ${limits} a loss of ${lost}: ${because}`, () => {
    const exchange = limitedExchange({ limits: JSON.parse(limits) as LimitsDocument });
    for (const session of ["day", "week"] as const) exchange.apply({ k: "session", session, start: 0 });
    hold(exchange, "alice 1000 X");
    exchange.mark(String(100 - Number(lost) / 1000));
    // The frame has been followed by the watch.
    const refused = codes === "-" ? [] : ["halted", codes];
    expect(codesOf(exchange, "alice", "buy 1 X")).toEqual(refused);
    expect(codesOf(exchange, "alice", "sell 1 X")).toEqual([]);
    expect(codesOf(exchange, "bob", "buy 1 Y")).toEqual([]);
  });

test("LIM-19 losses of an owner's accounts add up; without a session there is none", () => {
  const entities = { desk: { accounts: ["alice", "bob"] } };
  const exchange = limitedExchange({ entities, limits: { dayLoss: "0.03" } });
  hold(exchange, "alice 1000 X");
  exchange.mark("94.1");
  expect(codesOf(exchange, "bob", "buy 1 Y")).toEqual([]);
  exchange.mark("100");
  exchange.apply({ k: "session", session: "day", start: day });
  exchange.mark("94.1");
  expect(codesOf(exchange, "bob", "buy 1 Y")).toEqual([]);
  exchange.mark("94");
  expect(codesOf(exchange, "bob", "buy 1 Y")).toEqual(["halted", "day_loss"]);
});

const liquidity = table(`
  rule   | limits                   | traded | depth | passes   | refused  | code
  LIM-14 | {"maxVolumeShare":"0.1"} | 100    | -     | buy 10 X | buy 11 X | volume_share
  LIM-14 | {"maxVolumeShare":"0.1"} | 0      | -     | -        | buy 1 X  | volume_share
  LIM-14 | {"maxDepthShare":"0.5"}  | 100    | 20    | buy 10 X | buy 11 X | depth_share
  LIM-14 | {"maxDepthShare":"0.5"}  | 100    | -     | -        | buy 1 X  | depth_share
`);
for (const { rule, limits, traded, depth, passes, refused, code } of liquidity)
  test(`${rule} ${limits} with ${traded} traded and a depth of ${depth}: ${passes} passes, ${refused} does not`, () => {
    const made = (): TestExchange => {
      const exchange = limitedExchange({ limits: JSON.parse(limits) as LimitsDocument });
      hold(exchange, traded === "0" ? "-" : `carol ${traded} X, carol 50 Y`);
      if (depth !== "-") exchange.apply({ k: "frame", depth: { X: depth } });
      return exchange;
    };
    if (passes !== "-") expect(codesOf(made(), "alice", passes)).toEqual([]);
    expect(codesOf(made(), "alice", refused)).toEqual([code]);
  });

test("LIM-14 the volume is that of 24 h, in steps of a twentieth", () => {
  const exchange = limitedExchange({ limits: { maxVolumeShare: "0.1" } });
  hold(exchange, "carol 100 X");
  exchange.apply({ k: "time" }, day - 1);
  expect(codesOf(exchange, "alice", "buy 10 X")).toEqual([]);
  exchange.apply({ k: "time" }, day);
  expect(codesOf(exchange, "bob", "buy 1 X")).toEqual(["volume_share"]);
});

describe("LIM-21 orders and trades of a day", () => {
  test("orders are counted until the day ends, those of all accounts of an owner", () => {
    const exchange = limitedExchange({
      limits: { ordersPerDay: 3 },
      entities: { desk: { accounts: ["alice", "bob"] } },
    });
    for (const account of ["alice", "bob", "alice"]) expect(codesOf(exchange, account, "buy 1 X")).toEqual([]);
    expect(codesOf(exchange, "bob", "buy 1 X")).toEqual(["orders_per_day"]);
    expect(codesOf(exchange, "carol", "buy 1 X")).not.toContain("orders_per_day");
    exchange.apply({ k: "time" }, day);
    expect(codesOf(exchange, "bob", "buy 1 X")).toEqual([]);
    // Nobody is remembered for what he did the day before.
    expect(exchange.engine.machine.activity.days.size).toBe(1);
  });

  test("what is approved counts before the log has told of it, and once when it has", () => {
    const exchange = limitedExchange({ limits: { ordersPerDay: 2 } });
    const gate = new Gate(exchange.engine);
    const ask = (request: string) => gate.check({ request, account: "alice", order: termsOf("buy 1 X") }, 0).codes;
    expect([ask("1"), ask("2"), ask("3")]).toEqual([[], [], ["orders_per_day"]]);
  });

  test("trades are counted, and once at the limit nothing more is opened", () => {
    const exchange = limitedExchange({ limits: { tradesPerDay: 2 } });
    hold(exchange, "alice 1 X");
    expect(codesOf(exchange, "alice", "buy 1 X")).toEqual([]);
    hold(exchange, "alice 1 X");
    expect(codesOf(exchange, "alice", "buy 1 X")).toEqual(["trades_per_day"]);
    expect(codesOf(exchange, "alice", "sell 2 X")).toEqual([]);
    expect(exchange.engine.machine.activity.days.size).toBe(2);
  });

  test("half fills of one order are one order and one trade", () => {
    const exchange = new TestExchange(rules({ limits: { tradesPerDay: 9, ordersPerDay: 9 } }), { venue: "matching" });
    exchange.cash("alice", "100000");
    const fill = (trade: string, order: string, liquidity: "maker" | "taker") =>
      exchange.apply({
        k: "fill",
        trade,
        account: "alice",
        instrument: "X",
        side: "buy",
        qty: "1",
        price: "100",
        liquidity,
        order,
      });
    fill("t1", "o1", "taker");
    fill("t2", "o1", "taker");
    exchange.apply({ k: "order", account: "alice", id: "o1", instrument: "X", side: "buy", qty: "1", price: "100" });
    fill("t3", "o1", "maker");
    fill("t4", "o2", "taker");
    const account = exchange.engine.machine.book.findAccount("alice");
    expect(exchange.engine.machine.activity.days.get(account)).toMatchObject({ orders: 2, trades: 2 });
  });
});

describe("LIM-23 LIM-24 drawdown and the watch over losses", () => {
  test("the peak moves up with what accounts are worth and with what is paid in, never down", () => {
    const exchange = limitedExchange({ limits: { drawdown: "0.1" } });
    hold(exchange, "alice 1000 X");
    exchange.mark("110");
    exchange.cash("alice", "10000");
    // 100,000 + 10,000 of profit + 10,000 paid in: a tenth of 120,000 is lost at 98.
    exchange.mark("98.1");
    expect(codesOf(exchange, "alice", "buy 1 Y")).toEqual([]);
    exchange.mark("98");
    expect(codesOf(exchange, "alice", "buy 1 Y")).toContain("drawdown");
    expect(codesOf(exchange, "bob", "buy 1 Y")).toEqual([]);
  });

  test("a day's loss halts until the day is over, a week's until an operator opens", () => {
    const exchange = limitedExchange({ profile: "desk", instruments: [perpetual({ tiers: [] })] });
    for (const session of ["day", "week"] as const) exchange.apply({ k: "session", session, start: 0 });
    hold(exchange, "alice 1000 X");
    exchange.mark("97");
    expect(exchange.of("halt.set")).toMatchObject([
      { scope: "account", id: "alice", state: "reduce_only", reason: "day_loss" },
    ]);
    exchange.mark("100");
    expect(codesOf(exchange, "alice", "buy 1 X")).toContain("halted");
    expect(codesOf(exchange, "alice", "sell 1 X")).toEqual([]);
    exchange.apply({ k: "time" }, day);
    expect(exchange.of("halt.lifted")).toMatchObject([{ id: "alice", reason: "day_loss" }]);
    exchange.mark("92", "X", day);
    exchange.mark("100", "X", 9 * day);
    expect(codesOf(exchange, "alice", "buy 1 X")).toContain("halted");
    exchange.apply({ k: "halt", scope: "account", id: "alice", state: "normal", reason: "seen" }, 9 * day);
    expect(codesOf(exchange, "alice", "buy 1 X")).not.toContain("halted");
  });

  test("an owner is halted for what its accounts have lost together, once", () => {
    const exchange = limitedExchange({
      entities: { desk: { accounts: ["alice", "bob"] } },
      limits: { weekLoss: "0.08" },
    });
    exchange.apply({ k: "session", session: "week", start: 0 });
    hold(exchange, "alice 1000 X, bob 1000 X");
    exchange.mark("92");
    exchange.mark("91");
    expect(exchange.of("halt.set")).toMatchObject([{ scope: "entity", id: "desk", reason: "week_loss" }]);
    expect(codesOf(exchange, "bob", "buy 1 Y")).toEqual(["halted", "week_loss"]);
  });
});

describe("LIM-22 correlation", () => {
  /** 100 slots in which ETH does what `eth` says of each, BTC goes up and down. */
  function moved(eth: (up: boolean, slot: number) => number, limit = "0.8"): TestExchange {
    const exchange = limitedExchange({ limits: { maxCorrelation: limit } });
    for (let slot = 1; slot <= 100; slot += 1) {
      const up = slot % 3 === 0;
      exchange.prices({ BTC: up ? "101" : "100", ETH: String(eth(up, slot)) }, {}, slot * 300_000);
    }
    return exchange;
  }

  test("a new position that moves with the portfolio is refused, one against it is not", () => {
    const together = (up: boolean): number => (up ? 101 : 100);
    const exchange = moved(together);
    hold(exchange, "alice 10 X");
    expect(codesOf(exchange, "alice", "buy 1 Z")).toEqual(["correlation"]);
    expect(exchange.of("order.rejected").at(-1)?.["numbers"]).toMatchObject({
      correlation: { value: "1", bound: "0.8" },
    });
    expect(codesOf(exchange, "alice", "sell 1 Z")).toEqual([]);
    // What is in the same underlying is no new position, and without a portfolio there is nothing to move with.
    expect(codesOf(exchange, "alice", "buy 1 Y")).toEqual([]);
    expect(codesOf(exchange, "bob", "buy 1 Z")).toEqual([]);
  });

  test("what moves by itself passes, and so does everything until there are enough returns", () => {
    const apart = moved((_, slot) => 100 + (slot % 2));
    hold(apart, "alice 10 X");
    expect(codesOf(apart, "alice", "buy 1 Z")).toEqual([]);
    const young = limitedExchange({ limits: { maxCorrelation: "-1" } });
    hold(young, "alice 10 X");
    expect(codesOf(young, "alice", "buy 1 Z")).toEqual([]);
  });
});

test("INV-08 what limits are measured by is part of the state, and survives a snapshot", () => {
  const limits = {
    ordersPerDay: 5,
    tradesPerDay: 9,
    maxVolumeShare: "9",
    maxDepthShare: "9",
    maxCorrelation: "1",
    drawdown: "0.5",
  };
  const exchange = limitedExchange({ limits });
  hold(exchange, "alice 100 X");
  exchange.apply({ k: "frame", depth: { X: "100" } });
  expect(codesOf(exchange, "alice", "buy 1 X")).toEqual([]);
  const { engine } = exchange;
  const restored = Engine.restore(engine.snapshot());
  expect(restored.stateHash()).toBe(engine.stateHash());
  const order = { k: "order", account: "alice", ...termsOf("buy 900 X"), t: 0 } as const;
  const said = (one: Engine) => one.apply(order).facts.map((fact) => [fact.fact, fact["codes"]]);
  expect(said(restored)).toEqual(said(engine));
  expect(restored.stateHash()).toBe(engine.stateHash());
  const { document } = engine.machine;
  engine.apply({ k: "rules", document: { ...document, limits: {} }, t: 0 });
  expect(isActive(engine.machine.activity)).toBe(false);
});
