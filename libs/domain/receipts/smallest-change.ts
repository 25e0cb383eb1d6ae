import { Rational } from "#libs/decimal/index.ts";
import { mostLots } from "#libs/domain/adl/most-lots.ts";

/** Doublings tried before a deposit is given up: beyond the largest amount a border lets in at the finest quantum. */
const doublingsMax = 130;

/**
 * LIQ-23: the smallest deposit, in whole quanta, for which `evaluate(deposit)` is at least zero (`strict`: above zero); zero when
 * none is needed, null when no amount helps (an asset whose further units have weight 0). `evaluate` is the exact health after
 * the deposit (`E_M − k · MM`, `E_I − IM` …) and must not fall as the deposit grows: slices, caps and size curves then need no
 * formula of their own, since the search meets their edges by itself.
 */
export function smallestDeposit(
  quantum: Rational,
  evaluate: (deposit: Rational) => Rational,
  strict: boolean,
): Rational | null {
  const enough = (quanta: bigint): boolean => {
    const { sign } = evaluate(quantum.times(Rational.ofInteger(quanta)));
    return strict ? sign > 0 : sign >= 0;
  };
  if (enough(0n)) return Rational.zero;
  let short = 0n;
  let high = 1n;
  for (let doubling = 0; !enough(high); doubling += 1) {
    if (doubling === doublingsMax) return null;
    short = high;
    high *= 2n;
  }
  while (high - short > 1n) {
    const middle = (short + high) >> 1n;
    if (enough(middle)) high = middle;
    else short = middle;
  }
  return quantum.times(Rational.ofInteger(high));
}

/** LIQ-23: the largest size, in whole lots, up to `wanted` that `accepted` allows; null: not even one lot. Fewer lots must never be worse. */
export function largestSize(wanted: Rational, lot: Rational, accepted: (qty: Rational) => boolean): Rational | null {
  const contracts = (lots: bigint): Rational => lot.times(Rational.ofInteger(lots));
  const lots = mostLots(wanted.floorIn(lot), (n) => accepted(contracts(n)));
  return lots === 0n ? null : contracts(lots);
}
