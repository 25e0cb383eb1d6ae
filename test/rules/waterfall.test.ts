import { expect, test } from "vitest";
import { perpetual, rules, TestExchange } from "#test/support/exchange.ts";
import { table } from "#test/support/table.ts";

/** `loser` long 10 X at 100, 200 USDT of its own: ratio = (200 + 10·(mark − 100)) / (10·mark·0.05). */
function lever(document = rules(), fund = "0", cash = "200"): TestExchange {
  const exchange = new TestExchange(document);
  if (fund !== "0") exchange.apply({ k: "fund", asset: "USDT", amount: fund });
  exchange.cash("loser", cash);
  exchange.cash("winner", "10000");
  exchange.trade("loser", "winner", "10");
  return exchange;
}

// At 84.2 the ratio is 42/42.1 < 1; at 84.656… it is 1.05: 10·mark − 800 = 0.525·mark → mark = 800/9.475 = 84.4327176781002638….
const thresholds = table(`
  rule      | mark                 | started | because
  HEALTH-02 | 84.432717678100264   | no      | one step above 1.05 nothing begins
  HEALTH-02 | 84.432717678100263   | yes     | at or below 1.05 a partial close begins
`);
for (const one of thresholds)
  test(`${one.rule} ${one.because}`, () => {
    const exchange = lever();
    exchange.mark(one.mark);
    expect(exchange.of("liquidation.started").length).toBe(one.started === "yes" ? 1 : 0);
    expect(exchange.broken()).toEqual([]);
  });

test("LIQ-05 LIQ-06 a partial close takes the smallest number of lots, at least a quarter, that reaches the target", () => {
  const exchange = lever(rules({ instruments: [perpetual({ lot: "0.001" })] }));
  exchange.mark("84.4");
  const steps = exchange.of("liquidation.step");
  expect(steps.map((one) => [one["stage"], one["qty"], one["price"]])).toEqual([[2, "2.5", "84.4"]]);
  expect(exchange.of("liquidation.ended")[0]?.["outcome"]).toBe("reduced");
  expect(exchange.engine.account("loser").ratio).toBe("1.390205371248025276");
  expect(exchange.broken()).toEqual([]);
});

test("LIQ-03 LIQ-24 at or below 1.00 everything closes, then taker fee and liquidation fee are charged on it", () => {
  const document = rules({ instruments: [perpetual({ takerFee: "0.001", liquidationFee: "0.01" })] });
  const exchange = lever(document, "0", "201");
  exchange.mark("84.2");
  expect(exchange.stages()).toEqual(["full"]);
  // 201 − 1 taker fee at the opening − 158 lost = 42; the taker fee of 0.842 rounds up, the liquidation fee is 8.42.
  expect(exchange.engine.account("loser").cash["USDT"]).toBe("32.73");
  expect(exchange.fund()).toBe("8.42");
  expect(exchange.broken()).toEqual([]);
});

test("LIQ-17 below zero the fund pays what the closing falls short of the bankruptcy price, to the cent", () => {
  const exchange = lever(rules(), "1000");
  exchange.mark("70");
  expect(exchange.stages()).toEqual(["providers", "fund-backed"]);
  expect(exchange.fund()).toBe("900");
  expect(exchange.engine.account("loser").equity).toBe("0");
  expect(exchange.broken()).toEqual([]);
});

const caps = table(`
  rule   | fund | cap | brake | closed | paid | because
  LIQ-15 | 30   | 999 | no    | 3      | 30   | the balance limits
  LIQ-15 | 1000 | 50  | no    | 5      | 50   | the cap per saga limits
  LIQ-16 | 100  | 999 | yes   | 3      | 30   | thirty per cent of the fund limits
`);
for (const one of caps)
  test(`${one.rule} ${one.because}, and the rest is deleveraged at the bankruptcy price`, () => {
    const brake = one.brake === "yes" ? { brake: {} } : {};
    const exchange = lever(rules({ fund: { eventCap: one.cap, ...brake } }), one.fund);
    exchange.mark("70");
    expect(exchange.stages()).toEqual(["providers", "fund-backed", "deleveraging"]);
    expect(exchange.of("liquidation.step").map((step) => [step["stage"], step["qty"]])).toEqual([[5, one.closed]]);
    expect(exchange.of("insurance.paid").map((paid) => paid["amount"])).toEqual([one.paid]);
    expect(exchange.of("adl.filled").map((fill) => [fill["qty"], fill["price"]])).toEqual([
      [String(10 - Number(one.closed)), "80"],
    ]);
    expect(exchange.broken()).toEqual([]);
  });

