import { Rational } from "#libs/decimal/index.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";

/** Exposure to the underlying in units of it, signed: `q·m` linear, `q·m/mark` inverse (whose face is in the quote). */
export function underlyingExposure(instrument: InstrumentRules, qty: Rational, mark: Rational): Rational {
  const face = qty.times(instrument.multiplier);
  return instrument.kind === "linear" ? face : face.dividedBy(mark);
}

/**
 * ADL-13: how many contracts of each of one owner's positions on the deleveraged side offset what the same owner (account
 * or entity) holds of that underlying elsewhere. `positions` are the owner's signed contracts there, all of one sign;
 * `exposurePerContract` is positive; `elsewhere` is the owner's net exposure outside them, signed, in the underlying.
 * The offset is shared over the positions in proportion to size, so it does not depend on their order.
 */
export function hedgedContracts(
  positions: readonly Rational[],
  exposurePerContract: Rational,
  elsewhere: Rational,
): Rational[] {
  const total = Rational.sum(positions.map((qty) => qty.abs()));
  const side = positions[0]?.sign ?? 0;
  if (side === 0 || elsewhere.sign !== -side) return positions.map(() => Rational.zero);
  const offset = Rational.min(elsewhere.abs().dividedBy(exposurePerContract), total);
  return positions.map((qty) => qty.abs().times(offset).dividedBy(total));
}
