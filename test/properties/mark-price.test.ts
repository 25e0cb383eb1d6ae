import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import type { IndexWindow } from "#libs/domain/breakers/price-move.ts";
import { emptyWindow, largestMove, recordIndex } from "#libs/domain/breakers/price-move.ts";
import { bookedFunding } from "#libs/domain/funding/accrual.ts";
import { indexPrice } from "#libs/domain/mark-price/index-price.ts";
import { weightedMedian } from "#libs/domain/mark-price/median.ts";
import { loadStage, saveStage } from "#libs/domain/mark-price/stage-record.ts";
import type { MarkStage } from "#libs/domain/mark-price/stage.ts";
import { bookPrice, emptyStage, frame, quote } from "#libs/domain/mark-price/stage.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { propertyOptions } from "#test/support/property.ts";

const price = fc.bigInt({ min: 9_000n, max: 11_000n }).map((units) => Rational.ofUnits(units, 2));
const weight = fc.bigInt({ min: 1n, max: 5n }).map((units) => Rational.ofInteger(units));
const weighted = fc.array(fc.record({ price, weight }), { minLength: 1, maxLength: 9 });
const half = Rational.fraction(1n, 2n);

describe("median", () => {
  test("MARK-01 MARK-02 at most half of the weight lies on either side, and order plays no part", () => {
    fc.assert(
      fc.property(weighted, fc.func(fc.integer()), (prices, rank) => {
        const median = weightedMedian(prices) as Rational;
        const total = Rational.sum(prices.map((one) => one.weight)).times(half);
        const lying = (side: "below" | "above"): Rational =>
          Rational.sum(prices.filter((one) => one.price[side](median)).map((one) => one.weight));
        expect(lying("below").atMost(total) && lying("above").atMost(total)).toBe(true);
        const shuffled = [...prices].sort((left, right) => rank(left) - rank(right));
        expect((weightedMedian(shuffled) as Rational).equals(median)).toBe(true);
      }),
      propertyOptions({ numRuns: 300 }),
    );
  });
});

const sources = ["a", "b", "c", "d", "e"] as const;
const said = fc.uniqueArray(
  fc.record({ source: fc.constantFrom(...sources), price, t: fc.integer({ min: 0, max: 20_000 }) }),
  {
    selector: (one) => one.source,
    minLength: 1,
  },
);
const weights = { a: "1", b: "2", c: "1", d: "3", e: "1" };

function rulesOf(order: readonly string[], quorum: number): RuleSet {
  const ofAsset = Object.fromEntries(order.map((source) => [source, weights[source as keyof typeof weights]]));
  const marks = { sources: { BTC: ofAsset }, outlier: "0.05", staleMs: 10_000, quorum };
  const perpetual = { id: "BTC-PERP", kind: "linear" as const, base: "BTC", quote: "USDT", settle: "USDT" };
  const limits = { stepMax: "0.02", basisEmaMs: 5_000, basisMax: "0.01" };
  return compileRules({ assets: [], instruments: [perpetual], marks: { ...marks, ...limits } }, 1).rules;
}

describe("index", () => {
  test("MARK-05 the index lies between used prices, which are fresh and agree; order plays no part", () => {
    fc.assert(
      fc.property(said, fc.shuffledSubarray([...sources], { minLength: 5 }), (quotes, order) => {
        const ask = (from: typeof quotes, rules: RuleSet): ReturnType<typeof indexPrice> =>
          indexPrice(
            { asset: "BTC", quotes: new Map(from.map((one) => [one.source, one])), last: null, t: 20_000 },
            rules.marks,
          );
        const index = ask(quotes, rulesOf(sources, 3));
        expect(ask([...quotes].reverse(), rulesOf(order, 3))).toEqual(index);
        expect(index.used.length + index.dropped.length).toBe(sources.length);
        for (const one of index.used) expect(one.ageMs <= 10_000).toBe(true);
        if (index.quality === "good") expect(index.used.length).toBeGreaterThanOrEqual(3);
        if (index.price === null || index.used.length === 0) return;
        const used = index.used.map((one) => one.price);
        const lowest = used.reduce((left, right) => Rational.min(left, right));
        const highest = used.reduce((left, right) => Rational.max(left, right));
        expect(index.price.atLeast(lowest) && index.price.atMost(highest)).toBe(true);
        // All within 5 % of one price: none is more than 10/95 above another.
        expect(highest.times(Rational.parse("0.95")).atMost(lowest.times(Rational.parse("1.05")))).toBe(true);
      }),
      propertyOptions({ numRuns: 300 }),
    );
  });
});

const event = fc.oneof(
  fc.record({ k: fc.constant("quote" as const), source: fc.constantFrom(...sources), price }),
  fc.record({ k: fc.constant("book" as const), price }),
  fc.record({ k: fc.constant("frame" as const) }),
);
const day = fc.array(fc.tuple(fc.integer({ min: 0, max: 4_000 }), event), { maxLength: 60, size: "max" });

