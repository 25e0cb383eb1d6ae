import { Rational } from "#libs/decimal/index.ts";
import { mostLots } from "#libs/domain/adl/most-lots.ts";
import { fillValue, value } from "#libs/domain/positions/value.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { against, type ClosedSide } from "./limits.ts";

/** A close of part of a position below its bankruptcy price. */
export interface BackedClose {
  readonly instrument: InstrumentRules;
  readonly side: ClosedSide;
  /** p_bk: exact. */
  readonly bankruptcyPrice: Rational;
  /** Where it fills. */
  readonly price: Rational;
  /** Quantum of the settle asset. */
  readonly quantum: Rational;
}

const held = (side: ClosedSide, contracts: Rational): Rational => (side === "long" ? contracts : contracts.negated());

/** LIQ-17: settle asset that one lot loses against p_bk when it fills at the price; negative or zero: it loses nothing. Exact. */
export function lossPerLot(close: BackedClose): Rational {
  const { instrument, side, bankruptcyPrice, price } = close;
  const lot = held(side, instrument.lot);
  return value(instrument, lot, bankruptcyPrice).minus(value(instrument, lot, price));
}

/**
 * LIQ-17: what the fund pays for a fill of `contracts` (positive): what p_bk would have brought less what the fill brings, its own
 * rounding included, rounded up to the quantum: the payer pays up. Never negative.
 */
export function topUp(close: BackedClose, contracts: Rational): Rational {
  const { instrument, side, bankruptcyPrice, price, quantum } = close;
  const qty = held(side, contracts);
  const brought = fillValue(instrument, qty.negated(), price, quantum).negated();
  return Rational.max(value(instrument, qty, bankruptcyPrice).minus(brought).ceilTo(quantum), Rational.zero);
}

/**
 * LIQ-17: how many of `lots` the fund can top up: `floor((F / P) / loss per lot)`, all of them when a lot loses nothing. `fund` is
 * F in the settle asset. The last lots give way where the roundings of the fill would cost more than the fund may spend.
 */
export function fundedLots(close: BackedClose, lots: bigint, fund: Rational): bigint {
  const loss = lossPerLot(close);
  if (loss.sign <= 0) return lots;
  const purse = Rational.max(fund, Rational.zero).floorTo(close.quantum);
  const reach = purse.floorIn(loss);
  const most = reach < lots ? reach : lots;
  const contracts = close.instrument.lot.times(Rational.ofInteger(most));
  if (topUp(close, contracts).atMost(purse)) return most;
  // A top-up is below n · loss + 2 quanta, so leaving two quanta aside always holds.
  const aside = purse.minus(close.quantum.times(Rational.ofInteger(2)));
  return aside.sign <= 0 ? 0n : aside.floorIn(loss);
}

/** LIQ-14: where a provider takes a position over: mark less its discount for a long, mark plus it for a short. */
export function providerPrice(side: ClosedSide, mark: Rational, discount: Rational): Rational {
  return against(side, mark, discount);
}

/**
 * LIQ-14: lots a provider takes at its price: at most R, its capacity, and what the fund can top up to p_bk; and of those as many
 * as leave it with its initial margin (`keepsMargin(n)`: after taking n lots, E_I ≥ IM).
 */
export function providerLots(
  close: BackedClose,
  limits: { readonly open: bigint; readonly capacity: Rational; readonly fund: Rational },
  keepsMargin: (lots: bigint) => boolean,
): bigint {
  const ready = Rational.max(limits.capacity, Rational.zero).floorIn(close.instrument.lot);
  const offered = ready < limits.open ? ready : limits.open;
  return mostLots(fundedLots(close, offered, limits.fund), keepsMargin);
}
