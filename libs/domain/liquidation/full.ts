import { Rational } from "#libs/decimal/index.ts";

/**
 * LIQ-13: contracts of one slice: floor_lot(depth · share), at least one lot, at most what is open. `depth` is the contracts the
 * venue sees on the side that would be hit; `share` null: all of it. Nothing where there is no depth at all.
 */
export function sliceQty(open: Rational, depth: Rational, share: Rational | null, lot: Rational): Rational {
  if (depth.sign <= 0 || open.sign <= 0) return Rational.zero;
  const whole = (share === null ? depth : depth.times(share)).floorTo(lot);
  return Rational.min(Rational.max(whole, lot), open);
}
