import { describe, expect, test } from "vitest";
import type { Rational } from "#libs/decimal/index.ts";
import { bankruptcyPrices } from "#libs/domain/health/bankruptcy.ts";
import { evaluateCross, evaluateIsolated, evaluatePool } from "#libs/domain/health/evaluate.ts";
import type { Standing } from "#libs/domain/health/thresholds.ts";
import {
  atOrBelow,
  compareStanding,
  intervention,
  ratio,
  rearmed,
  warn,
  warningsAt,
} from "#libs/domain/health/thresholds.ts";
import { crossOf, isolatedOf, marketOf, positionOf, r, rulesOf } from "#test/support/pools.ts";
import { table } from "#test/support/table.ts";

const rules = rulesOf([{ id: "USDT" }, { id: "BTC" }], [{ id: "BTC-PERP" }, { id: "ETH-PERP", base: "ETH" }]);
const standing = (equity: string, mm: string): Standing => ({ maintenanceEquity: r(equity), mm: r(mm) });

const interventions = table(`
  rule      | equity   | mm   | verdict | because
  HEALTH-01 | 1050.01  | 1000 | none    | one cent above 1.05
  HEALTH-01 | 1050     | 1000 | partial | at 1.05 exactly
  HEALTH-01 | 1000.01  | 1000 | partial | one cent above 1.00
  HEALTH-01 | 1000     | 1000 | full    | at 1.00 exactly
  HEALTH-01 | -5       | 1000 | full    | below zero with margin to keep
  HEALTH-01 | 0        | 1000 | full    | nothing left
  HEALTH-02 | 0.01     | 0    | none    | no margin to keep and something left
  HEALTH-02 | 0        | 0    | none    | no margin to keep and no debt
  HEALTH-02 | -0.01    | 0    | full    | no positions, but a debt
`);
for (const { rule, equity, mm, verdict, because } of interventions) {
  test(`${rule} ${equity} against ${mm}: ${because}`, () => {
    expect(intervention(standing(equity, mm), rules)).toBe(verdict);
  });
}

test("HEALTH-01 the thresholds are those of the rule set", () => {
  const other = rulesOf([{ id: "USDT" }], [], { liquidation: { partialAt: "2", fullAt: "1.5" } });
  expect(["2.01", "2", "1.5"].map((equity) => intervention(standing(equity, "1"), other))).toEqual([
    "none",
    "partial",
    "full",
  ]);
});

test("HEALTH-03 the ratio is equity over maintenance margin, and none without margin", () => {
  expect(ratio(standing("1575", "1000"))?.toStringDown()).toBe("1.575");
  expect(ratio(standing("-10", "1000"))?.toStringDown()).toBe("-0.01");
  expect(ratio(standing("1575", "0"))).toBeNull();
});

const warnings = table(`
  rule      | equity  | given       | levels       | after       | because
  HEALTH-04 | 1500.01 | - - -       | -            | - - -       | above the first level
  HEALTH-04 | 1500    | - - -       | 1.5          | x - -       | at a level exactly
  HEALTH-04 | 1250    | x - -       | 1.25         | x x -       | what was given is not repeated
  HEALTH-04 | 1100    | - - -       | 1.5 1.25 1.1 | x x x       | a jump gives all it passed
  HEALTH-05 | 1529.99 | x - -       | -            | x - -       | 2 % above the level it may be given again, not before
  HEALTH-05 | 1530    | x - -       | -            | - - -       | at 1.5·1.02 exactly
  HEALTH-05 | 1275    | x x x       | -            | x - -       | each level by itself
`);
for (const { rule, equity, given, levels, after, because } of warnings) {
  test(`${rule} at ${equity} of 1000 after ${given}: ${because}`, () => {
    const flags = given.split(" ").map((one) => one === "x");
    const found = warn(standing(equity, "1000"), flags, rules);
    expect(found.levels.map((level) => level.toStringDown()).join(" ") || "-").toBe(levels);
    expect(found.given.map((one) => (one ? "x" : "-")).join(" ")).toBe(after);
  });
}

test("HEALTH-05 a pool without margin to keep re-arms every warning, unless it is in debt", () => {
  expect(rearmed(standing("0", "0"), r("1.5"), rules)).toBe(true);
  expect(rearmed(standing("-1", "0"), r("1.5"), rules)).toBe(false);
  expect(warningsAt(standing("-1", "0"), rules)).toHaveLength(3);
});

