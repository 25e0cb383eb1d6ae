import { Rational } from "#libs/decimal/index.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { fillValue, value } from "./value.ts";

export interface Holding {
  /** Signed contracts; zero: no position. */
  readonly qty: Rational;
  /** Σ value at entry, signed, settle asset, whole quanta. */
  readonly cost: Rational;
}

export interface FillOutcome {
  readonly after: Holding;
  /** Contracts that reduced the old position, positive. */
  readonly closed: Rational;
  /** Contracts that opened or added to a position, positive. */
  readonly opened: Rational;
  /** Profit realised by the closing leg, settle asset, whole quanta, signed. */
  readonly realised: Rational;
  /** What rounding the legs' values up has added, settle asset, ≥ 0: it goes to `rounding`. */
  readonly rounding: Rational;
}

/** POS-06: how much of the cost leaves with `closed` of |qty| contracts: rounded up, against the trader; all of it at a full close. */
function costTaken(before: Holding, closed: Rational, quantum: Rational): Rational {
  const size = before.qty.abs();
  return closed.equals(size) ? before.cost : before.cost.times(closed).dividedBy(size).ceilTo(quantum);
}

/**
 * POS-07: books `qty` (signed) contracts at `price` on a net position. A fill through zero closes, then opens; each leg's value
 * is rounded up on its own. Pure; `qty` is not zero and whole lots, `before.cost` whole quanta.
 */
export function applyFill(
  instrument: InstrumentRules,
  before: Holding,
  qty: Rational,
  price: Rational,
  quantum: Rational,
): FillOutcome {
  const against = before.qty.sign !== 0 && before.qty.sign !== qty.sign;
  const closed = against ? Rational.min(before.qty.abs(), qty.abs()) : Rational.zero;
  const opened = qty.abs().minus(closed);
  const direction = qty.sign < 0 ? Rational.one.negated() : Rational.one;
  let { qty: size, cost } = before;
  let realised = Rational.zero;
  let rounding = Rational.zero;
  if (!closed.isZero()) {
    const leg = closed.times(direction);
    const paid = fillValue(instrument, leg, price, quantum);
    const taken = costTaken(before, closed, quantum);
    rounding = rounding.plus(paid.minus(value(instrument, leg, price)));
    realised = paid.plus(taken).negated();
    size = size.plus(leg);
    cost = cost.minus(taken);
  }
  if (!opened.isZero()) {
    const leg = opened.times(direction);
    const paid = fillValue(instrument, leg, price, quantum);
    rounding = rounding.plus(paid.minus(value(instrument, leg, price)));
    size = size.plus(leg);
    cost = cost.plus(paid);
  }
  return { after: { qty: size, cost }, closed, opened, realised, rounding };
}
