import { Rational } from "#libs/decimal/index.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";

/**
 * FUND-01, FUND-02: what one long contract pays at a funding time, settle asset: `m·mark·rate` linear, `m/mark·rate`
 * inverse; negative when shorts pay. Exact. The cumulative index of an instrument is the sum of these.
 */
export function fundingIncrement(instrument: InstrumentRules, mark: Rational, rate: Rational): Rational {
  return notional(instrument, Rational.one, mark).times(rate);
}

/**
 * FUND-03: what a position of `qty` signed contracts has accrued since the index it was settled at, settle asset, positive
 * is to be received: `−q·(cumulative − settled)`. Exact, so all positions of an instrument together accrue nothing.
 */
export function accruedFunding(qty: Rational, cumulative: Rational, settled: Rational): Rational {
  return qty.times(settled.minus(cumulative));
}

/** What is booked of accrued funding: `amount` goes to cash (negative: from it), `remainder` to `rounding`. */
export interface BookedFunding {
  readonly amount: Rational;
  readonly remainder: Rational;
}

/** FUND-04: a payer pays the next whole quantum up, a receiver gets the whole quanta; the rest, 0 ≤ rest < quantum, is left. */
export function bookedFunding(accrued: Rational, quantum: Rational): BookedFunding {
  const amount = accrued.floorTo(quantum);
  return { amount, remainder: accrued.minus(amount) };
}
