import { powerOfTen } from "./amounts.ts";
import { floorDivide, Rational } from "./rational.ts";

/** Roots and curves are kept to this many decimals (NUM-04). */
const rootDecimals = 18;

/** The largest integer whose square is not above `value`; `value` must not be negative. Newton's method from above. */
export function integerSquareRoot(value: bigint): bigint {
  if (value < 0n) throw new RangeError("no square root of a negative number");
  if (value < 2n) return value;
  let root = 1n << BigInt((value.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** NUM-04: √value rounded up to 1e-18 (a requirement, or the divisor of a credit). Throws `RangeError` below zero. */
export function squareRootUp(value: Rational): Rational {
  const scale = powerOfTen(2 * rootDecimals);
  const scaled = floorDivide(value.numerator * scale, value.denominator);
  const root = integerSquareRoot(scaled);
  const exact = root * root * value.denominator === value.numerator * scale;
  return Rational.ofUnits(exact ? root : root + 1n, rootDecimals);
}

const elevenTenths = Rational.ofUnits(11n, 1);

/**
 * NUM-04: the size curve `min(weight, 1.1 / (1 + k·√size))`, rounded down to 1e-18 because it is credit.
 * `size` is in units of the asset and not negative, `k` is not negative, `weight` is a fraction.
 */
export function sizeCurve(weight: Rational, k: Rational, size: Rational): Rational {
  if (k.isZero() || size.isZero()) return Rational.min(weight, elevenTenths);
  const divisor = Rational.one.plus(k.times(squareRootUp(size)));
  const curve = elevenTenths.dividedBy(divisor).floorTo(Rational.ofUnits(1n, rootDecimals));
  return Rational.min(weight, curve);
}
