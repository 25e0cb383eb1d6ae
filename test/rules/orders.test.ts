import { expect, test } from "vitest";
import { evaluateCross } from "#libs/domain/health/evaluate.ts";
import { leverageUse } from "#libs/domain/margin/leverage.ts";
import { orderDemands, orderMargin, orderMarginUsd, uncoveredReduceOnly } from "#libs/domain/margin/orders.ts";
import type { CrossPool } from "#libs/domain/positions/views.ts";
import { crossOf, marketOf, orderOf, positionOf, r, rulesOf } from "#test/support/pools.ts";
import { table } from "#test/support/table.ts";

const tiers = [
  { from: "0", im: "0.01", mm: "0.005" },
  { from: "100000", im: "0.02", mm: "0.01" },
];
const rules = rulesOf(
  [{ id: "USDT" }, { id: "BTC" }],
  [
    { id: "BTC-PERP", tiers, maxLeverage: "50" },
    { id: "BY-ENTRY", tiers, notional: "entry" },
    { id: "ETH-PERP", base: "ETH", tiers },
    { id: "INV", kind: "inverse", settle: "BTC", tiers: [{ from: "0", im: "0.01", mm: "0.005" }] },
  ],
  { limits: { maxLeverage: "5" } },
);
const market = marketOf(rules, {
  index: { BTC: "50000" },
  mark: { "BTC-PERP": "50000", "BY-ENTRY": "50000", "ETH-PERP": "3000", INV: "50000" },
});

/** Orders in one cell, separated by commas. */
function poolOf(instrument: string, held: string, orders: string, leverage: string): CrossPool {
  const chosen = leverage === "-" ? undefined : leverage;
  const position =
    held === "-" ? [] : [positionOf(rules, instrument, held, "50000", chosen ? { leverage: chosen } : {})];
  const resting = orders === "-" ? [] : orders.split(",").map((text) => orderOf(rules, instrument, text, chosen));
  return crossOf({ USDT: "100000" }, position, resting);
}

// im: of the position and its orders together. At 50,000: one contract needs 500, two 1,000, three 1,000 + 50,000·2 % = 2,000.
const cases = table(`
  rule   | held | orders                                  | leverage | orderIm | im   | because
  ORD-01 | -    | a buy 1 50000                           | -        | 500     | 500  | an order from flat needs what the position would
  ORD-01 | -    | a buy 1 50000, b sell 1 50000           | -        | 500     | 500  | opposite orders can not both open: the larger side counts
  ORD-01 | -    | a buy 1 50000, b sell 3 50000           | -        | 2000    | 2000 | here the sells
  ORD-01 | -    | a buy 1 50000, b buy 1 49000            | -        | 1000    | 1000 | one side adds up
  ORD-01 | 1    | a buy 2 50000                           | -        | 1500    | 2000 | the whole of it is read in the tiers, position included
  ORD-01 | 1    | a sell 1 50000                          | -        | 0       | 500  | closing needs nothing
  ORD-01 | 1    | a sell 2 50000                          | -        | 0       | 500  | to turn one long into one short needs no more
  ORD-01 | 1    | a sell 2.001 50000                      | -        | 0.5     | 500.5 | but a lot more does
  ORD-01 | -1   | a buy 3 50000                           | -        | 500     | 1000 | the same for a short
  ORD-01 | 1    | a buy 1 50000                           | 10       | 5000    | 10000 | the chosen leverage binds with orders too
  ORD-02 | -    | a buy 1 50100                           | -        | 600     | 600  | a buy above mark reserves what it loses at once
  ORD-02 | -    | a buy 1 49900                           | -        | 500     | 500  | a buy below mark reserves nothing more, and gives nothing back
  ORD-02 | -    | a sell 1 49900                          | -        | 600     | 600  | a sell below mark
  ORD-02 | -    | a sell 1 50100                          | -        | 500     | 500  | a sell above mark
  ORD-02 | -    | a buy 1 50100, b sell 1 49900           | -        | 700     | 700  | every order's difference, whichever side counts for the size
  ORD-02 | -    | a buy 1 -                               | -        | 500     | 500  | a market order has no price to differ
  ORD-03 | 1    | a sell 1 49000                          | -        | 0       | 500  | what only closes reserves no difference
  ORD-03 | 1    | a sell 1 50000, b sell 1 49900          | -        | 100     | 600  | the older order closes, so all of the newer one opens
  ORD-03 | 1    | a sell 1 49900, b sell 1 50000          | -        | 0       | 500  | and the other way round the older one's price does not matter
  ORD-03 | 1    | a sell 1.5 49900                        | -        | 50      | 550  | half of one contract opens
  ORD-03 | -1   | a buy 0.4 50100, b buy 1 50200          | -        | 80      | 580  | 0.6 of the newer one closes, 0.4 opens
  ORD-04 | 1    | a sell 9 49000 reduce                   | -        | 0       | 500  | reduce-only orders need none
  ORD-04 | 1    | a sell 1 49000 reduce, b sell 2 49900   | -        | 100     | 600  | nor do they use up what others close
  ORD-04 | -    | a buy 1 50000 reduce                    | -        | 0       | 0    | not even without a position
`);
for (const { rule, held, orders, leverage, orderIm, im, because } of cases) {
  test(`${rule} ${held} with ${orders}: ${because}`, () => {
    const health = evaluateCross(poolOf("BTC-PERP", held, orders, leverage), market, rules);
    expect([health.orderIm.toStringUp(), health.im.toStringUp()]).toEqual([orderIm, im]);
  });
}

