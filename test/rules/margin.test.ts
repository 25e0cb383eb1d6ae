import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { initialMarginAt, positionRequirement } from "#libs/domain/margin/requirement.ts";
import type { RateTier } from "#libs/domain/margin/tiers.ts";
import {
  deductionMargin,
  deductions,
  interestShare,
  maintenanceMargin,
  premiumRate,
  progressiveMargin,
  tieredInitialMargin,
  wholeMargin,
} from "#libs/domain/margin/tiers.ts";
import { evaluateCross } from "#libs/domain/health/evaluate.ts";
import type { InstrumentDocument } from "#libs/domain/rule-set/documents.ts";
import { crossOf, marketOf, positionOf, r, rulesOf } from "#test/support/pools.ts";
import { table } from "#test/support/table.ts";

/** BTCUSDT maintenance brackets as Binance published them in November 2022: floor, rate, maintenance amount. */
const brackets = table(`
  floor     | rate  | amount
  0         | 0.004 | 0
  50000     | 0.005 | 50
  250000    | 0.01  | 1300
  1000000   | 0.025 | 16300
  10000000  | 0.05  | 266300
  20000000  | 0.1   | 1266300
  50000000  | 0.125 | 2516300
  100000000 | 0.15  | 5016300
  200000000 | 0.25  | 25016300
  300000000 | 0.5   | 100016300
`);
const btc: readonly RateTier[] = brackets.map(({ floor, rate }) => ({ from: r(floor), rate: r(rate) }));

test("TIER-02 the deductions of BTC's brackets are the maintenance amounts published with them", () => {
  expect(deductions(btc).map(String)).toEqual(brackets.map(({ amount }) => amount));
});

test("TIER-02 every maintenance amount published for a symbol follows from its floors and rates", () => {
  const csv = readFileSync("test/fixtures/tiers/binance_usdm_2022-11-25.csv", "utf8").trim().split("\n");
  const symbols = new Map<string, { tiers: RateTier[]; amounts: string[] }>();
  for (const line of csv.slice(1)) {
    const [symbol = "", , floor = "", , rate = "", amount = ""] = line.split(",");
    const known = symbols.get(symbol) ?? { tiers: [], amounts: [] };
    known.tiers.push({ from: r(floor), rate: r(rate) });
    known.amounts.push(r(amount).toStringDown());
    symbols.set(symbol, known);
  }
  expect(symbols.size).toBeGreaterThan(20);
  const wrong = [...symbols].filter(
    ([, { tiers, amounts }]) => String(deductions(tiers).map((one) => one.toStringDown())) !== String(amounts),
  );
  expect(wrong.map(([symbol]) => symbol)).toEqual([]);
});

const progressive = table(`
  rule    | notional    | margin      | because
  TIER-01 | 0           | 0           | nothing needs nothing
  TIER-01 | 10000       | 40          | the first slice alone
  TIER-01 | 50000       | 200         | at a floor exactly both readings agree: no jump
  TIER-01 | 50000.01    | 200.00005   | only the cent above pays the higher rate
  TIER-01 | 300000      | 1700        | 300,000·1 % − 1,300
  TIER-02 | 300000000   | 49983700    | 300,000,000·50 % − 100,016,300
  TIER-02 | 400000000   | 99983700    | the last tier has no end
`);
for (const { rule, notional, margin, because } of progressive) {
  test(`${rule} progressive at ${notional}: ${because}`, () => {
    expect(progressiveMargin(btc, r(notional)).toStringUp()).toBe(margin);
    expect(deductionMargin(btc, r(notional)).toStringUp()).toBe(margin);
  });
}

// Whole tiers as risk-limit tables read them: all of the position at the rate of the row that it falls in.
const whole: readonly RateTier[] = [
  { from: r("0"), rate: r("0.005") },
  { from: r("2000000"), rate: r("0.01") },
  { from: r("4000000"), rate: r("0.015") },
];
const wholeCases = table(`
  rule    | notional   | margin      | because
  TIER-03 | 1999999.99 | 9999.99995  | one cent below the floor the lower rate holds for all
  TIER-03 | 2000000    | 20000       | at the floor exactly the higher rate holds for all
  TIER-03 | 3999999.99 | 39999.9999  | below the next floor
  TIER-03 | 4000000    | 60000       | at the next floor
  TIER-03 | 0          | 0           | nothing needs nothing
`);
for (const { rule, notional, margin, because } of wholeCases) {
  test(`${rule} whole at ${notional}: ${because}`, () => {
    expect(wholeMargin(whole, r(notional)).toStringUp()).toBe(margin);
  });
}