test("LIQ-14 providers take what is open at mark less their discount, the smallest discount first", () => {
  const document = rules({
    liquidity: "none",
    providers: [
      { account: "lp1", instrument: "X", capacity: "100", discount: "0.02" },
      { account: "lp2", instrument: "X", capacity: "4", discount: "0.01" },
    ],
  });
  const exchange = lever(document);
  exchange.cash("lp1", "1000");
  exchange.cash("lp2", "1000");
  exchange.mark("84.2");
  expect(exchange.stages()).toEqual(["full", "providers"]);
  expect(exchange.of("liquidation.step").map((one) => [one["counterparty"], one["qty"], one["price"]])).toEqual([
    ["lp2", "4", "83.358"],
    ["lp1", "6", "82.516"],
  ]);
  expect(exchange.broken()).toEqual([]);
});

test("LIQ-14 a provider takes no more than leaves it with its initial margin", () => {
  const document = rules({
    liquidity: "none",
    providers: [{ account: "lp", instrument: "X", capacity: "100", discount: "0" }],
  });
  const exchange = lever(document);
  exchange.cash("lp", "42.1");
  exchange.mark("84.2");
  expect(exchange.of("liquidation.step").map((one) => one["qty"])).toEqual(["5"]);
  expect(exchange.of("adl.filled").map((one) => one["qty"])).toEqual(["5"]);
  expect(exchange.broken()).toEqual([]);
});

test("LIQ-12 LIQ-13 slices take a share of what stands within a limit that widens, then fall to the next stage at the bankruptcy price", () => {
  const document = rules({ liquidity: "depth", liquidation: { depthShare: "0.5", maxSlippage: "0.01" } });
  const exchange = lever(document);
  exchange.exchange.setDepth(
    "X",
    [
      ["84", "4"],
      ["82", "100"],
      ["79", "100"],
    ],
    [],
  );
  exchange.mark("84");
  // 1: within 83.16 stand 4, half of it; 2: within 82.32 stand 2, one; 3: within 81.48 stand 101: 50 would do, 7 are left.
  expect(exchange.of("liquidation.step").map((one) => [one["qty"], one["price"]])).toEqual([
    ["2", "84"],
    ["1", "84"],
    ["1", "84"],
    ["6", "82"],
  ]);
  expect(exchange.broken()).toEqual([]);
});

for (const [most, halted] of [
  ["0.023", 1],
  ["0.024", 0],
] as const)
  test(`LIM-46 a liquidation that fills 2 of 84 below mark, where ${most} of it are permitted, halts ${halted} instruments`, () => {
    const liquidation = { depthShare: "0.5", maxSlippage: "0.01" };
    const breakers = { limitBreach: {} };
    const exchange = lever(rules({ liquidity: "depth", liquidation, breakers, limits: { maxSlippage: most } }));
    exchange.exchange.setDepth("X", [["82", "1000"]], []);
    exchange.mark("84");
    const steps = exchange.of("liquidation.step").map((one) => one["price"]);
    expect(new Set(steps)).toEqual(new Set(["82"]));
    expect(exchange.of("limit.breached")).toHaveLength(halted * steps.length);
    const { halts } = exchange.engine.machine;
    expect(halts.map(({ scope, id, reason }) => [scope, id, reason])).toEqual(
      halted === 1 ? [["instrument", "X", "slippage"]] : [],
    );
  });

