import { Rational } from "#libs/decimal/index.ts";

/** Premium samples of one interval: fractions of the index, added up exactly. */
export interface PremiumSum {
  readonly sum: Rational;
  readonly count: number;
}

export const noPremiums: PremiumSum = { sum: Rational.zero, count: 0 };

/** FUND-05: one more sample of how far the mark stands above its index, as a fraction; `index` must be positive. */
export function addPremium(premiums: PremiumSum, mark: Rational, index: Rational): PremiumSum {
  const premium = mark.minus(index).dividedBy(index).floorTo(Rational.ofUnits(1n, 18));
  return { sum: premiums.sum.plus(premium), count: premiums.count + 1 };
}

/** FUND-05: `clamp(average premium + interest, −max, max)`, rounded down to 1e-18; without samples the premium is zero. */
export function fundingRate(premiums: PremiumSum, interest: Rational, max: Rational | null): Rational {
  const average = premiums.count === 0 ? Rational.zero : premiums.sum.dividedBy(Rational.ofInteger(premiums.count));
  const rate = average.plus(interest);
  const clamped = max === null ? rate : Rational.max(max.negated(), Rational.min(max, rate));
  return clamped.floorTo(Rational.ofUnits(1n, 18));
}

/** FUND-06: the first funding time after `t` (UTC ms): whole intervals since midnight of 1 January 1970. */
export function nextFundingTime(t: number, intervalMs: number): number {
  return (Math.floor(t / intervalMs) + 1) * intervalMs;
}