test("TIER-03 below a first floor above zero nothing is asked, in either reading", () => {
  const late = [{ from: r("100"), rate: r("0.1") }];
  expect(wholeMargin(late, r("99.99")).isZero()).toBe(true);
  expect(progressiveMargin(late, r("100")).isZero()).toBe(true);
  expect(deductionMargin(late, r("150")).toStringUp()).toBe("5");
  expect(deductionMargin(late, r("50")).isZero()).toBe(true);
});

const premiums = table(`
  rule    | shape  | k       | exposure | rate | raised | because
  TIER-04 | sqrt   | 0.001   | 4        | 0.02 | 0.02   | 0.8·2 % + 0.2 % = 1.8 % is below the base
  TIER-04 | sqrt   | 0.001   | 16       | 0.02 | 0.02   | 0.8·2 % + 0.4 % is the base exactly
  TIER-04 | sqrt   | 0.001   | 25       | 0.02 | 0.021  | 0.8·2 % + 0.5 %
  TIER-04 | sqrt   | 0       | 25       | 0.02 | 0.02   | k of zero is no premium
  TIER-05 | linear | 0.00001 | 100      | 0.02 | 0.021  | base + k·size, for every size
  TIER-05 | linear | 0.00001 | 0        | 0.02 | 0.02   | no size, no premium
`);
for (const { rule, shape, k, exposure, rate, raised, because } of premiums) {
  test(`${rule} ${shape} premium on ${exposure}: ${because}`, () => {
    const premium = { shape: shape === "sqrt" ? ("sqrt" as const) : ("linear" as const), k: r(k) };
    expect(premiumRate(premium, r(exposure))(r(rate)).toStringUp()).toBe(raised);
  });
}

test("TIER-11 the root of the premium is rounded up at 18 decimals, the product with k is exact", () => {
  // √2 = 1.414213562373095048801…, so 1.414213562373095049 after rounding up, and 27 decimals after k.
  const rate = premiumRate({ shape: "sqrt", k: r("0.000000001") }, r("2"))(r("0"));
  expect(rate.toString()).toBe("1414213562373095049/1000000000000000000000000000");
});

const instrumentOf = (more: Partial<InstrumentDocument>) =>
  [...rulesOf([{ id: "USDT" }], [{ id: "BTC-PERP", ...more }]).instruments.values()][0]!;

test("TIER-04 the premium raises every tier's initial and maintenance rate before the slices are taken", () => {
  const instrument = instrumentOf({
    tiers: [
      { from: "0", im: "0.02", mm: "0.01" },
      { from: "1000", im: "0.04", mm: "0.02" },
    ],
    sizePremium: { shape: "sqrt", k: "0.01" },
  });
  // √4·k = 0.02: IM rates max(0.02, 0.036), max(0.04, 0.052); MM rates max(0.01, 0.028), max(0.02, 0.036).
  expect(tieredInitialMargin(instrument, r("4"), r("1500"), r("0")).toStringUp()).toBe("62");
  expect(maintenanceMargin(instrument, r("4"), r("1500")).toStringUp()).toBe("46");
});

const interest = table(`
  rule    | openInterest | share | im   | because
  TIER-06 | 499          | 0     | 20   | below the lower bound
  TIER-06 | 500          | 0     | 20   | at the lower bound exactly
  TIER-06 | 750          | 0.5   | 510  | half way: 2 % + 98 %·½
  TIER-06 | 1000         | 1     | 1000 | at the upper bound everything is asked for
  TIER-06 | 5000         | 1     | 1000 | and no more beyond
`);
for (const { rule, openInterest, share, im, because } of interest) {
  test(`${rule} open interest ${openInterest}: ${because}`, () => {
    const instrument = instrumentOf({
      tiers: [{ from: "0", im: "0.02", mm: "0.01" }],
      oiScaling: { lower: "500", upper: "1000" },
    });
    expect(interestShare(instrument.oiScaling, r(openInterest)).toStringUp()).toBe(share);
    expect(tieredInitialMargin(instrument, r("1"), r("1000"), r(openInterest)).toStringUp()).toBe(im);
    const rules = rulesOf(
      [{ id: "USDT" }],
      [{ id: "BTC-PERP", tiers: [{ from: "0", im: "0.02", mm: "0.01" }], oiScaling: { lower: "500", upper: "1000" } }],
    );
    const market = marketOf(rules, { mark: { "BTC-PERP": "1000" }, openInterest: { "BTC-PERP": openInterest } });
    const need = positionRequirement(positionOf(rules, "BTC-PERP", "1", "900"), market);
    expect([need.im.toStringUp(), need.mm.toStringUp()]).toEqual([im, "10"]);
  });
}

