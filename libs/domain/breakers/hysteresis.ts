import { Rational } from "#libs/decimal/index.ts";

/** BRK-12: a measure that has tripped releases only below this share of its threshold. */
export const releaseShare = Rational.fraction(5n, 6n);

/** BRK-11, BRK-12: trips at the threshold exactly, and once tripped holds down to ⅚ of it, that included. */
export function holds(tripped: boolean, measure: Rational, threshold: Rational): boolean {
  if (measure.atLeast(threshold)) return true;
  return tripped && measure.atLeast(threshold.times(releaseShare));
}
