import { describe, expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { evaluatePool } from "#libs/domain/health/evaluate.ts";
import { triggerPrices } from "#libs/domain/health/liquidation-price.ts";
import type { MarketView, Pool } from "#libs/domain/positions/views.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { crossOf, isolatedOf, marketOf, positionOf, r, rulesOf } from "#test/support/pools.ts";
import { table } from "#test/support/table.ts";

function shown(pool: Pool, id: string, market: MarketView, rules: RuleSet, alone = false): [string, string] {
  const { partialPrice, liqPrice } = triggerPrices(pool, id, market, rules, alone);
  return [partialPrice?.toStringDown(8) ?? "null", liqPrice?.toStringDown(8) ?? "null"];
}

describe("isolated", () => {
  const rules = rulesOf(
    [{ id: "USDT" }, { id: "BTC" }],
    [
      { id: "BTC-PERP" },
      { id: "INV", kind: "inverse", settle: "BTC" },
      { id: "ENTRY", notional: "entry" },
      { id: "FEE", closeFeeInMargin: true, takerFee: "0.0005" },
      { id: "FREE", tiers: [] },
    ],
  );
  // MM 0.5 %. Linear long: (50,000 − margin) / (1 − 0.005·k); inverse long: 100,000·(1 + 0.005·k) / (2 + margin).
  const cases = table(`
    rule      | id       | qty     | margin | mark  | partial        | full           | because
    HEALTH-08 | BTC-PERP | 1       | 5000   | 50000 | 45237.49685850 | 45226.13065326 | a long at 10x
    HEALTH-08 | BTC-PERP | -1      | 5000   | 50000 | 54712.75802039 | 54726.36815920 | a short at 10x
    HEALTH-08 | BTC-PERP | 2       | 5000   | 50000 | 47750.69112842 | 47738.69346733 | two contracts on the same margin
    HEALTH-08 | INV      | 100000  | 0.2    | 50000 | 45693.18181818 | 45681.81818181 | an inverse long at 10x: 100,500 / 2.2
    HEALTH-08 | INV      | -100000 | 0.2    | 50000 | 55263.88888888 | 55277.77777777 | an inverse short at 10x: 99,500 / 1.8
    HEALTH-08 | ENTRY    | 1       | 5000   | 50000 | 45262.50000000 | 45250.00000000 | a margin read at entry does not move
    HEALTH-08 | FEE      | 1       | 5000   | 50000 | 45261.38449546 | 45248.86877828 | the fee of closing counts: 45,000 / 0.9945
    HEALTH-12 | BTC-PERP | 1       | 50000  | 50000 | null           | null           | a long without leverage is never liquidated
    HEALTH-12 | INV      | -100000 | 2      | 50000 | null           | null           | nor an inverse short
    HEALTH-12 | FREE     | 1       | 5000   | 50000 | null           | null           | without maintenance margin there is no ratio
    HEALTH-10 | BTC-PERP | 1       | 5000   | 45000 | 45237.49685850 | 45226.13065326 | below both, these are the prices at which it ends
    HEALTH-10 | BTC-PERP | 1       | 5000   | 45230 | 45237.49685850 | 45226.13065326 | between them, one behind and one ahead
    HEALTH-10 | ENTRY    | 1       | 5000   | 45250 | 45262.50000000 | 45250.00000000 | at the price exactly, it is the mark itself
  `);
  for (const { rule, id, qty, margin, mark, partial, full, because } of cases) {
    test(`${rule} ${qty} ${id} with ${margin} at ${mark}: ${because}`, () => {
      const market = marketOf(rules, {
        index: { BTC: mark },
        mark: { "BTC-PERP": mark, INV: mark, ENTRY: mark, FEE: mark, FREE: mark },
      });
      const pool = isolatedOf(margin, positionOf(rules, id, qty, "50000"));
      const trimmed = [partial, full].map((price) => price.replace(/\.?0+$/, ""));
      expect(shown(pool, id, market, rules)).toEqual(trimmed);
      // With one position, and equity and margin in the same asset, its index plays no part.
      expect(shown(pool, id, market, rules, true)).toEqual(trimmed);
    });
  }

  test("HEALTH-08 published brackets: (wallet + amount − side·q·entry) / (q·rate − side·q)", () => {
    const tiered = rulesOf(
      [{ id: "USDT" }],
      [
        {
          id: "BTCUSDT",
          tiers: [
            { from: "0", im: "0.008", mm: "0.004" },
            { from: "50000", im: "0.01", mm: "0.005" },
            { from: "250000", im: "0.04", mm: "0.01" },
            { from: "1000000", im: "0.1", mm: "0.025" },
          ],
        },
      ],
    );
    const market = marketOf(tiered, { mark: { BTCUSDT: "50000" } });
    // Long 10 with 50,000: (50,000 + 1,300 − 500,000) / (0.1 − 10), in the bracket from 250,000.
    const long = triggerPrices(
      isolatedOf("50000", positionOf(tiered, "BTCUSDT", "10", "50000")),
      "BTCUSDT",
      market,
      tiered,
      false,
    );
    expect(long.liqPrice?.equals(r("448700").dividedBy(r("9.9")))).toBe(true);
    // Short 10 with 600,000: (600,000 + 16,300 + 500,000) / (0.25 + 10), in the bracket from 1,000,000.
    const short = triggerPrices(
      isolatedOf("600000", positionOf(tiered, "BTCUSDT", "-10", "50000")),
      "BTCUSDT",
      market,
      tiered,
      false,
    );
    expect(short.liqPrice?.equals(r("1116300").dividedBy(r("10.25")))).toBe(true);
  });

  test("HEALTH-12 an instrument on which the pool has no position has no such price", () => {
    const market = marketOf(rules, { mark: { "BTC-PERP": "50000", ENTRY: "50000" } });
    const pool = isolatedOf("5000", positionOf(rules, "BTC-PERP", "1", "50000"));
    expect(shown(pool, "ENTRY", market, rules)).toEqual(["null", "null"]);
    expect(shown(crossOf({ USDT: "1" }), "ENTRY", market, rules)).toEqual(["null", "null"]);
  });
});

describe("cross", () => {
  const rules = rulesOf(
    [
      { id: "USDT", liabilityPremium: "0.1" },
      { id: "BTC", slices: [{ upTo: "100000", weight: "1" }, { weight: "0.5" }] },
    ],
    [
      { id: "BTC-PERP" },
      { id: "BTC-0326", expiry: 1 },
      { id: "ETH-PERP", base: "ETH" },
      { id: "INV", kind: "inverse", settle: "BTC" },
    ],
  );
  const market = marketOf(rules, {
    index: { BTC: "50000" },
    mark: { "BTC-PERP": "50000", "BTC-0326": "50000", "ETH-PERP": "2500", INV: "50000" },
  });

  test("HEALTH-08 collateral of the same index moves along: 2 BTC in two slices under a short of 1.8", () => {
    const pool = crossOf({ BTC: "2" }, [positionOf(rules, "BTC-PERP", "-1.8", "50000")]);
    // Above 50,000 USDT is a debt (·1.1) and half of the rest counts: 100,000 + 50,000x − 99,000x = 450(1 + x).
    const expected = r("1")
      .plus(r("99550").dividedBy(r("49450")))
      .times(r("50000"));
    expect(triggerPrices(pool, "BTC-PERP", market, rules, false).liqPrice?.equals(expected)).toBe(true);
  });

  test("HEALTH-09 alone, only the mark moves: the collateral stays where it is", () => {
    const pool = crossOf({ BTC: "2" }, [positionOf(rules, "BTC-PERP", "-1.8", "50000")]);
    // 100,000 − 99,000x = 450(1 + x).
    const expected = r("1")
      .plus(r("99550").dividedBy(r("99450")))
      .times(r("50000"));
    expect(triggerPrices(pool, "BTC-PERP", market, rules, true).liqPrice?.equals(expected)).toBe(true);
  });

  test("HEALTH-08 both legs of a hedge move by one factor; HEALTH-09 alone, one leg leaves the other behind", () => {
    const pool = crossOf({ USDT: "1000" }, [
      positionOf(rules, "BTC-0326", "-1", "50000"),
      positionOf(rules, "BTC-PERP", "1", "50000"),
    ]);
    // Together only the margin grows: 1,000 = 0.005·100,000·λ.
    expect(shown(pool, "BTC-PERP", market, rules)).toEqual(["95238.09523809", "100000"]);
    // The long alone falls: 1,000 + x = 250 + 0.005·(50,000 + x).
    const expected = r("50000").minus(r("500").dividedBy(r("0.995")));
    expect(triggerPrices(pool, "BTC-PERP", market, rules, true).liqPrice?.equals(expected)).toBe(true);
  });

  test("HEALTH-08 other indices stay: each position has a price of its own", () => {
    const pool = crossOf({ USDT: "2000" }, [
      positionOf(rules, "BTC-PERP", "1", "50000"),
      positionOf(rules, "ETH-PERP", "10", "2500"),
    ]);
    // 2,000 − x = 125 + 250 − 0.005x, and the same for the other.
    const fall = r("1625").dividedBy(r("0.995"));
    expect(triggerPrices(pool, "BTC-PERP", market, rules, false).liqPrice?.equals(r("50000").minus(fall))).toBe(true);
    expect(
      triggerPrices(pool, "ETH-PERP", market, rules, false).liqPrice?.equals(r("2500").minus(fall.dividedBy(r("10")))),
    ).toBe(true);
  });

  test("HEALTH-08 an inverse position stays linear in the factor when its settle asset moves along", () => {
    const pool = crossOf({ BTC: "0.2" }, [positionOf(rules, "INV", "100000", "50000")]);
    // USD: 50,000λ·2.2 − 100,000 = 500.
    expect(shown(pool, "INV", market, rules)[1]).toBe("45681.81818181");
  });

  test("HEALTH-09 alone, an inverse position is linear in one over the price, its asset's index at rest", () => {
    const debt = rulesOf(
      [{ id: "BTC", liabilityPremium: "0.1" }, { id: "USDT" }],
      [{ id: "INV", kind: "inverse", settle: "BTC" }],
    );
    const view = marketOf(debt, { index: { BTC: "40000" }, mark: { INV: "50000" } });
    const pool = crossOf({ BTC: "0.2", USDT: "8000" }, [positionOf(debt, "INV", "100000", "50000")]);
    // In BTC the balance is 2.2 − 2/λ, below zero with a premium: 40,000·1.1·(2.2 − 2t) + 8,000 = 40,000·0.01·t.
    const t = r("104800").dividedBy(r("88400"));
    const expected = r("50000").dividedBy(t);
    expect(triggerPrices(pool, "INV", view, debt, true).liqPrice?.equals(expected)).toBe(true);
  });

  test("HEALTH-08 the cap is an edge: beyond it more collateral does not help a short", () => {
    const capped = rulesOf([{ id: "USDT" }, { id: "BTC", cap: "110000" }], [{ id: "BTC-PERP" }]);
    const view = marketOf(capped, { index: { BTC: "50000" }, mark: { "BTC-PERP": "50000" } });
    const pool = crossOf({ BTC: "2" }, [positionOf(capped, "BTC-PERP", "-2", "50000")]);
    // 110,000 − 100,000x = 500(1 + x) beyond x = 0.1.
    const expected = r("1")
      .plus(r("109500").dividedBy(r("100500")))
      .times(r("50000"));
    expect(triggerPrices(pool, "BTC-PERP", view, capped, false).liqPrice?.equals(expected)).toBe(true);
  });
});

test("HEALTH-10 a price that only touches the threshold is one: there it begins and ends", () => {
  // Weights that rise make health fall to the slice's edge and rise after it.
  const rules = rulesOf(
    [{ id: "USDT" }, { id: "BTC", slices: [{ upTo: "100000", weight: "0.5" }, { weight: "1" }] }],
    [{ id: "BTC-PERP" }],
  );
  const market = marketOf(rules, { index: { BTC: "40000" }, mark: { "BTC-PERP": "40000" } });
  const at = (debt: string): string =>
    shown(
      crossOf({ BTC: "2", USDT: debt }, [positionOf(rules, "BTC-PERP", "-1.5", "40000")]),
      "BTC-PERP",
      market,
      rules,
    )[1];
  // At 50,000: 50,000 − 15,000 − 34,625 is 0.005·75,000.
  expect(at("-34625")).toBe("50000");
  expect(at("-34624.99")).toBe("null");
});

describe("jumps and ties", () => {
  const rules = rulesOf(
    [{ id: "USDT" }, { id: "BTC" }],
    [
      {
        id: "JUMP",
        tierMode: "whole",
        tiers: [
          { from: "0", im: "0.01", mm: "0.005" },
          { from: "60000", im: "0.6", mm: "0.5" },
        ],
      },
      {
        id: "TIE",
        tierMode: "whole",
        tiers: [
          { from: "0", im: "0.3", mm: "0.2" },
          { from: "60000", im: "0.6", mm: "0.5" },
        ],
      },
      {
        id: "STEEP",
        tierMode: "whole",
        tiers: [
          { from: "0", im: "0.3", mm: "0.2" },
          { from: "60000", im: "0.9", mm: "0.8" },
        ],
      },
    ],
    { liquidation: { partialAt: "1", fullAt: "1" } },
  );
  const market = marketOf(rules, { index: { BTC: "50000" }, mark: { JUMP: "50000", TIE: "50000", STEEP: "50000" } });
  const long = (id: string, margin: string, view = market): string =>
    shown(isolatedOf(margin, positionOf(rules, id, "1", "50000")), id, view, rules)[1];

  test("HEALTH-11 a whole tier's floor is a price at which liquidation may begin, even on the good side", () => {
    // At 60,000 equity 30,000 meets a margin of 30,000.
    expect(long("JUMP", "20000")).toBe("60000");
    // One cent more equity, and the floor does not matter.
    expect(long("JUMP", "20000.01")).toBe(r("29999.99").dividedBy(r("0.995")).toStringDown(8));
  });

  test("HEALTH-11 from above the floor, it is where liquidation ends", () => {
    const above = marketOf(rules, { mark: { JUMP: "61000" } });
    expect(long("JUMP", "15000", above)).toBe("60000");
    const at = marketOf(rules, { mark: { JUMP: "60000" } });
    expect(long("JUMP", "15000", at)).toBe("60000");
  });

  test("HEALTH-10 at equal distance the adverse side is taken: down for a long", () => {
    // Below: 18,000 + p − 50,000 = 0.2p at 40,000. Above: the floor at 60,000.
    expect(long("TIE", "18000")).toBe("40000");
    expect(long("TIE", "17999.99")).toBe("40000.0125");
    // A cent more equity puts the lower one a little further away, and the floor is the nearer.
    expect(long("TIE", "18000.01")).toBe("60000");
  });

  test("HEALTH-10 and up for a short, although its pool gains by it", () => {
    // 3 BTC − 122,000 USDT under a short of one: 100,000λ − 72,000 = 10,000λ at 0.8, and 48,000 = 0.8·60,000 at 1.2.
    const pool = crossOf({ BTC: "3", USDT: "-122000" }, [positionOf(rules, "STEEP", "-1", "50000")]);
    expect(shown(pool, "STEEP", market, rules)[1]).toBe("60000");
    const other = crossOf({ BTC: "3", USDT: "-122000.01" }, [positionOf(rules, "STEEP", "-1", "50000")]);
    expect(shown(other, "STEEP", market, rules)[1]).toBe(r("72000.01").dividedBy(r("1.8")).toStringDown(8));
  });
});

describe("curved", () => {
  /** Whether the ratio is at or below 1 at a price of the instrument, other prices by hand. */
  const within = (pool: Pool, view: MarketView, rules: RuleSet): boolean => {
    const { maintenanceEquity, mm } = evaluatePool(pool, view, rules);
    return mm.sign > 0 && maintenanceEquity.atMost(mm);
  };
  const step = Rational.ofUnits(1n, 18);

  test("HEALTH-17 a size curve on a balance that moves is searched on prices of 18 decimals", () => {
    const rules = rulesOf([{ id: "USDT", sizeCurve: "0.01" }], [{ id: "BTC-PERP" }]);
    const market = marketOf(rules, { mark: { "BTC-PERP": "50000" } });
    const pool = crossOf({ USDT: "10000" }, [positionOf(rules, "BTC-PERP", "1", "50000")]);
    const { liqPrice } = triggerPrices(pool, "BTC-PERP", market, rules, false);
    const at = (price: Rational): MarketView => ({ ...market, mark: () => price });
    expect(within(pool, at(liqPrice as Rational), rules)).toBe(true);
    expect(within(pool, at((liqPrice as Rational).plus(step)), rules)).toBe(false);
    // Of a balance b, 1.1·b / (1 + 0.01·√b) counts; it meets 0.005·(40,000 + b) near 209.
    const balance = (liqPrice as Rational).toNumber() - 40000;
    expect((1.1 * balance) / (1 + 0.01 * Math.sqrt(balance))).toBeCloseTo(0.005 * (40000 + balance), 6);
  });

  test("HEALTH-17 so is an inverse position whose settle asset stays while others of its index move", () => {
    const rules = rulesOf(
      [{ id: "ETH" }, { id: "USDT" }],
      [{ id: "BTC-PERP" }, { id: "ODD", kind: "inverse", settle: "ETH", index: "BTC" }],
    );
    const market = marketOf(rules, { index: { ETH: "2500" }, mark: { "BTC-PERP": "50000", ODD: "20" } });
    const pool = crossOf({ ETH: "4", USDT: "5000" }, [
      positionOf(rules, "BTC-PERP", "0.1", "50000"),
      positionOf(rules, "ODD", "200", "20"),
    ]);
    const { liqPrice } = triggerPrices(pool, "ODD", market, rules, false);
    const factor = (liqPrice as Rational).dividedBy(r("20"));
    const moved = (by: Rational): MarketView => ({ ...market, mark: (id) => market.mark(id).times(by) });
    expect(within(pool, moved(factor), rules)).toBe(true);
    expect(within(pool, moved(factor.plus(r("0.000000000000000001"))), rules)).toBe(false);
    // 15,000 + 5,000(λ − 1) + 25,000(1 − 1/λ) = 25λ + 125/λ.
    const root = (-35000 + Math.sqrt(35000 ** 2 + 4 * 4975 * 25125)) / (2 * 4975);
    expect(factor.toNumber()).toBeCloseTo(root, 9);
  });
});
