import fc from "fast-check";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { bankruptcyPrices } from "#libs/domain/health/bankruptcy.ts";
import { evaluateCross, evaluateIsolated, evaluatePool } from "#libs/domain/health/evaluate.ts";
import { triggerPrices } from "#libs/domain/health/liquidation-price.ts";
import { compareStanding } from "#libs/domain/health/thresholds.ts";
import { positionRequirement } from "#libs/domain/margin/requirement.ts";
import { deductionMargin, progressiveMargin } from "#libs/domain/margin/tiers.ts";
import { withdrawable } from "#libs/domain/margin/withdrawal.ts";
import { value } from "#libs/domain/positions/value.ts";
import type { CrossPool, MarketView, OpenPosition, Pool } from "#libs/domain/positions/views.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { crossOf, isolatedOf, marketOf, positionOf, r, rulesOf } from "#test/support/pools.ts";
import type { Prices } from "#test/support/pools.ts";
import { propertyOptions } from "#test/support/property.ts";

type Mode = "progressive" | "whole";
const mode = fc.constantFrom<Mode>("progressive", "whole");
/** A whole number of hundredths, as text. */
const hundredths = (min: number, max: number): fc.Arbitrary<string> =>
  fc.integer({ min, max }).map((units) => (units / 100).toFixed(2));

const tiersOf = (first: number, second: number) => [
  { from: "0", im: "0.02", mm: "0.01" },
  { from: String(first), im: "0.1", mm: "0.05" },
  { from: String(first + second), im: "0.4", mm: "0.2" },
];

interface Setting {
  readonly rules: RuleSet;
  readonly prices: Prices;
}

/** Two assets that are collateral, four instruments on one index and one on another; every edge that health has may be there. */
const setting: fc.Arbitrary<Setting> = fc
  .record({
    modes: fc.tuple(mode, mode, mode, mode, mode),
    floors: fc.tuple(fc.integer({ min: 50, max: 900 }), fc.integer({ min: 50, max: 900 })),
    slice: fc.integer({ min: 50, max: 900 }),
    cap: fc.option(fc.integer({ min: 100, max: 900 })),
    premium: fc.constantFrom("0", "0.1"),
    haircut: fc.constantFrom("0", "0.15"),
    reading: fc.constantFrom<"mark" | "entry">("mark", "entry"),
    fee: fc.boolean(),
    btc: hundredths(9000, 11000),
    basis: hundredths(9900, 10100),
    usdt: fc.constantFrom("1", "0.97"),
  })
  .map(({ modes, floors, slice, cap, premium, haircut, reading, fee, btc, basis, usdt }) => {
    const tiers = tiersOf(...floors);
    const small = tiersOf(...floors).map((tier) => ({ ...tier, from: String(Number(tier.from) / 100) }));
    const rules = rulesOf(
      [
        {
          id: "BTC",
          slices: [
            { upTo: String(slice), weight: "0.9" },
            { upTo: "5000", weight: "0.5" },
          ],
          ...(cap ? { cap: String(cap) } : {}),
        },
        { id: "USDT", liabilityPremium: premium },
      ],
      [
        { id: "A", tiers, tierMode: modes[0], closeFeeInMargin: fee, takerFee: "0.001" },
        { id: "B", tiers, tierMode: modes[1], notional: reading },
        { id: "C", base: "ETH", tiers, tierMode: modes[2] },
        { id: "I", kind: "inverse", settle: "BTC", tiers: small, tierMode: modes[3] },
        { id: "J", kind: "inverse", settle: "BTC", tiers: small, tierMode: modes[4] },
      ],
    );
    const prices = {
      index: { BTC: btc, USDT: usdt },
      mark: { A: btc, B: basis, C: "100", I: btc, J: basis },
      haircutMaintenance: { BTC: haircut },
      haircutInitial: { BTC: haircut },
    };
    return { rules, prices };
  });

interface Case extends Setting {
  readonly market: MarketView;
  readonly pool: CrossPool;
}

const sizes = fc.record({
  A: fc.integer({ min: -12, max: 12 }),
  B: fc.integer({ min: -12, max: 12 }),
  C: fc.integer({ min: -12, max: 12 }),
  I: fc.integer({ min: -900, max: 900 }),
  J: fc.integer({ min: -900, max: 900 }),
});