test("ORD-01 instruments are reserved one by one, in USD at their settle assets' indices", () => {
  const orders = [
    orderOf(rules, "INV", "i buy 50000 50000"),
    orderOf(rules, "ETH-PERP", "e sell 1 3000"),
    orderOf(rules, "BTC-PERP", "b buy 1 50000"),
  ];
  const pool = crossOf({ USDT: "1000" }, [], orders);
  expect(orderDemands(pool, market).map(({ instrument }) => instrument.id)).toEqual(["BTC-PERP", "ETH-PERP", "INV"]);
  expect(orderMarginUsd(pool, market).toStringUp()).toBe("1030");
});

test("ORD-02 an inverse order's difference is one of value in the settle asset", () => {
  const pool = crossOf({ BTC: "1" }, [], [orderOf(rules, "INV", "i buy 100000 62500")]);
  // 100,000/50,000 − 100,000/62,500 = 2 − 1.6 BTC, and 1 % of 2 BTC.
  expect(orderDemands(pool, market).map((one) => orderMargin(one).toStringUp())).toEqual(["0.42"]);
  const sold = crossOf({ BTC: "1" }, [], [orderOf(rules, "INV", "i sell 100000 40000")]);
  expect(orderDemands(sold, market).map((one) => orderMargin(one).toStringUp())).toEqual(["0.52"]);
});

test("ORD-01 where tiers are read at entry, what opens enters at its limit and what stays keeps its share of the cost", () => {
  const im = (held: string, orders: string): string =>
    evaluateCross(poolOf("BY-ENTRY", held, orders, "-"), market, rules).im.toStringUp();
  expect(im("-", "a buy 1 40000")).toBe("400");
  expect(im("-", "a sell 1 60000")).toBe("600");
  expect(im("1", "a buy 1 40000")).toBe("900");
  expect(im("1", "a sell 3 60000")).toBe("1400");
  expect(im("1", "a buy 1 -")).toBe("1000");
});