describe("frames", () => {
  const rules = rulesOf(sources, 2);

  test("MARK-19 MARK-20 the frames add up to the state, and a saved state goes on alike", () => {
    fc.assert(
      fc.property(day, (steps) => {
        let state: MarkStage = emptyStage;
        const seen = new Map<string, string>();
        let t = 0;
        for (const [passed, what] of steps) {
          t += passed;
          if (what.k === "quote") state = quote(state, { asset: "BTC", source: what.source, price: what.price, t });
          else if (what.k === "book") state = bookPrice(state, { instrument: "BTC-PERP", price: what.price, t });
          else {
            const next = frame(state, rules, t);
            const restored = frame(loadStage(saveStage(state)), rules, t);
            expect(restored.frame).toEqual(next.frame);
            expect(saveStage(restored.state)).toEqual(saveStage(next.state));
            for (const [kind, part] of Object.entries(next.frame))
              if (part instanceof Map) for (const [id, value] of part) seen.set(`${kind} ${id}`, String(value));
            state = next.state;
            const { indices, marks } = saveStage(state);
            const shown = new Map<string, string>();
            for (const [id, at, quality] of indices)
              shown.set(`index ${id}`, at ?? "").set(`indexQuality ${id}`, quality);
            for (const [id, at, quality] of marks) shown.set(`mark ${id}`, at ?? "").set(`markQuality ${id}`, quality);
            for (const [key, value] of shown) expect(seen.get(key) ?? "").toBe(value);
          }
        }
      }),
      propertyOptions({ numRuns: 100 }),
    );
  });

  test("MARK-22 MARK-23 MARK-24 a mark leaves neither the clamp around its index nor the step, but one of them if it must", () => {
    fc.assert(
      fc.property(day, (steps) => {
        let state: MarkStage = emptyStage;
        let t = 0;
        for (const [passed, what] of steps) {
          t += passed;
          if (what.k === "quote") state = quote(state, { asset: "BTC", source: what.source, price: what.price, t });
          else if (what.k === "book") state = bookPrice(state, { instrument: "BTC-PERP", price: what.price, t });
          const before = state.marks.get("BTC-PERP")?.price ?? null;
          state = frame(state, rules, t).state;
          const index = state.indices.get("BTC")?.price ?? null;
          const mark = state.marks.get("BTC-PERP")?.price ?? null;
          if (index === null || mark === null) continue;
          const clamped = mark
            .minus(index)
            .abs()
            .atMost(index.times(Rational.parse("0.01")));
          const stepped =
            before !== null &&
            mark
              .minus(before)
              .abs()
              .atMost(before.times(Rational.parse("0.02")));
          expect(clamped || stepped).toBe(true);
        }
      }),
      propertyOptions({ numRuns: 100 }),
    );
  });
});

describe("breakers", () => {
  test("BRK-09 the candidates kept give the extremes of everything that stood within the window", () => {
    const samples = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), price), {
      minLength: 1,
      maxLength: 40,
      size: "max",
    });
    fc.assert(
      fc.property(samples, price, fc.integer({ min: 0, max: 200 }), (steps, now, later) => {
        let window: IndexWindow = emptyWindow;
        const stood: { from: number; price: Rational }[] = [];
        let t = 0;
        for (const [passed, sample] of steps) {
          t += passed;
          window = recordIndex(window, sample, 100, t);
          stood.push({ from: t, price: sample });
        }
        t += later;
        const inside = stood.filter((_, at) => t - (stood[at + 1]?.from ?? t) <= 100);
        const moves = inside.map((one) => now.minus(one.price).abs().dividedBy(one.price));
        const largest = moves.reduce((left, right) => Rational.max(left, right));
        expect(largestMove(window, now, 100, t).equals(largest)).toBe(true);
      }),
      propertyOptions({ numRuns: 300 }),
    );
  });
});

describe("funding", () => {
  test("FUND-04 what is booked and what is left is what was accrued; less than a quantum is left", () => {
    const any = fc.tuple(fc.bigInt({ min: -(10n ** 9n), max: 10n ** 9n }), fc.bigInt({ min: 1n, max: 997n }));
    fc.assert(
      fc.property(any, ([numerator, denominator]) => {
        const quantum = Rational.parse("0.01");
        const accrued = Rational.fraction(numerator, denominator);
        const { amount, remainder } = bookedFunding(accrued, quantum);
        expect(amount.isMultipleOf(quantum)).toBe(true);
        expect(amount.plus(remainder).equals(accrued)).toBe(true);
        expect(remainder.sign >= 0 && remainder.below(quantum)).toBe(true);
      }),
      propertyOptions({ numRuns: 300 }),
    );
  });
});
