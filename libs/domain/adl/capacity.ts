import { Rational } from "#libs/decimal/index.ts";
import { fillValue, unrealisedProfit, value } from "#libs/domain/positions/value.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { mostLots } from "./most-lots.ts";

/** The counterparty of a deleveraging, and the price it is closed at. */
export interface CloseTerms {
  readonly instrument: InstrumentRules;
  /** Signed contracts the counterparty holds. */
  readonly qty: Rational;
  readonly mark: Rational;
  /** p_bk: exact, off the tick. May be ≤ 0 for a linear contract, must be positive for an inverse one. */
  readonly price: Rational;
}

/** USD that one contract loses when it is closed at `price` instead of at mark; negative: it gains. `settleUsd` is the settle asset's index. */
export function lossPerContractUsd({ instrument, qty, mark, price }: CloseTerms, settleUsd: Rational): Rational {
  const contract = qty.sign < 0 ? Rational.one.negated() : Rational.one;
  return value(instrument, contract, mark)
    .minus(value(instrument, contract, price))
    .times(settleUsd);
}

/** ADL-06: whether the position would realise a profit at `price`: strictly more than nothing. */
export function profitsAt({ instrument, qty, price }: Omit<CloseTerms, "mark">, cost: Rational): boolean {
  return unrealisedProfit(instrument, qty, cost, price).sign > 0;
}

/**
 * ADL-07: contracts, in whole lots, that may be taken: never past flat, and never so many that closing them at `price`
 * leaves the pool below zero: `floor_lot(E_full / loss per contract)`. What the fill's rounding takes counts, so a
 * capacity that comes out at exactly zero equity gives up the lot whose rounding would cross it.
 */
export function capacity(
  terms: CloseTerms,
  money: { readonly settleUsd: Rational; readonly quantum: Rational; readonly fullEquityUsd: Rational },
): Rational {
  const { instrument, qty, mark, price } = terms;
  const size = qty.abs().floorTo(instrument.lot);
  if (money.fullEquityUsd.sign <= 0) return Rational.zero;
  const loss = lossPerContractUsd(terms, money.settleUsd);
  if (loss.sign <= 0) return size;
  const most = Rational.min(size, money.fullEquityUsd.dividedBy(loss).floorTo(instrument.lot));
  if (most.isZero()) return most;
  const leg = qty.sign < 0 ? most : most.negated();
  const rounded = fillValue(instrument, leg, price, money.quantum).minus(value(instrument, leg, mark));
  const left = money.fullEquityUsd.minus(rounded.times(money.settleUsd));
  if (left.sign >= 0) return most;
  // A lot may be worth less than the quantum that rounding takes: so much is set aside, and never more contracts than before.
  const aside = money.fullEquityUsd.minus(money.quantum.times(money.settleUsd).times(Rational.ofInteger(2)));
  if (aside.sign <= 0) return Rational.zero;
  return Rational.min(most.minus(instrument.lot), aside.dividedBy(loss).floorTo(instrument.lot));
}

/**
 * ADL-14: the most lots of `lots` for which the pool's ratio does not fall. `keeps(n)` says whether it does not after n lots;
 * where requirements grow with size at least in proportion, if n lots keep it, fewer do too.
 */
export function lotsKeepingRatio(lots: bigint, keeps: (lots: bigint) => boolean): bigint {
  return mostLots(lots, keeps);
}