const accounts: fc.Arbitrary<Case> = fc
  .record({
    setting,
    sizes,
    held: fc.subarray(["A", "B", "C", "I", "J"] as const, { minLength: 1, maxLength: 3 }),
    entry: hundredths(9000, 11000),
    usdt: hundredths(-30000, 200000),
    btc: hundredths(-50, 1500),
  })
  .map(({ setting: { rules, prices }, sizes: size, held, entry, usdt, btc }) => {
    const positions = [...held]
      .sort()
      .flatMap((id) => (size[id] === 0 ? [] : [positionOf(rules, id, String(size[id]), entry)]));
    return { rules, prices, market: marketOf(rules, prices), pool: crossOf({ BTC: btc, USDT: usdt }, positions) };
  });

/** The market with the prices of a position's index, or its mark alone, multiplied: written apart from the rules' own. */
function moved(market: MarketView, id: string, rules: RuleSet, alone: boolean, factor: Rational): MarketView {
  const index = rules.instruments.get(id)?.index;
  return {
    ...market,
    mark: (other) => {
      const along = alone ? other === id : rules.instruments.get(other)?.index === index;
      return along ? market.mark(other).times(factor) : market.mark(other);
    },
    index: (asset) => (!alone && asset === index ? market.index(asset).times(factor) : market.index(asset)),
  };
}

function withinAt(pool: Pool, market: MarketView, rules: RuleSet, k: Rational): boolean {
  const { maintenanceEquity, mm } = evaluatePool(pool, market, rules);
  return mm.sign > 0 && maintenanceEquity.atMost(k.times(mm));
}

const hair = Rational.fraction(1n, 10n ** 30n);
/** Prime steps, so that no point falls on an edge that the exact search also uses. */
const grid = Array.from({ length: 60 }, (_, at) => Rational.fraction(BigInt(at + 1) * 7n, 139n)).concat(
  [5, 11, 40, 200].map((factor) => Rational.ofInteger(factor)),
);

/** One price: it is a boundary, and no point of the grid nearer to the mark differs from where the pool stands. */
function checkPrice(found: Rational | null, mark: Rational, at: (factor: Rational) => boolean): void {
  const here = at(Rational.one);
  const factor = found?.dividedBy(mark) ?? null;
  const distance = factor?.minus(Rational.one).abs() ?? null;
  for (const point of grid) {
    const nearer = distance === null || point.minus(Rational.one).abs().below(distance);
    if (nearer)
      expect(
        at(point),
        `at ${point.toStringDown(6)} although the boundary is ${factor?.toStringDown(6) ?? "nowhere"}`,
      ).toBe(here);
  }
  if (factor === null) return;
  const around = [factor.minus(hair), factor, factor.plus(hair)].map(at);
  expect(new Set(around).size, `at ${factor.toStringDown(18)} nothing begins or ends`).toBe(2);
}

test("HEALTH-10 the published prices are the nearest boundaries, over every kind of edge, together and alone", () => {
  fc.assert(
    fc.property(accounts, fc.boolean(), ({ rules, market, pool }, alone) => {
      for (const { instrument } of pool.positions) {
        const { partialPrice, liqPrice } = triggerPrices(pool, instrument.id, market, rules, alone);
        const at = (k: Rational) => (factor: Rational) =>
          withinAt(pool, moved(market, instrument.id, rules, alone, factor), rules, k);
        checkPrice(partialPrice, market.mark(instrument.id), at(rules.liquidation.partialAt));
        checkPrice(liqPrice, market.mark(instrument.id), at(rules.liquidation.fullAt));
      }
    }),
    propertyOptions({ numRuns: 150 }),
  );
});

