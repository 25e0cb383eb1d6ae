import { describe, expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { accruedFunding, bookedFunding, fundingIncrement } from "#libs/domain/funding/accrual.ts";
import type { SettlementWindow } from "#libs/domain/funding/expiry.ts";
import {
  emptySettlement,
  loadSettlement,
  recordSettlementIndex,
  saveSettlement,
  settlementIndex,
} from "#libs/domain/funding/expiry.ts";
import { addPremium, fundingRate, nextFundingTime, noPremiums } from "#libs/domain/funding/rate.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { table } from "#test/support/table.ts";

const number = (text: string): Rational => Rational.parse(text);
const minute = 60_000;

function instrument(kind: string, multiplier: string): InstrumentRules {
  const id = "BTC-PERP";
  const document = { id, kind: kind as "linear", base: "BTC", quote: "USD", settle: "BTC", multiplier };
  const compiled = compileRules({ assets: [], instruments: [document] }, 1).rules.instruments.get(id);
  if (compiled === undefined) throw new Error("the instrument is in the rules");
  return compiled;
}

describe("accrual", () => {
  const cases = table(`
    rule    | kind    | multiplier | mark  | rate    | qty  | accrued  | because
    FUND-01 | linear  | 1          | 50000 | 0.0001  | 1    | -5       | a long pays a positive rate
    FUND-01 | linear  | 1          | 50000 | 0.0001  | -1   | 5        | a short receives it
    FUND-01 | linear  | 1          | 50000 | -0.0001 | 1    | 5        | a long receives a negative one
    FUND-01 | linear  | 0.01       | 50000 | 0.0001  | 300  | -15      | by contract and multiplier
    FUND-02 | inverse | 1          | 50000 | 0.0001  | 5000 | -0.00001 | an inverse long pays too, in base
    FUND-02 | inverse | 1          | 50000 | 0.0001  | -500 | 0.000001 | an inverse short receives
    FUND-02 | inverse | 100        | 50000 | -0.0001 | 50   | 0.00001  | a negative rate the other way
  `);
  for (const { rule, kind, multiplier, mark, rate, qty, accrued, because } of cases)
    test(`${rule} ${because}`, () => {
      const increment = fundingIncrement(instrument(kind, multiplier), number(mark), number(rate));
      expect(accruedFunding(number(qty), increment, Rational.zero).toStringDown()).toBe(accrued);
    });
  test("FUND-03 a position accrues what came since the sum it was settled at", () => {
    const sums = ["0.0001", "0.0003"].map((rate) =>
      fundingIncrement(instrument("linear", "1"), number("50000"), number(rate)),
    );
    const settled = sums[0] ?? Rational.zero;
    const cumulative = Rational.sum(sums);
    expect(accruedFunding(number("2"), cumulative, settled).toStringDown()).toBe("-30");
    expect(accruedFunding(number("2"), cumulative, cumulative).isZero()).toBe(true);
  });
  test("FUND-03 positions that add up to nothing accrue nothing, to the last digit", () => {
    const increment = fundingIncrement(instrument("inverse", "1"), number("48123.7"), number("0.000137"));
    const accrued = ["3", "7", "-10"].map((qty) => accruedFunding(number(qty), increment, Rational.zero));
    expect(Rational.sum(accrued).isZero()).toBe(true);
  });

  const bookings = table(`
    rule    | accrued | quantum | amount | remainder | because
    FUND-04 | -1.001  | 0.01    | -1.01  | 0.009     | a payer pays the next quantum
    FUND-04 | 1.009   | 0.01    | 1      | 0.009     | a receiver gets the whole ones
    FUND-04 | -1.01   | 0.01    | -1.01  | 0         | a whole number is left alone
    FUND-04 | 1.01    | 0.01    | 1.01   | 0         | received too
    FUND-04 | 0.009   | 0.01    | 0      | 0.009     | less than a quantum is not received
    FUND-04 | -0.001  | 0.01    | -0.01  | 0.009     | but paid
    FUND-04 | 0       | 0.01    | 0      | 0         | nothing is nothing
  `);
  for (const { rule, accrued, quantum, amount, remainder, because } of bookings)
    test(`${rule} ${because}`, () => {
      const result = bookedFunding(number(accrued), number(quantum));
      expect([result.amount.toStringDown(), result.remainder.toStringDown()]).toEqual([amount, remainder]);
    });
});

describe("rate", () => {
  const cases = table(`
    rule    | marks           | interest | max    | rate    | because
    FUND-05 | 101 103         | 0        | —      | 0.02    | the average premium
    FUND-05 | 99 98           | 0        | —      | -0.015  | below the index it is negative
    FUND-05 | 101             | 0.0001   | —      | 0.0101  | interest is added
    FUND-05 | 101             | 0        | 0.01   | 0.01    | at the maximum exactly
    FUND-05 | 101             | 0.0001   | 0.01   | 0.01    | never above
    FUND-05 | 98.9            | 0        | 0.01   | -0.01   | nor as far below
    FUND-05 | —               | 0.0001   | 0.01   | 0.0001  | without samples interest alone
    FUND-05 | 101 101 100     | 0        | —      | 0.006666666666666666 | rounded down at the eighteenth decimal
  `);
  for (const { rule, marks, interest, max, rate, because } of cases)
    test(`${rule} ${because}`, () => {
      let premiums = noPremiums;
      for (const mark of marks === "—" ? [] : marks.split(" "))
        premiums = addPremium(premiums, number(mark), number("100"));
      expect(fundingRate(premiums, number(interest), max === "—" ? null : number(max)).toStringDown()).toBe(rate);
    });
  test("FUND-06 funding times are 00:00, 08:00 and 16:00 UTC", () => {
    const at = (text: string): string => new Date(nextFundingTime(Date.parse(text), 480 * minute)).toISOString();
    expect(at("2025-10-10T07:59:59.999Z")).toBe("2025-10-10T08:00:00.000Z");
    expect(at("2025-10-10T08:00:00.000Z")).toBe("2025-10-10T16:00:00.000Z");
    expect(at("2025-10-10T23:00:00.000Z")).toBe("2025-10-11T00:00:00.000Z");
    expect(nextFundingTime(0, minute)).toBe(minute);
  });
});

describe("expiry", () => {
  /** "0:100 15:200": the index from each minute on. */
  const windowOf = (text: string): SettlementWindow => {
    let window = emptySettlement;
    for (const step of text === "—" ? [] : text.split(" ")) {
      const [at, price] = step.split(":");
      window = recordSettlementIndex(window, number(price ?? ""), Number(at) * minute, 30);
    }
    return window;
  };
  const cases = table(`
    rule   | index                | at    | settlement           | because
    EXP-01 | 0:100 15:200         | 30    | 150                  | each price for as long as it stood
    EXP-01 | 0:100 29:130         | 30    | 101                  | a late move counts for its minute
    EXP-01 | 0:100 29.5:160       | 30    | 101                  | or for half of one
    EXP-01 | 0:100                | 1000  | 100                  | a price that stood since long before
    EXP-01 | 0:999 960:100        | 990   | 100                  | what ended when the window began is out
    EXP-01 | 0:999 961:100        | 990   | 129.966666666666666666 | one minute of it is in
    EXP-01 | 0:100 30:500         | 30    | 100                  | a price that comes at expiry has not stood
    EXP-02 | 0:999 1:100          | 30.5  | 100                  | the window begins at the first whole minute
    EXP-02 | 0:999 1:100          | 30    | 129.966666666666666666 | at a whole minute it is 30 minutes
    EXP-03 | 10:100 20:200        | 30    | 150                  | a shorter history over its own length
    EXP-03 | 30:100               | 30    | 100                  | a price that has just come stands for itself
    EXP-03 | 0:100 1:101          | 3     | 100.666666666666666666 | rounded down at the eighteenth decimal
    EXP-03 | —                    | 30    | —                    | no index, no settlement
  `);
  for (const { rule, index, at, settlement, because } of cases)
    test(`${rule} ${because}`, () => {
      const window = windowOf(index);
      const t = Number(at) * minute;
      expect(settlementIndex(window, t, 30)?.toStringDown() ?? "—").toBe(settlement);
      const again = loadSettlement(
        JSON.parse(JSON.stringify(saveSettlement(window))) as ReturnType<typeof saveSettlement>,
      );
      expect(settlementIndex(again, t, 30)?.toStringDown() ?? "—").toBe(settlement);
    });
  test("EXP-01 the length of the window is a parameter", () => {
    expect(settlementIndex(windowOf("0:100 9:200"), 10 * minute, 2)?.toStringDown()).toBe("150");
  });
  test("EXP-01 no more than a window of minutes is kept", () => {
    let window = emptySettlement;
    for (let at = 0; at < 500; at += 1) window = recordSettlementIndex(window, number("100"), at * minute, 30);
    expect(window.minutes.length).toBeLessThanOrEqual(31);
    expect(recordSettlementIndex(window, number("1"), 1e13, 30).minutes.length).toBeLessThanOrEqual(31);
  });
});