const covers = table(`
  rule   | held | orders                                                      | cancelled | because
  ORD-05 | 2    | a sell 1 1 reduce, b sell 1 1 reduce                        | -         | they fit exactly
  ORD-05 | 1.5  | a sell 1 1 reduce, b sell 1 1 reduce                        | b         | the newest goes, though half of it would fit
  ORD-05 | 0.9  | a sell 1 1 reduce, b sell 1 1 reduce                        | b,a       | and then the next
  ORD-05 | 1    | a sell 1 1 reduce, b sell 1 1, c sell 1 1 reduce            | c         | others are not touched
  ORD-05 | 0    | a sell 1 1 reduce, b buy 1 1 reduce                         | b,a       | without a position there is nothing to reduce
  ORD-05 | -2   | a sell 1 1 reduce, b buy 1 1 reduce                         | a         | an order that would add is on the wrong side
`);
for (const { rule, held, orders, cancelled, because } of covers) {
  test(`${rule} ${held} under ${orders}: ${because}`, () => {
    const resting = orders.split(",").map((text) => orderOf(rules, "BTC-PERP", text));
    const ids = uncoveredReduceOnly(r(held), resting).map(({ id }) => id);
    expect(ids.join(",") || "-").toBe(cancelled);
  });
}

const isolatedCases = table(`
  rule   | held | orders               | orderIm | because
  ORD-06 | 1    | a buy 2 50000        | 1500    | IM(3) − IM(1): the position's own is in its pool
  ORD-06 | 1    | a buy 2 50100        | 1700    | and the difference
  ORD-06 | 1    | a sell 1 50000       | 0       | closing needs nothing
  ORD-06 | 1    | a sell 3 49900       | 700     | IM(2) − IM(1), and 100 on the two that open
`);
for (const { rule, held, orders, orderIm, because } of isolatedCases) {
  test(`${rule} isolated ${held} with ${orders}: ${because}`, () => {
    const pool = crossOf(
      { USDT: "100000" },
      [],
      [orderOf(rules, "BTC-PERP", orders)],
      [positionOf(rules, "BTC-PERP", held, "50000")],
    );
    const health = evaluateCross(pool, market, rules);
    expect([health.orderIm.toStringUp(), health.im.toStringUp()]).toEqual([orderIm, orderIm]);
  });
}

// BTC-PERP allows 50x, the account 5x in total; ETH-PERP has no limit of its own.
const leverages = table(`
  rule   | equity  | btc  | orders          | exceeded          | because
  ORD-07 | 1000    | 1    | -               | -,total           | 50,000 is 50 times 1,000 exactly, which one instrument may be
  ORD-07 | 999.99  | 1    | -               | BTC-PERP,total    | one cent less is too little
  ORD-07 | 1000    | 0.5  | a buy 0.5 40000 | -,total           | orders count, at mark
  ORD-07 | 999.99  | 0.5  | a buy 0.5 40000 | BTC-PERP,total    | to the cent
  ORD-08 | 10000   | 1    | -               | -,-               | 50,000 is five times 10,000 exactly
  ORD-08 | 9999.99 | 1    | -               | -,total           | one cent less is too little
  ORD-08 | 10000   | 0.5  | a buy 0.501 1   | -,total           | orders count here too
  ORD-08 | -1      | 0    | -               | -                 | without notional there is no leverage, even below zero
`);
for (const { rule, equity, btc, orders, exceeded, because } of leverages) {
  test(`${rule} ${btc} BTC and ${orders} on ${equity}: ${because}`, () => {
    const held = btc === "0" ? [] : [positionOf(rules, "BTC-PERP", btc, "50000")];
    const resting = orders === "-" ? [] : [orderOf(rules, "BTC-PERP", orders)];
    const use = leverageUse(crossOf({ USDT: equity }, held, resting), r(equity), market, rules);
    const names = use.map((one) => (one.exceeded ? (one.instrument ?? "total") : "-"));
    expect(names.join(",")).toBe(exceeded);
  });
}

test("ORD-07 the numbers of a limit: notional, bound, and only what orders add on an isolated instrument", () => {
  const pool = crossOf(
    { USDT: "1000" },
    [positionOf(rules, "ETH-PERP", "-1", "3000")],
    [orderOf(rules, "BTC-PERP", "a buy 0.5 50000")],
    [positionOf(rules, "BTC-PERP", "7", "50000")],
  );
  const use = leverageUse(pool, r("1000"), market, rules);
  expect(use.map((one) => [one.instrument, one.notionalUsd.toStringUp(), one.limitUsd.toStringDown()])).toEqual([
    ["BTC-PERP", "25000", "50000"],
    [null, "28000", "5000"],
  ]);
});