test("HEALTH-06 pools are ordered by their fractions, worst first, those in debt without margin before all", () => {
  const pools = [
    standing("5", "0"),
    standing("3", "2"),
    standing("-1", "0"),
    standing("1", "3"),
    standing("-7", "2"),
    standing("2", "6"),
  ];
  const sorted = [...pools].sort(compareStanding).map((one) => [one.maintenanceEquity, one.mm].join("/"));
  expect(sorted).toEqual(["-1/0", "-7/2", "1/3", "2/6", "3/2", "5/0"]);
  expect(compareStanding(standing("1", "3"), standing("2", "6"))).toBe(0);
  // 0.1 + 0.2 and 0.3 differ as floats; as fractions they tie.
  expect(compareStanding({ maintenanceEquity: r("0.1").plus(r("0.2")), mm: r("1") }, standing("0.3", "1"))).toBe(0);
  expect(atOrBelow(r("0.1").plus(r("0.2")), r("0.3"), r("1"))).toBe(true);
});

describe("isolated", () => {
  const harsh = rulesOf(
    [{ id: "USDT", slices: [{ upTo: "1", weight: "0.1" }], liabilityPremium: "0.5", cap: "1", sizeCurve: "1" }],
    [{ id: "BTC-PERP" }],
  );
  const cases = table(`
    rule      | margin | mark  | equity   | because
    HEALTH-07 | 5000   | 50000 | 4897.06  | margin and accrued funding at index, no weight, cap or curve
    HEALTH-07 | 5000   | 50100 | 4995.06  | and all of the profit
    HEALTH-07 | 5000   | 44000 | -982.94  | below zero no premium
  `);
  for (const { rule, margin, mark, equity, because } of cases) {
    test(`${rule} margin ${margin} at ${mark}: ${because}`, () => {
      const market = marketOf(harsh, {
        index: { USDT: "0.98" },
        mark: { "BTC-PERP": mark },
        haircutInitial: { USDT: "0.5" },
        haircutMaintenance: { USDT: "0.5" },
      });
      const pool = isolatedOf(margin, positionOf(harsh, "BTC-PERP", "1", "50000", { leverage: "10", funding: "-3" }));
      const health = evaluateIsolated(pool, market, harsh);
      const equities = [health.initialEquity, health.maintenanceEquity, health.fullEquity];
      expect(equities.map((one) => one.toStringDown())).toEqual([equity, equity, equity]);
      expect(health.im.toStringUp()).toBe(r(mark).times(r("0.098")).toStringUp());
      expect(health.mm.toStringUp()).toBe(r(mark).times(r("0.0049")).toStringUp());
      const { maintenanceEquity, fullEquity, mm } = evaluatePool(pool, market, harsh);
      expect([maintenanceEquity, fullEquity, mm].map(String)).toEqual(
        [health.maintenanceEquity, health.fullEquity, health.mm].map(String),
      );
    });
  }
});

