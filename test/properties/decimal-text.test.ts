import fc from "fast-check";
import { expect, test } from "vitest";
import { amountPattern, formatUnits, NotAnAmount, parseAmount } from "#libs/decimal/amounts.ts";
import { Rational } from "#libs/decimal/index.ts";
import { propertyOptions } from "#test/support/property.ts";

/** Digits by big integers alone, as slowly as it likes. */
function slowText(units: bigint, decimals: number): string {
  const size = units < 0n ? -units : units;
  const power = 10n ** BigInt(decimals);
  const fraction = (size % power).toString().padStart(decimals, "0").replace(/0+$/, "");
  const sign = units < 0n ? "-" : "";
  return `${sign}${size / power}${decimals === 0 || fraction === "" ? "" : `.${fraction}`}`;
}

const unitsOf = fc.oneof(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.bigInt({ min: -2000n, max: 2000n }));
const nearAmounts = fc.oneof(
  fc.stringMatching(amountPattern),
  fc.string({ unit: fc.constantFrom("0", "0", "1", "9", ".", "-", "+", "e", "E", " ", "x", "_"), maxLength: 24 }),
);

test("text is read exactly where the pattern lets it in, at its value", () => {
  const reads = fc.property(nearAmounts, (text) => {
    if (!amountPattern.test(text)) {
      expect(() => parseAmount(text)).toThrow(NotAnAmount);
      return;
    }
    const [whole = "", fraction = ""] = text.split(".");
    expect(parseAmount(text)).toEqual({ units: BigInt(whole + fraction), decimals: fraction.length });
  });
  fc.assert(reads, propertyOptions({ numRuns: 2000 }));
});

test("units are written as long division writes them", () => {
  const writes = fc.property(unitsOf, fc.nat(18), (units, decimals) => {
    expect(formatUnits(units, decimals)).toBe(slowText(units, decimals));
  });
  fc.assert(writes, propertyOptions({ numRuns: 1000 }));
});

test("a fraction is rounded down and up as long division rounds it", () => {
  const powers = fc.nat(24).map((exponent) => 10n ** BigInt(exponent));
  const denominators = fc.oneof(powers, fc.bigInt({ min: 1n, max: 10n ** 20n }));
  const rounds = fc.property(unitsOf, denominators, fc.nat(18), (numerator, denominator, decimals) => {
    const scaled = numerator * 10n ** BigInt(decimals);
    const remainder = ((scaled % denominator) + denominator) % denominator;
    const down = (scaled - remainder) / denominator;
    const value = Rational.fraction(numerator, denominator);
    expect(value.toStringDown(decimals)).toBe(slowText(down, decimals));
    expect(value.toStringUp(decimals)).toBe(slowText(remainder === 0n ? down : down + 1n, decimals));
  });
  fc.assert(rounds, propertyOptions({ numRuns: 1000 }));
});
