import { Rational } from "#libs/decimal/index.ts";

export interface WeightedPrice {
  readonly price: Rational;
  /** How much this price counts; one that is not positive does not count at all. */
  readonly weight: Rational;
}

const half = Rational.fraction(1n, 2n);

/**
 * MARK-01, MARK-02: the lowest price at which the cumulative weight passes half of the total; where it meets half
 * exactly, the middle between that price and the next one. The order of the prices given plays no part.
 * Null when nothing has weight. Exact: a middle may need one decimal more than its prices.
 */
export function weightedMedian(prices: readonly WeightedPrice[]): Rational | null {
  const counting = prices.filter((one) => one.weight.sign > 0);
  counting.sort((left, right) => left.price.compare(right.price));
  const middle = Rational.sum(counting.map((one) => one.weight)).times(half);
  let cumulative = Rational.zero;
  for (const [at, one] of counting.entries()) {
    cumulative = cumulative.plus(one.weight);
    if (cumulative.above(middle)) return one.price;
    const next = counting[at + 1];
    if (next !== undefined && cumulative.equals(middle)) return one.price.plus(next.price).times(half);
  }
  return null;
}
