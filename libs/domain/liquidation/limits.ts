import { Rational } from "#libs/decimal/index.ts";

/** Which way a position that is being closed stood: a long is sold, a short is bought back. */
export type ClosedSide = "long" | "short";

/** The price that is better for the account that closes: higher for what is sold, lower for what is bought. */
export function better(side: ClosedSide, left: Rational, right: Rational): Rational {
  return side === "long" ? Rational.max(left, right) : Rational.min(left, right);
}

/** Whether `price` is no worse for the account than `limit`; null: no limit. */
export function noWorse(side: ClosedSide, price: Rational, limit: Rational | null): boolean {
  if (limit === null) return true;
  return side === "long" ? price.atLeast(limit) : price.atMost(limit);
}

/** `mark` moved against the account by a fraction: down for a long that is sold, up for a short that is bought back. */
export function against(side: ClosedSide, mark: Rational, fraction: Rational): Rational {
  return mark.times(side === "long" ? Rational.one.minus(fraction) : Rational.one.plus(fraction));
}

/**
 * LIQ-11, LIQ-12: the limit of a closing order: mark ± maxSlippage · slice, never worse than the bankruptcy price. `slice` counts
 * from 1; stage 2 always passes 1. Without a `maxSlippage` the bankruptcy price alone limits; without one of those (null)
 * slippage alone; null when neither does.
 */
export function closingLimit(
  side: ClosedSide,
  mark: Rational,
  bankruptcyPrice: Rational | null,
  maxSlippage: Rational | null,
  slice: number,
): Rational | null {
  if (maxSlippage === null) return bankruptcyPrice;
  const slipped = against(side, mark, maxSlippage.times(Rational.ofInteger(slice)));
  return bankruptcyPrice === null ? slipped : better(side, slipped, bankruptcyPrice);
}

/** A limit as an order on a venue can carry it: on the tick, rounded in the account's favour. */
export function onTick(side: ClosedSide, limit: Rational, tick: Rational): Rational {
  return side === "long" ? limit.ceilTo(tick) : limit.floorTo(tick);
}