test("LIQ-19 LIQ-20 what the funds cannot pay is shared in proportion to profit, and parked where nobody wins", () => {
  const document = rules({ liquidity: "none" });
  const exchange = new TestExchange(document);
  exchange.cash("loser", "200");
  exchange.trade("loser", "market", "10");
  exchange.mark("70");
  // Nobody but `market`, a system account, is on the other side: no book, no ADL, so the position stays open and locked.
  expect(exchange.stages()).toEqual(["providers", "fund-backed", "deleveraging", "bad-debt"]);
  expect(exchange.engine.account("loser").state).toBe("liquidating");
  expect(exchange.engine.exchange().liquidations).toEqual([{ account: "loser", instrument: null, t: 0, stage: 7 }]);
  expect(exchange.broken()).toEqual([]);
});

test("LIQ-20 a debt without an instrument is parked, and withdrawals of its asset stop until a fund has paid it", () => {
  const exchange = new TestExchange();
  exchange.cash("rich", "100");
  exchange.cash("poor", "10");
  exchange.trade("poor", "rich", "1", "100");
  // Both legs at a venue's price far from mark: booked as they are, and nothing is left open that could be closed.
  exchange.trade("rich", "poor", "1", "10");
  expect(exchange.of("debt.parked").map((one) => [one["asset"], one["amount"]])).toEqual([["USDT", "80"]]);
  expect(exchange.engine.account("poor").equity).toBe("0");
  expect(exchange.engine.exchange().badDebt["USDT"]).toBe("80");
  expect(exchange.cash("rich", "-1")[0]?.["codes"]).toEqual(["debt_parked"]);
  exchange.apply({ k: "fund", asset: "USDT", amount: "80" });
  expect(exchange.cash("rich", "-1")[0]?.fact).toBe("cash.withdrawn");
  expect(exchange.broken()).toEqual([]);
});

test("LIQ-26 roundings of an ADL fill leave no debt behind", () => {
  const document = rules({ liquidity: "none" });
  const exchange = new TestExchange(document);
  exchange.cash("loser", "200");
  exchange.cash("winner", "1000");
  exchange.trade("loser", "winner", "7");
  exchange.mark("70");
  // p_bk = 70 + 10/7 is off the quantum: each side's value is rounded against it.
  expect(exchange.of("adl.filled").length).toBe(1);
  expect([exchange.of("debt.parked"), exchange.of("loss.shared")]).toEqual([[], []]);
  expect(exchange.engine.account("loser").equity).toBe("0");
  expect(exchange.broken()).toEqual([]);
});

test("ADL-18 a deleveraged position's orders on that instrument go", () => {
  const exchange = lever(rules({ liquidity: "none" }));
  exchange.apply({ k: "order", account: "winner", id: "o1", instrument: "X", side: "sell", qty: "1", price: "120" });
  exchange.mark("70");
  expect(exchange.of("adl.filled").length).toBe(1);
  expect(exchange.of("order.cancelled").map((one) => [one["account"], one["id"], one["reason"]])).toEqual([
    ["winner", "o1", "deleveraged"],
  ]);
});

const orders = table(`
  rule   | qty | side | price | reduceOnly | codes                       | because
  ORD-09 | 10  | buy  | 100   | no         |                             | initial margin of 100 against 100 is enough
  ORD-09 | 11  | buy  | 100   | no         | initial_margin              | one lot more is not
  ORD-10 | 10  | sell | 100   | no         |                             | it flattens the position
  ORD-11 | 1   | buy  | 100.5 | yes        | tick_size,reduce_only_violation | all reasons are returned, in order
`);
for (const one of orders)
  test(`${one.rule} ${one.because}`, () => {
    const exchange = new TestExchange(rules({ instruments: [perpetual({ tick: "1" })] }));
    exchange.cash("a", "200");
    exchange.cash("b", "10000");
    exchange.trade("a", "b", "10");
    const facts = exchange.apply({
      k: "order",
      account: "a",
      id: "o",
      instrument: "X",
      side: one.side === "buy" ? "buy" : "sell",
      qty: one.qty,
      price: one.price,
      reduceOnly: one.reduceOnly === "yes",
    });
    const codes = one.codes === "" ? [] : one.codes.split(",");
    expect(facts.map((fact) => [fact.fact, fact["codes"] ?? []])).toEqual([
      [codes.length === 0 ? "order.accepted" : "order.rejected", codes],
    ]);
  });