test("TIER-06 the scaling starts from the rate that the size premium has raised", () => {
  const instrument = instrumentOf({
    tiers: [{ from: "0", im: "0.02", mm: "0.01" }],
    sizePremium: { shape: "linear", k: "0.03" },
    oiScaling: { lower: "0", upper: "100" },
  });
  // 2 % + 3 % = 5 %, then 5 % + 95 %·0.2 = 24 %.
  expect(tieredInitialMargin(instrument, r("1"), r("1000"), r("20")).toStringUp()).toBe("240");
});

test("TIER-07 the fee of closing joins maintenance margin where the instrument says so, never initial margin", () => {
  const terms = { takerFee: "0.0005", tiers: [{ from: "0", im: "0.01", mm: "0.005" }] };
  const [off, on] = [instrumentOf(terms), instrumentOf({ ...terms, closeFeeInMargin: true })];
  expect(maintenanceMargin(off, r("1"), r("50000")).toStringUp()).toBe("250");
  expect(maintenanceMargin(on, r("1"), r("50000")).toStringUp()).toBe("275");
  expect(tieredInitialMargin(on, r("1"), r("50000"), r("0")).toStringUp()).toBe("500");
});

const notionals = table(`
  rule    | kind    | reading | qty    | entry | mark  | notional | mm    | because
  TIER-08 | linear  | mark    | -2     | 40000 | 50000 | 100000   | 500   | contracts times mark
  TIER-08 | linear  | entry   | -2     | 40000 | 50000 | 80000    | 400   | the cost, whatever the mark
  TIER-08 | inverse | mark    | 100000 | 40000 | 50000 | 2        | 0.01  | contracts over mark, in the base asset
  TIER-08 | inverse | entry   | 100000 | 40000 | 50000 | 2.5      | 0.0125 | the cost, in the base asset
`);
for (const { rule, kind, reading, qty, entry, mark, notional, mm, because } of notionals) {
  test(`${rule} ${kind} notional at ${reading}: ${because}`, () => {
    const rules = rulesOf(
      [{ id: "USDT" }, { id: "BTC" }],
      [
        {
          id: "X",
          kind: kind === "inverse" ? "inverse" : "linear",
          settle: kind === "inverse" ? "BTC" : "USDT",
          notional: reading === "entry" ? "entry" : "mark",
        },
      ],
    );
    const need = positionRequirement(positionOf(rules, "X", qty, entry), marketOf(rules, { mark: { X: mark } }));
    expect([need.notional.toStringUp(), need.mm.toStringUp()]).toEqual([notional, mm]);
  });
}

const leverages = table(`
  rule    | leverage | im   | because
  TIER-09 | -        | 500  | no leverage chosen: the tiers alone
  TIER-09 | 200      | 500  | a leverage above what the tier allows changes nothing
  TIER-09 | 100      | 500  | at the tier's own leverage both agree
  TIER-09 | 99       | 505.050505050505050506 | below it the chosen leverage binds, shown rounded up
  TIER-09 | 10       | 5000 | a tenth of the notional
`);
for (const { rule, leverage, im, because } of leverages) {
  test(`${rule} leverage ${leverage}: ${because}`, () => {
    const rules = rulesOf([{ id: "USDT" }], [{ id: "BTC-PERP" }]);
    const chosen = leverage === "-" ? {} : { leverage };
    const market = marketOf(rules, { mark: { "BTC-PERP": "50000" } });
    const position = positionOf(rules, "BTC-PERP", "1", "40000", chosen);
    expect(positionRequirement(position, market).im.toStringUp()).toBe(im);
    const at = initialMarginAt(position.instrument, r("-1"), r("50000"), position.leverage, Rational.zero);
    expect(at.toStringUp()).toBe(im);
  });
}

test("TIER-10 requirements become USD at the settle asset's index", () => {
  const rules = rulesOf(
    [{ id: "USDT" }, { id: "BTC" }],
    [{ id: "L" }, { id: "I", kind: "inverse", settle: "BTC", tiers: [{ from: "0", im: "0.02", mm: "0.01" }] }],
  );
  const market = marketOf(rules, { index: { USDT: "0.98", BTC: "51000" }, mark: { L: "50000", I: "50000" } });
  const pool = crossOf({ USDT: "10000", BTC: "1" }, [
    positionOf(rules, "I", "100000", "50000"),
    positionOf(rules, "L", "1", "50000"),
  ]);
  const { im, mm, notionalUsd } = evaluateCross(pool, market, rules);
  // Linear 500 / 250 USDT of 50,000; inverse 0.04 / 0.02 BTC of 2.
  expect(im.toStringUp()).toBe("2530");
  expect(mm.toStringUp()).toBe("1265");
  expect(notionalUsd.toStringUp()).toBe("151000");
});
