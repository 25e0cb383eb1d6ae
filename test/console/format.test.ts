import fc from "fast-check";
import { expect, test } from "vitest";
import { add, amountOf, compare, multiply, quotient, sum, units } from "#apps/api/console/amounts.ts";
import {
  duration,
  exact,
  fixed,
  instant,
  moment,
  percent,
  price,
  ratio,
  rounded,
  short,
  signed,
  usd,
  usdCents,
} from "#apps/api/console/format.ts";
import { propertyOptions } from "#test/support/property.ts";
import { table } from "#test/support/table.ts";

const shown = table(`
  how     | given                 | seen             | because
  exact   | -1234567.000100       | −1,234,567.0001  | every digit, thousands apart
  exact   | 90071992547409931.1   | 90,071,992,547,409,931.1 | more digits than a float holds
  fixed2  | 0.005                 | 0.01             | a half goes away from zero
  fixed2  | -0.004                | 0.00             | no minus before nothing
  fixed2  | -1.005                | −1.01            | where a float would say 1.00
  short   | 0                     | 0                | as written
  short   | 1234567               | 1.23M            | as written
  short   | 999999                | 1000k           | rounding up does not change the letter
  short   | 12345                 | 12.3k            | as written
  short   | 1234                  | 1.23k            | as written
  short   | 999.96                | 1000             | as written
  short   | 123.456               | 123.5            | as written
  short   | 0.00012345            | 0.000123         | as written
  short   | 90071992547409931     | 90072T           | as written
  usd     | -1500000              | −$1.50M          | the sign stands before the currency
  usd     | 0                     | $0               | as written
  usd     | 0.01                  | $0.01            | a cent is one
  usd     | 0.00000176            | <$0.01           | less than a cent says no more
  usd     | -0.0099               | −<$0.01          | nor does a debt of less
  cents   | 1234.5                | $1,234.50        | as written
  cents   | -0.5                  | −$0.50           | as written
  percent | 0.12345               | 12.35%           | as written
  percent | -0.0001               | −0.01%           | as written
  ratio   | 1.0499999999          | 1.049            | never higher than it is
  ratio   | 12.34                 | 12.3             | as written
  ratio   | 1234.5                | 1,234            | as written
  ratio   | -0.25                 | −0.250           | as written
  price   | 5614.123456           | 5,614.123        | as written
  price   | 50000                 | 50,000.00        | as written
  price   | 0.181904834332748992  | 0.181905         | six digits that matter
  price   | 0.000012345           | 0.000012345      | as written
`);
const how: Record<string, (amount: string) => string> = {
  exact,
  fixed2: (amount) => fixed(amount, 2),
  short,
  usd,
  cents: usdCents,
  percent,
  ratio,
  price,
};
for (const row of shown)
  test(`${row.how} shows ${row.given} as ${row.seen} ${row.because}`, () => {
    expect(how[row.how]?.(row.given)).toBe(row.seen);
  });

test("what is not there is a dash, and a ratio without requirement is infinite", () => {
  expect([exact(null), usd(undefined), percent(null), price(null), duration(null), instant(null)]).toEqual(
    Array.from({ length: 6 }, () => "–"),
  );
  expect(ratio(null)).toBe("∞");
});

test("a gain carries its plus, a loss its minus, nothing neither", () => {
  expect([signed(usd("5")), signed(usd("-5")), signed(usd("0")), signed(percent("0"))]).toEqual([
    "+$5",
    "−$5",
    "$0",
    "0.00%",
  ]);
});

test("times are said in the unit that says enough", () => {
  expect([43.4, 1_500, 61_000, 300_000, 36_000_000, 864_000_000].map(duration)).toEqual([
    "43 ms",
    "1.5 s",
    "61 s",
    "5 min",
    "10 h",
    "10 d",
  ]);
  expect(instant(1584012725000)).toBe("2020-03-12 11:32:05");
  expect(moment(1584012725000, 1584000000000)).toBe("11:32:05");
  expect(moment(1584112725000, 1584012725000)).toBe("03-13 15:18");
});

const amounts = fc.tuple(fc.bigInt(-(10n ** 38n), 10n ** 38n)).map(([value]) => ({ value, text: amountOf(value) }));

test("amounts are read, added, compared and written exactly, whatever their size", () => {
  fc.assert(
    fc.property(amounts, amounts, (a, b) => {
      expect(units(a.text)).toBe(a.value);
      expect(units(add(a.text, b.text))).toBe(a.value + b.value);
      expect(units(sum([a.text, b.text, a.text]))).toBe(2n * a.value + b.value);
      expect(Math.sign(compare(a.text, b.text))).toBe(a.value < b.value ? -1 : a.value > b.value ? 1 : 0);
      expect(rounded(a.text, 18)).toBe(a.text.includes(".") ? rounded(a.text, 18) : `${a.text}.${"0".repeat(18)}`);
    }),
    propertyOptions({ numRuns: 200 }),
  );
  expect(multiply("0.1", "0.2")).toBe("0.02");
  expect(quotient("1", "3")).toBe("0.333333333333333333");
  expect(quotient("1", "0")).toBeNull();
});

test("what is no decimal string is not shown as one", () => {
  for (const text of ["1e5", "NaN", "", "1.", "0x1", " 1"]) expect(() => units(text)).toThrow("no decimal amount");
});
