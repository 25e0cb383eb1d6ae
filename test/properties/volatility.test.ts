import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { logReturnUnits, Rational } from "#libs/decimal/index.ts";
import { haircutStep, haircutTarget, nextHaircut } from "#libs/domain/collateral/haircut.ts";
import type { HaircutState } from "#libs/domain/collateral/haircut.ts";
import {
  advanceTo,
  emptyVolatility,
  loadVolatility,
  minutesPerDay,
  minutesPerWeek,
  recordPrice,
  saveVolatility,
} from "#libs/domain/collateral/volatility.ts";
import type { HaircutRules } from "#libs/domain/rule-set/types.ts";
import { propertyOptions } from "#test/support/property.ts";

const minuteMs = 60_000;

/** Mostly within a minute or to the next, now and then over a gap, at times over the edge of a window. */
const pause = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: minuteMs }) },
  { weight: 4, arbitrary: fc.integer({ min: minuteMs, max: 3 * minuteMs }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 * minutesPerDay }).map((minutes) => minutes * minuteMs) },
  { weight: 1, arbitrary: fc.integer({ min: -3, max: 3 }).map((by) => (minutesPerDay + by) * minuteMs) },
  { weight: 1, arbitrary: fc.integer({ min: -3, max: 3 }).map((by) => (minutesPerWeek + by) * minuteMs) },
);
const price = fc.bigInt({ min: 1n, max: 10n ** 12n }).map((units) => Rational.ofUnits(units, 6));
/** A pause and then a price, or only the pause. */
const history = fc.array(fc.tuple(pause, fc.option(price, { freq: 6 })), { maxLength: 150, size: "max" });

/** The windows by the book: all last prices of minutes, all returns, all sums, from nothing. */
function recomputed(lasts: ReadonlyMap<number, Rational>, end: number, length: number): [number, bigint] {
  let count = 0;
  let squares = 0n;
  for (const [minute, last] of lasts) {
    const before = lasts.get(minute - 1);
    if (before === undefined || minute > end || minute <= end - length) continue;
    const value = logReturnUnits(before, last);
    count += 1;
    squares += value * value;
  }
  return [count, squares];
}

describe("volatility", () => {
  test("HAIR-03 HAIR-04 rolling sums are those of a recomputation from nothing, after every sample", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e12 }), history, (start, steps) => {
        let windows = emptyVolatility();
        const lasts = new Map<number, Rational>();
        let t = start;
        for (const [at, [passed, sample]] of steps.entries()) {
          t += passed;
          if (sample === null) advanceTo(windows, t);
          else {
            recordPrice(windows, sample, t);
            lasts.set(Math.floor(t / minuteMs), sample);
          }
          if (at % 50 === 49) windows = loadVolatility(saveVolatility(windows));
          if (lasts.size === 0) continue;
          const end = Math.floor(t / minuteMs);
          expect([windows.day.count, windows.day.squares]).toEqual(recomputed(lasts, end, minutesPerDay));
          expect([windows.week.count, windows.week.squares]).toEqual(recomputed(lasts, end, minutesPerWeek));
        }
      }),
      propertyOptions({ numRuns: 25 }),
    );
  });
});

const hour = Rational.ofInteger(3_600_000);
const rules: HaircutRules = {
  base: Rational.parse("0.05"),
  min: Rational.parse("0.02"),
  max: Rational.parse("0.3"),
  k: Rational.parse("2.33"),
  horizonMinutes: Rational.parse("120"),
  decayPerHour: Rational.parse("0.023"),
  maintenanceStepPerHour: Rational.parse("0.01"),
};
const variance = fc.bigInt({ min: 0n, max: 10n ** 14n }).map((units) => Rational.ofUnits(units, 18));
const walk = fc.array(fc.tuple(fc.integer({ min: 0, max: 7_200_000 }), variance), { minLength: 2, maxLength: 30 });

