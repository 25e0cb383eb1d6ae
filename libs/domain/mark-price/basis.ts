import { Rational } from "#libs/decimal/index.ts";
import type { MarkRules } from "#libs/domain/rule-set/types.ts";
import { priceStep } from "./index-price.ts";

/** The smoothed distance of an instrument's book from its index, and when it was last brought up to date (UTC ms). */
export interface Basis {
  /** Quote per base, a whole number of 1e-18. */
  readonly average: Rational;
  readonly t: number;
}

/**
 * MARK-21: an average starts at zero and moves by `(sample − average) · dt/(dt + T)`, rounded down to 1e-18: rational
 * where the customary exponential is not, and never past the sample. `T` is the time constant in ms; no negative `dt`.
 */
export function nextBasis(basis: Basis | null, sample: Rational, timeConstantMs: number, t: number): Basis {
  if (basis === null) return { average: Rational.zero, t };
  const elapsedMs = Math.max(0, t - basis.t);
  if (elapsedMs === 0) return basis;
  const weight = Rational.fraction(BigInt(elapsedMs), BigInt(elapsedMs + timeConstantMs));
  const average = basis.average.plus(sample.minus(basis.average).times(weight));
  return { average: average.floorTo(priceStep), t };
}

/** MARK-22: the average, no further from zero than the share `basisMax` of the index (null: unbounded). */
export function clampedBasis(average: Rational, index: Rational, basisMax: Rational | null): Rational {
  if (basisMax === null) return average;
  const bound = basisMax.times(index);
  return Rational.max(bound.negated(), Rational.min(bound, average));
}

/** MARK-22: index plus clamped basis, rounded down to 1e-18; without a time constant the mark is the index. */
export function unsteppedMark(index: Rational, basis: Basis | null, rules: MarkRules): Rational {
  if (rules.basisEmaMs === null || basis === null) return index;
  return index.plus(clampedBasis(basis.average, index, rules.basisMax)).floorTo(priceStep);
}