test("HEALTH-08 of a healthy pool with progressive tiers the ratio is within at the price and above it just before", () => {
  const plain = rulesOf([{ id: "USDT" }], [{ id: "A", tiers: tiersOf(300, 300) }]);
  const market = marketOf(plain, { mark: { A: "100" } });
  fc.assert(
    fc.property(
      fc.integer({ min: -20, max: 20 }).filter((qty) => qty !== 0),
      hundredths(30000, 90000),
      (qty, cash) => {
        const pool = isolatedOf(cash, positionOf(plain, "A", String(qty), "100"));
        const { liqPrice } = triggerPrices(pool, "A", market, plain, false);
        expect(liqPrice !== null || qty > 0).toBe(true);
        if (liqPrice === null) return;
        const at = (price: Rational): boolean => withinAt(pool, { ...market, mark: () => price }, plain, Rational.one);
        const back = Rational.fraction(qty > 0 ? 1n : -1n, 10n ** 30n);
        expect([at(liqPrice), at(liqPrice.plus(back))]).toEqual([true, false]);
      },
    ),
    propertyOptions(),
  );
});

test("HEALTH-17 a curved search finds what the exact one would, within its step", () => {
  fc.assert(
    fc.property(accounts, ({ prices, pool }) => {
      const asset = { id: "USDT", sizeCurve: "0.005" };
      const rules = rulesOf([{ id: "BTC" }, asset], [{ id: "A", tiers: tiersOf(300, 300), tierMode: "whole" }]);
      const curved = crossOf(
        { USDT: "1" },
        pool.positions.slice(0, 1).map(({ qty }) => positionOf(rules, "A", qty.toStringDown(), "100")),
      );
      const cash = { ...curved, cash: pool.cash };
      const market = marketOf(rules, prices);
      const { liqPrice } = triggerPrices(cash, "A", market, rules, true);
      if (liqPrice === null) return;
      const step = Rational.ofUnits(1n, 18);
      const at = (price: Rational): boolean => withinAt(cash, { ...market, mark: () => price }, rules, Rational.one);
      expect(at(liqPrice)).toBe(true);
      expect(at(liqPrice.plus(step)) && at(liqPrice.minus(step))).toBe(false);
    }),
    propertyOptions({ numRuns: 40 }),
  );
});

const withoutHaircuts = fc
  .record({ sizes, cash: hundredths(-10000, 200000), entry: hundredths(9000, 11000) })
  .map(({ sizes: size, cash, entry }) => {
    const rules = rulesOf(
      [{ id: "BTC" }, { id: "USDT" }],
      ["A", "C", "I"].map((id) => (id === "I" ? { id, kind: "inverse" as const, settle: "BTC" } : { id })),
    );
    const market = marketOf(rules, { index: { BTC: "104", USDT: "0.99" }, mark: { A: "103", C: "99", I: "105" } });
    const held = (["A", "C", "I"] as const).filter((id) => size[id] !== 0);
    const positions = held.map((id) => positionOf(rules, id, String(size[id]), entry));
    return { rules, market, pool: crossOf({ USDT: cash }, positions) };
  });

/** The pool after closing `position` at `price`, its profit in cash, not rounded. */
function closedAt(pool: CrossPool, position: OpenPosition, price: Rational): CrossPool {
  const { instrument, qty, cost, funding } = position;
  const profit = value(instrument, qty, price).minus(cost).plus(funding);
  const cash = new Map(pool.cash.map(({ asset, amount }) => [asset, amount]));
  cash.set(instrument.settle, (cash.get(instrument.settle) ?? Rational.zero).plus(profit));
  return {
    ...pool,
    cash: [...cash].map(([asset, amount]) => ({ asset, amount })),
    positions: pool.positions.filter((other) => other !== position),
  };
}

test("HEALTH-15 HEALTH-16 closing one at its bankruptcy price keeps the ratio, closing all leaves zero", () => {
  fc.assert(
    fc.property(withoutHaircuts, ({ rules, market, pool }) => {
      const prices = bankruptcyPrices(pool, market, rules);
      const before = evaluatePool(pool, market, rules);
      let rest = pool;
      for (const position of pool.positions) {
        const price = prices.get(position.instrument.id) ?? null;
        if (price === null) return;
        rest = closedAt(rest, position, price);
        const after = evaluatePool(rest, market, rules);
        if (rest.positions.length > 0) expect(compareStanding(before, after)).toBe(0);
        else expect(after.fullEquity.isZero()).toBe(true);
      }
    }),
    propertyOptions(),
  );
});