describe("bankruptcy prices", () => {
  const both = rulesOf(
    [{ id: "USDT" }, { id: "BTC" }],
    [
      { id: "BTC-PERP" },
      { id: "ETH-PERP", base: "ETH", tiers: [{ from: "0", im: "0.02", mm: "0.01" }] },
      { id: "INV", kind: "inverse", settle: "BTC" },
      { id: "FREE", tiers: [] },
    ],
  );
  const market = marketOf(both, {
    index: { BTC: "50000", USDT: "1" },
    mark: { "BTC-PERP": "50000", "ETH-PERP": "2500", INV: "50000", FREE: "50000" },
  });
  const cases = table(`
    rule      | id       | qty     | entry | margin | price | because
    HEALTH-13 | BTC-PERP | 1       | 50000 | 5000   | 45000 | a long at 10x is gone 10 % below its entry
    HEALTH-13 | BTC-PERP | -1      | 50000 | 5000   | 55000 | a short 10 % above
    HEALTH-13 | BTC-PERP | 0.5     | 48000 | 1000   | 46000 | from mark: 50,000 − (1,000 + 1,000)/0.5
    HEALTH-13 | BTC-PERP | 1       | 60000 | 5000   | 55000 | an equity below zero puts it beyond the mark
    HEALTH-14 | BTC-PERP | 1       | 50000 | 50000  | 0     | a long without leverage can not go bankrupt: it prints zero
    HEALTH-14 | BTC-PERP | 1       | 50000 | 60000  | -10000 | or less, and is then no limit
    HEALTH-14 | INV      | 100000  | 50000 | 0.2    | 45454.545454545454545454 | 100,000 / 2.2, solved in BTC
    HEALTH-14 | INV      | -100000 | 50000 | 0.2    | 55555.555555555555555555 | 100,000 / 1.8
    HEALTH-14 | INV      | -100000 | 50000 | 2      | null  | an inverse short without leverage has no such price
    HEALTH-14 | INV      | -100000 | 50000 | 3      | null  | nor one with more
    HEALTH-13 | FREE     | 1       | 50000 | 5000   | 45000 | without maintenance margin too
  `);
  for (const { rule, id, qty, entry, margin, price, because } of cases) {
    test(`${rule} ${qty} ${id} from ${entry} with ${margin}: ${because}`, () => {
      const pool = isolatedOf(margin, positionOf(both, id, qty, entry));
      const found = bankruptcyPrices(pool, market, both).get(id);
      expect(found === null ? "null" : found?.toStringDown()).toBe(price);
    });
  }

  test("HEALTH-13 a cross pool's full equity is shared in proportion to maintenance margin, whatever weights say", () => {
    // MM 250 and 500 of 750: of 3,000 one may lose 1,000 and the other 2,000.
    const pool = crossOf({ USDT: "3000" }, [
      positionOf(both, "BTC-PERP", "1", "50000"),
      positionOf(both, "ETH-PERP", "-20", "2500"),
    ]);
    const haircut = { ...market, haircutMaintenance: () => r("0.9") };
    const found = [...bankruptcyPrices(pool, haircut, both)].map(
      ([id, price]) => `${id} ${price?.toStringDown() ?? "null"}`,
    );
    expect(found).toEqual(["BTC-PERP 49000", "ETH-PERP 2600"]);
  });

  test("HEALTH-13 without any maintenance margin the pool is shared by value", () => {
    const free = rulesOf(
      [{ id: "USDT" }],
      [
        { id: "A", tiers: [] },
        { id: "B", tiers: [] },
      ],
    );
    const view = marketOf(free, { mark: { A: "100", B: "50" } });
    const pool = crossOf({ USDT: "40" }, [positionOf(free, "A", "3", "100"), positionOf(free, "B", "-2", "50")]);
    const found = [...bankruptcyPrices(pool, view, free)].map(([, price]) => price?.toStringDown());
    expect(found).toEqual(["90", "55"]);
  });

  test("HEALTH-15 closing every position at its own leaves the pool worth zero", () => {
    const positions = [
      positionOf(both, "BTC-PERP", "1", "51000", { funding: "-2" }),
      positionOf(both, "ETH-PERP", "-20", "2400"),
      positionOf(both, "INV", "30000", "52000"),
    ];
    const pool = crossOf({ USDT: "3000", BTC: "0.1" }, positions);
    const prices = bankruptcyPrices(pool, market, both);
    const closed = { ...market, mark: (id: string) => prices.get(id) as Rational };
    expect(evaluatePool(pool, closed, both).fullEquity.isZero()).toBe(true);
  });

  test("HEALTH-16 without haircuts closing one at its own leaves the ratio as it was", () => {
    const kept = positionOf(both, "ETH-PERP", "-20", "2400");
    const pool = crossOf({ USDT: "3000" }, [positionOf(both, "BTC-PERP", "1", "50500"), kept]);
    const price = bankruptcyPrices(pool, market, both).get("BTC-PERP") as Rational;
    const cash = r("3000").plus(price.minus(r("50500")));
    const after = { ...crossOf({}, [kept]), cash: [{ asset: "USDT", amount: cash }] };
    expect(compareStanding(evaluatePool(pool, market, both), evaluatePool(after, market, both))).toBe(0);
  });
});

test("HEALTH-02 the lean evaluation agrees with the whole one", () => {
  const market = marketOf(rules, { index: { BTC: "50000" }, mark: { "BTC-PERP": "50010", "ETH-PERP": "3000" } });
  const pool = crossOf({ BTC: "0.1", USDT: "-200" }, [
    positionOf(rules, "BTC-PERP", "1", "50000"),
    positionOf(rules, "ETH-PERP", "-2", "3000"),
  ]);
  const whole = evaluateCross(pool, market, rules);
  const lean = evaluatePool(pool, market, rules);
  expect(lean.maintenanceEquity.equals(whole.maintenanceEquity)).toBe(true);
  expect(lean.fullEquity.equals(whole.fullEquity)).toBe(true);
  expect(lean.mm.equals(whole.mm)).toBe(true);
});
