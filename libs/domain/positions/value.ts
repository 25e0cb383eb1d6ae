import { Rational } from "#libs/decimal/index.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";

/**
 * POS-01: the signed value of `qty` contracts at `price`, in the settle asset: `q·m·p` linear, `−q·m/p` inverse.
 * The sign makes unrealised profit `value − cost` for both kinds. `price` must be positive for an inverse contract.
 */
export function value(instrument: InstrumentRules, qty: Rational, price: Rational): Rational {
  const exposure = qty.times(instrument.multiplier);
  return instrument.kind === "linear" ? exposure.times(price) : exposure.dividedBy(price).negated();
}

/** POS-02: the magnitude of the value, in the settle asset. */
export function notional(instrument: InstrumentRules, qty: Rational, price: Rational): Rational {
  return value(instrument, qty, price).abs();
}

/** POS-03: what closing at `price` would make, before fees and roundings, settle asset. */
export function unrealisedProfit(
  instrument: InstrumentRules,
  qty: Rational,
  cost: Rational,
  price: Rational,
): Rational {
  return value(instrument, qty, price).minus(cost);
}

/** POS-04: the price at which the position breaks even: derived, never stored. */
export function entryPrice(instrument: InstrumentRules, qty: Rational, cost: Rational): Rational {
  const exposure = qty.times(instrument.multiplier);
  if (instrument.kind === "linear") return cost.dividedBy(exposure);
  return cost.isZero() ? Rational.zero : exposure.dividedBy(cost).negated();
}

/** POS-05: a fill's value, rounded up to the settle quantum: against the party that books it, by less than one quantum. */
export function fillValue(instrument: InstrumentRules, qty: Rational, price: Rational, quantum: Rational): Rational {
  return value(instrument, qty, price).ceilTo(quantum);
}