test("ORD-10 below initial margin a reducing order passes at the bankruptcy price and not beyond it", () => {
  const at = (price: string): string | undefined => {
    const exchange = lever();
    exchange.mark("88");
    return exchange.apply({ k: "order", account: "loser", id: "o", instrument: "X", side: "sell", qty: "5", price })[0]
      ?.fact;
  };
  expect([at("80"), at("79.99")]).toEqual(["order.accepted", "order.rejected"]);
});

test("LIQ-02 a pool that is cured before the lock is confirmed is released at no cost", () => {
  const exchange = lever();
  const { engine } = exchange;
  const started = engine.apply({ k: "frame", mark: { X: "84.2" }, t: 1 });
  const [block] = started.effects;
  expect(block?.effect).toBe("block");
  engine.apply({ k: "cash", account: "loser", asset: "USDT", amount: "100", t: 1 });
  const { facts } = engine.apply({ k: "blocked", effect: block?.id ?? "", t: 1 });
  expect(facts.filter((one) => one.fact === "liquidation.ended").map((one) => one["outcome"])).toEqual(["released"]);
  expect(engine.account("loser").positions[0]?.qty).toBe("10");
});

test("LIQ-25 an outcome that comes twice changes nothing", () => {
  const { engine } = lever();
  const [block] = engine.apply({ k: "frame", mark: { X: "84.2" }, t: 1 }).effects;
  const [close] = engine.apply({ k: "blocked", effect: block?.id ?? "", t: 1 }).effects;
  const outcome = {
    k: "closed",
    effect: close?.id ?? "",
    fills: [{ qty: "10", price: "84.2" }],
    exhausted: false,
    t: 1,
  } as const;
  engine.apply(outcome);
  const before = engine.account("loser");
  expect(engine.apply(outcome).facts.map((one) => one.fact)).toEqual(["outcome.ignored"]);
  expect(engine.account("loser")).toEqual(before);
});

const debts = table(`
  rule   | price | sold       | because
  COL-29 | 100.01 |      | a debt of 80 against 100.02 of equity is below 0.8
  COL-29 | 100    | 0.80 | one step lower it is 0.8 exactly, and the frame that brings it converts
`);
for (const one of debts)
  test(`${one.rule} ${one.because}`, () => {
    const exchange = new TestExchange(
      rules({
        assets: [
          { id: "USDT", quantum: "0.01" },
          { id: "BTC", quantum: "0.00000001", conversionOrder: 1 },
        ],
        convertAt: "0.8",
      }),
    );
    exchange.apply({ k: "house", asset: "USDT", amount: "1000" });
    exchange.prices({ BTC: "200" }, {});
    exchange.cash("a", "1.8", "BTC");
    exchange.cash("b", "1000");
    exchange.trade("a", "b", "1", "100");
    exchange.trade("b", "a", "1", "20");
    exchange.prices({ BTC: one.price }, {});
    expect(
      exchange
        .of("conversion.booked")
        .map((step) => Number(step["sold"]).toFixed(2))
        .join(),
    ).toBe(one.sold);
    expect(exchange.broken()).toEqual([]);
  });

test("LIQ-27 an order that still works when a new frame asks for another stage is taken back once, and what had filled is booked", () => {
  const { engine } = lever();
  const [block] = engine.apply({ k: "frame", mark: { X: "84.3" }, t: 1 }).effects;
  const [close] = engine.apply({ k: "blocked", effect: block?.id ?? "", t: 1 }).effects;
  const asked = engine.apply({ k: "frame", mark: { X: "84" }, t: 2 });
  expect(asked.effects.map((one) => [one.effect, one.effect === "cancel" ? one.of : ""])).toEqual([
    ["cancel", close?.id],
  ]);
  expect(engine.apply({ k: "frame", mark: { X: "83" }, t: 3 }).effects).toEqual([]);
  const after = engine.apply({
    k: "closed",
    effect: close?.id ?? "",
    fills: [{ qty: "1", price: "84.3" }],
    exhausted: false,
    t: 4,
  });
  expect(after.facts.filter((one) => one.fact === "liquidation.step").map((one) => one["qty"])).toEqual(["1"]);
  expect(after.effects.map((one) => (one.effect === "close" ? one.qty : ""))).toEqual(["9"]);
});