function walked(steps: readonly (readonly [number, Rational])[]): HaircutState[] {
  let state: HaircutState | null = null;
  let t = 0;
  return steps.map(([passed, sample]) => {
    t += passed;
    state = nextHaircut(state, rules, sample, t);
    return state;
  });
}

describe("haircuts", () => {
  test("HAIR-06 the target is the smallest step that is not below k·σ·√T, within its bounds", () => {
    fc.assert(
      fc.property(variance, (sample) => {
        const target = haircutTarget(rules, sample);
        const square = rules.k.times(rules.k).times(sample).times(rules.horizonMinutes);
        expect(target.atLeast(rules.base) && target.atMost(rules.max)).toBe(true);
        expect(target.isMultipleOf(haircutStep)).toBe(true);
        if (target.below(rules.max)) expect(target.times(target).atLeast(square)).toBe(true);
        const below = target.minus(haircutStep);
        if (target.above(rules.base)) expect(below.times(below).below(square)).toBe(true);
      }),
      propertyOptions(),
    );
  });
  test("HAIR-07 HAIR-08 the initial haircut is never below its target and falls no faster than permitted", () => {
    fc.assert(
      fc.property(walk, (steps) => {
        const states = walked(steps);
        for (const [at, state] of states.entries()) {
          expect(state.initial.atLeast(state.target)).toBe(true);
          for (const earlier of states.slice(0, at)) {
            // Over any span: between two rises the fall stays within rate·time, but for the step under way.
            const span = states.slice(states.indexOf(earlier), at + 1);
            if (span.some((one, i) => i > 0 && one.initial.above((span[i - 1] as HaircutState).initial))) continue;
            const most = (rules.decayPerHour ?? Rational.one).times(Rational.ofInteger(state.t - earlier.t));
            const fallen = earlier.initial.minus(state.initial);
            expect(fallen.atMost(most.dividedBy(hour).plus(haircutStep))).toBe(true);
          }
        }
      }),
      propertyOptions({ numRuns: 40 }),
    );
  });
  test("HAIR-09 the maintenance haircut moves no faster than permitted over any span, in whole steps", () => {
    fc.assert(
      fc.property(walk, (steps) => {
        const states = walked(steps);
        for (const [at, state] of states.entries()) {
          expect(state.maintenance.isMultipleOf(haircutStep)).toBe(true);
          for (const earlier of states.slice(0, at)) {
            const most = Rational.parse("0.01")
              .times(Rational.ofInteger(state.t - earlier.t))
              .dividedBy(hour);
            const moved = state.maintenance.minus(earlier.maintenance).abs();
            expect(moved.atMost(most.plus(haircutStep))).toBe(true);
          }
          const first = states[0] as HaircutState;
          const since = Rational.parse("0.01")
            .times(Rational.ofInteger(state.t - first.t))
            .dividedBy(hour);
          expect(state.maintenance.minus(first.maintenance).abs().atMost(since)).toBe(true);
        }
      }),
      propertyOptions({ numRuns: 40 }),
    );
  });
  test("HAIR-09 looking more often changes nothing while the target stays", () => {
    const looks = fc.array(fc.integer({ min: 0, max: 3_000_000 }), { maxLength: 20 });
    fc.assert(
      fc.property(variance, looks, (sample, between) => {
        const start = nextHaircut(nextHaircut(null, rules, Rational.zero, 0), rules, sample, 0);
        let often = start;
        for (const t of [...between].sort((left, right) => left - right)) often = nextHaircut(often, rules, sample, t);
        often = nextHaircut(often, rules, sample, 3_000_000);
        const once = nextHaircut(start, rules, sample, 3_000_000);
        expect(often.maintenance.equals(once.maintenance)).toBe(true);
        expect(often.maintenanceAllowance.equals(once.maintenanceAllowance)).toBe(true);
      }),
      propertyOptions(),
    );
  });
});
