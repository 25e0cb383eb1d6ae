import { describe, expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import type { HaircutState } from "#libs/domain/collateral/haircut.ts";
import {
  announcedHaircut,
  haircutTarget,
  loadHaircut,
  nextHaircut,
  saveHaircut,
} from "#libs/domain/collateral/haircut.ts";
import type { VolatilityWindows } from "#libs/domain/collateral/volatility.ts";
import {
  advanceTo,
  emptyVolatility,
  loadVolatility,
  realisedVariance,
  recordPrice,
  saveVolatility,
} from "#libs/domain/collateral/volatility.ts";
import type { HaircutRules } from "#libs/domain/rule-set/types.ts";
import { table } from "#test/support/table.ts";

const number = (text: string): Rational => Rational.parse(text);
const minute = 60_000;
const hour = 3_600_000;

/** ln 1.01, −ln 1.01 and ln 1.02 in whole 1e-15, from a table of logarithms. */
const ln101 = 9_950_330_853_168n;
const ln102 = 19_802_627_296_180n;

function recorded(prices: readonly (readonly [minutes: number, price: string])[]): VolatilityWindows {
  const windows = emptyVolatility();
  for (const [at, price] of prices) recordPrice(windows, number(price), at * minute);
  return windows;
}

/** A price that goes up and down by one per cent, one minute after the other, `count` returns in all. */
function seesaw(count: number, from = 0): VolatilityWindows {
  return recorded(Array.from({ length: count + 1 }, (_, at) => [from + at, at % 2 === 0 ? "100" : "101"] as const));
}

describe("volatility", () => {
  const returnsOf = (windows: VolatilityWindows): [number, string][] =>
    saveVolatility(windows).returns.map(([at, units]) => [at, units]);

  test("HAIR-02 a return is ln(price / price before), half even to 1e-15", () => {
    expect(
      returnsOf(
        recorded([
          [0, "100"],
          [1, "101"],
          [2, "100"],
          [3, "102"],
        ]),
      ),
    ).toEqual([
      [1, ln101.toString()],
      [2, (-ln101).toString()],
      [3, ln102.toString()],
    ]);
  });
  test("HAIR-01 the last price of a minute counts, and the running minute with it", () => {
    const windows = recorded([
      [0, "90"],
      [0.5, "100"],
      [1, "130"],
      [1.25, "50"],
      [1.999, "101"],
    ]);
    expect(returnsOf(windows)).toEqual([[1, ln101.toString()]]);
    expect([windows.day, windows.week]).toEqual([
      { count: 1, squares: ln101 * ln101 },
      { count: 1, squares: ln101 * ln101 },
    ]);
    recordPrice(windows, number("102"), 2 * minute - 1);
    expect(windows.day).toEqual({ count: 1, squares: ln102 * ln102 });
  });
  test("HAIR-03 a missing minute has no return, nor has the minute after it", () => {
    expect(
      returnsOf(
        recorded([
          [0, "100"],
          [2, "150"],
          [3, "151.5"],
        ]),
      ),
    ).toEqual([[3, ln101.toString()]]);
  });
  test("HAIR-03 an unchanged price in the next minute is a return of zero, not a missing one", () => {
    expect(
      returnsOf(
        recorded([
          [0, "100"],
          [1, "100"],
        ]),
      ),
    ).toEqual([[1, "0"]]);
  });
  test("HAIR-03 a minute passed without a price is missing, whoever noticed it", () => {
    const windows = recorded([[0, "100"]]);
    advanceTo(windows, 1 * minute);
    advanceTo(windows, 2 * minute);
    recordPrice(windows, number("101"), 2 * minute);
    expect(returnsOf(windows)).toEqual([]);
  });

  const windowCases = table(`
    rule    | at    | day | week | because
    HAIR-04 | 60    | 60  | 60   | the running minute is in both windows
    HAIR-04 | 1440  | 60  | 60   | the first return is 1,439 minutes old
    HAIR-04 | 1441  | 59  | 60   | a minute later it has left the day
    HAIR-04 | 1499  | 1   | 60   | all but the last have
    HAIR-04 | 1500  | 0   | 60   | none is left of the day
    HAIR-04 | 10080 | 0   | 60   | the first return is 10,079 minutes old
    HAIR-04 | 10081 | 0   | 59   | a minute later it has left the week
    HAIR-04 | 10140 | 0   | 0    | none is left of the week
    HAIR-04 | 99999 | 0   | 0    | nor after a longer silence than a week
  `);
  for (const row of windowCases)
    test(`${row.rule} at minute ${row.at}: ${row.because}`, () => {
      for (const steps of [[], ["500", "1470", "9000"]]) {
        const windows = seesaw(60);
        for (const step of steps) if (Number(step) < Number(row.at)) advanceTo(windows, Number(step) * minute);
        advanceTo(windows, Number(row.at) * minute);
        expect([windows.day.count, windows.week.count]).toEqual([Number(row.day), Number(row.week)]);
        expect(windows.week.squares).toBe(BigInt(row.week) * ln101 * ln101);
      }
    });
  test("HAIR-04 a slot of the ring is free again after a week", () => {
    const windows = seesaw(10_079);
    recordPrice(windows, number("100"), 10_080 * minute);
    expect([windows.day.count, windows.week.count]).toEqual([1440, 10_080]);
    recordPrice(windows, number("101"), 10_081 * minute);
    expect([windows.day.count, windows.week.count]).toEqual([1440, 10_080]);
    expect(windows.week.squares).toBe(10_080n * ln101 * ln101);
  });

  test("HAIR-05 59 returns count 0, 60 count", () => {
    expect(realisedVariance(seesaw(59)).day.isZero()).toBe(true);
    const { day, week } = realisedVariance(seesaw(60));
    expect(day.equals(Rational.ofUnits(ln101 * ln101, 30))).toBe(true);
    expect(week.equals(day)).toBe(true);
  });
  test("HAIR-05 σ² is about zero: a steady climb is volatility too", () => {
    let price = number("1");
    const windows = emptyVolatility();
    for (let at = 0; at <= 60; at += 1) {
      recordPrice(windows, price, at * minute);
      price = price.times(number("2"));
    }
    expect(realisedVariance(windows).day.equals(Rational.ofUnits(693_147_180_559_945n ** 2n, 30))).toBe(true);
  });
  test("HAIR-04 saved windows go on as if they had not been saved", () => {
    const windows = seesaw(1_500, 20_000);
    recordPrice(windows, number("105"), 21_500 * minute);
    const text = JSON.stringify(saveVolatility(windows));
    const again = loadVolatility(JSON.parse(text) as ReturnType<typeof saveVolatility>);
    expect(again).toEqual(windows);
    for (const one of [windows, again]) recordPrice(one, number("104"), 21_501 * minute);
    expect(again).toEqual(windows);
  });
  test("a price that is not positive is refused", () => {
    expect(() => recorded([[0, "0"]])).toThrow(RangeError);
  });
});

function rulesWith(text: string): HaircutRules {
  const [base, min, max, k, horizonMinutes, decay, step] = text.split(" ");
  const optional = (one: string | undefined): Rational | null => (one === undefined ? null : number(one));
  return {
    base: number(base ?? "0"),
    min: number(min ?? "0"),
    max: number(max ?? "1"),
    k: number(k ?? "0"),
    horizonMinutes: number(horizonMinutes ?? "0"),
    decayPerHour: optional(decay),
    maintenanceStepPerHour: optional(step),
  };
}

describe("target", () => {
  const cases = table(`
    rule    | rules               | variance     | target | because
    HAIR-06 | 0.05 0 1 2 100      | 0            | 0.05   | no volatility, the base
    HAIR-06 | 0.05 0 1 2 100      | 0.000025     | 0.1    | 2·0.005·√100 exactly
    HAIR-06 | 0.05 0 1 2 100      | 0.00002501   | 0.101  | a little more is rounded up
    HAIR-06 | 0.05 0 1 2 100      | 0.00000625   | 0.05   | at the base exactly
    HAIR-06 | 0.05 0 1 2 100      | 0.0000062501 | 0.051  | just above it
    HAIR-06 | 0.05 0 0.3 2 100    | 0.000225     | 0.3    | at the maximum exactly
    HAIR-06 | 0.05 0 0.3 2 100    | 0.01         | 0.3    | never above it
    HAIR-06 | 0.05 0.08 0.3 2 100 | 0            | 0.08   | never below the minimum
    HAIR-06 | 0.0501 0 1 0 0      | 0            | 0.051  | the base is rounded up to 0.1 % too
    HAIR-06 | 0.05 0 1 1 2        | 0.01         | 0.142  | an irrational root rounds up
    HAIR-06 | 0.05 0 1 0 120      | 1            | 0.05   | without k volatility plays no part
  `);
  for (const { rule, rules, variance, target, because } of cases)
    test(`${rule} ${because}`, () => {
      expect(haircutTarget(rulesWith(rules), number(variance)).toStringDown()).toBe(target);
    });
});

/** Variances that make targets of 5 %, 10 %, 10.3 % and 20 % under the rules below. */
const rules = rulesWith("0.05 0 0.3 2 100 0.02 0.01");
const variances = new Map([
  ["0.05", Rational.zero],
  ["0.1", number("0.000025")],
  ["0.103", number("0.00002652")],
  ["0.2", number("0.0001")],
]);

/** "0 0.05, 1h 0.1": instants and the targets that hold from then on. */
function run(text: string, under: HaircutRules = rules): HaircutState {
  let state: HaircutState | null = null;
  for (const step of text.split(", ")) {
    const [time = "0", target = ""] = step.split(" ");
    const t = time.endsWith("h") ? Number(time.slice(0, -1)) * hour : Number(time);
    const variance = variances.get(target);
    if (variance === undefined) throw new Error(`no variance for ${target}`);
    state = nextHaircut(state, under, variance, t);
    expect(state.target.toStringDown()).toBe(target);
  }
  if (state === null) throw new Error("no steps");
  return state;
}

describe("movement", () => {
  const cases = table(`
    rule    | steps                                       | initial | maintenance | because
    HAIR-07 | 0 0.1                                       | 0.1     | 0.05        | first sight: initial at the target
    HAIR-09 | 0 0.05                                      | 0.05    | 0.05        | first sight: maintenance at the base
    HAIR-07 | 0 0.05, 1 0.2                               | 0.2     | 0.05        | initial rises at once
    HAIR-08 | 0 0.2, 1 0.1, 180000 0.1                    | 0.2     | 0.05        | initial falls no sooner than 0.1 % is permitted
    HAIR-08 | 0 0.2, 1 0.1, 180001 0.1                    | 0.199   | 0.05        | 180 s permit 0.1 %
    HAIR-08 | 0 0.2, 1h 0.1, 2h 0.1                       | 0.18    | 0.07        | two points in an hour, counted from the fall
    HAIR-08 | 0 0.2, 0 0.1, 5h 0.1                        | 0.1     | 0.1         | the target exactly after five hours
    HAIR-08 | 0 0.2, 0 0.1, 9h 0.1                        | 0.1     | 0.1         | not below the target
    HAIR-09 | 0 0.05, 10h 0.1                             | 0.1     | 0.05        | nothing is saved up while there is nowhere to go
    HAIR-09 | 0 0.05, 10h 0.1, 11h 0.1                    | 0.1     | 0.06        | one point in the hour after
    HAIR-09 | 0 0.05, 0 0.1, 359999 0.1                   | 0.1     | 0.05        | one ms short of 0.1 %
    HAIR-09 | 0 0.05, 0 0.1, 360000 0.1                   | 0.1     | 0.051       | 360 s permit 0.1 % up
    HAIR-09 | 0 0.1, 5h 0.1, 5h 0.05, 6h 0.05             | 0.08    | 0.09        | and a point an hour down
    HAIR-09 | 0 0.05, 0 0.1, 200000 0.1, 400000 0.1       | 0.1     | 0.051       | less than a step is kept for the next look
    HAIR-09 | 0 0.05, 0 0.1, 200000 0.1, 720000 0.1       | 0.1     | 0.052       | however often one looks
    HAIR-09 | 0 0.05, 0 0.103, 6h 0.103                   | 0.103   | 0.103       | 5.3 points need no whole hours
    HAIR-09 | 0 0.05, 0 0.103, 19079999 0.103             | 0.103   | 0.102       | and 5.3 hours to the ms
    HAIR-09 | 0 0.05, 0 0.103, 19080000 0.103             | 0.103   | 0.103       | no more, no less
    HAIR-09 | 0 0.05, 0 0.2, 1h 0.2, 1h 0.05              | 0.2     | 0.06        | a turn takes no time of its own
    HAIR-09 | 0 0.05, 0 0.2, 1h 0.2, 1h 0.05, 2h 0.05     | 0.18    | 0.05        | and goes back at the same pace
  `);
  for (const { rule, steps, initial, maintenance, because } of cases)
    test(`${rule} ${because}`, () => {
      const state = run(steps);
      expect([state.initial.toStringDown(), state.maintenance.toStringDown()]).toEqual([initial, maintenance]);
    });
  test("HAIR-08 HAIR-09 without rates both move at once", () => {
    const state = run("0 0.2, 1 0.1", rulesWith("0.05 0 0.3 2 100"));
    expect([state.initial.toStringDown(), state.maintenance.toStringDown()]).toEqual(["0.1", "0.1"]);
  });
  test("HAIR-10 what is coming is known, with the first ms at which it can be there", () => {
    const state = run("0 0.05, 0 0.103, 200000 0.103");
    const announced = announcedHaircut(state, rules);
    expect([announced?.maintenance.toStringDown(), announced?.t]).toEqual(["0.103", 19_080_000]);
    expect(announcedHaircut(run("0 0.05"), rules)).toBe(null);
    expect(announcedHaircut(state, rulesWith("0.05 0 0.3 2 100 0.02 0"))).toBe(null);
    expect(announcedHaircut(state, rulesWith("0.05 0 0.3 2 100"))?.t).toBe(200_000);
  });
  test("HAIR-09 a saved state goes on as if it had not been saved", () => {
    const state = run("0 0.2, 7 0.103, 123456 0.103");
    const text = JSON.stringify(saveHaircut(state));
    const again = loadHaircut(JSON.parse(text) as ReturnType<typeof saveHaircut>);
    const after = (from: HaircutState): unknown =>
      saveHaircut(nextHaircut(from, rules, variances.get("0.103") ?? Rational.zero, 999_999));
    expect(JSON.stringify(saveHaircut(again))).toBe(text);
    expect(after(again)).toEqual(after(state));
  });
});