test("TIER-01 TIER-02 the slices and the deductions are one function, continuous and growing", () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 10 ** 6 }), fc.integer({ min: 0, max: 500 })), {
    minLength: 1,
    maxLength: 9,
  });
  fc.assert(
    fc.property(
      steps,
      fc.integer({ min: 0, max: 10 ** 7 }),
      fc.integer({ min: 1, max: 10 ** 6 }),
      (found, at, more) => {
        let [floor, rate] = [0, 4];
        const tiers = found.map(([width, rise], index) => {
          if (index > 0) floor += width;
          rate += rise;
          return { from: Rational.ofInteger(floor), rate: Rational.ofUnits(BigInt(rate), 4) };
        });
        const notional = Rational.ofInteger(at);
        const margin = progressiveMargin(tiers, notional);
        expect(margin.equals(deductionMargin(tiers, notional))).toBe(true);
        expect(progressiveMargin(tiers, notional.plus(Rational.ofInteger(more))).above(margin)).toBe(true);
      },
    ),
    propertyOptions(),
  );
});

test("TIER-09 requirements never fall as a position grows, and equity on credit never passes what the pool is worth", () => {
  fc.assert(
    fc.property(accounts, ({ rules, market, pool }) => {
      for (const position of pool.positions) {
        if (position.instrument.notional === "entry") continue;
        const larger = { ...position, qty: position.qty.times(r("1.25")) };
        const [small, large] = [positionRequirement(position, market), positionRequirement(larger, market)];
        expect([large.im.atLeast(small.im), large.mm.atLeast(small.mm)]).toEqual([true, true]);
      }
      const health = evaluateCross(pool, market, rules);
      expect(health.maintenanceEquity.atMost(health.fullEquity)).toBe(true);
      expect(health.initialEquity.atMost(health.maintenanceEquity)).toBe(true);
    }),
    propertyOptions(),
  );
});

test("COL-11 more cash never lowers an equity, and the lean evaluation is the whole one's", () => {
  fc.assert(
    fc.property(
      accounts,
      fc.constantFrom("BTC", "USDT"),
      hundredths(0, 10000),
      ({ rules, market, pool }, asset, more) => {
        const richer = {
          ...pool,
          cash: pool.cash.map((held) => (held.asset === asset ? { asset, amount: held.amount.plus(r(more)) } : held)),
        };
        const [before, after] = [evaluateCross(pool, market, rules), evaluateCross(richer, market, rules)];
        for (const equity of ["initialEquity", "maintenanceEquity", "fullEquity"] as const)
          expect(after[equity].atLeast(before[equity])).toBe(true);
        const lean = evaluatePool(pool, market, rules);
        for (const field of ["maintenanceEquity", "fullEquity", "mm"] as const)
          expect(lean[field].equals(before[field])).toBe(true);
      },
    ),
    propertyOptions(),
  );
});

test("HEALTH-07 an isolated pool is a cross pool of one position whose asset has no terms", () => {
  fc.assert(
    fc.property(withoutHaircuts, hundredths(0, 100000), ({ rules, market, pool }, margin) => {
      for (const position of pool.positions) {
        const own = evaluateIsolated(isolatedOf(margin, position), market, rules);
        const same = evaluateCross(crossOf({ [position.instrument.settle]: margin }, [position]), market, rules);
        expect([own.maintenanceEquity, own.fullEquity, own.im, own.mm].map(String)).toEqual(
          [same.maintenanceEquity, same.fullEquity, same.im, same.mm].map(String),
        );
      }
    }),
    propertyOptions(),
  );
});

test("COL-14 what may be withdrawn leaves a pool that could open what it has", () => {
  fc.assert(
    fc.property(accounts, hundredths(0, 100000), ({ rules, market, pool }, amount) => {
      const found = withdrawable(pool, "USDT", r(amount), market, rules);
      if (!found.allowed) return;
      const after = {
        ...pool,
        cash: pool.cash.map((held) => (held.asset === "USDT" ? { asset: "USDT", amount: found.cash } : held)),
      };
      const { initialEquity, im } = evaluateCross(after, market, rules);
      expect(initialEquity.atLeast(im)).toBe(true);
      expect(withdrawable(pool, "USDT", r(amount).dividedBy(r("2")), market, rules).allowed).toBe(true);
    }),
    propertyOptions(),
  );
});
