import { Rational } from "#libs/decimal/index.ts";
import { initialMarginAt } from "#libs/domain/margin/requirement.ts";
import { applyFill, type FillOutcome } from "#libs/domain/positions/fill.ts";
import { value } from "#libs/domain/positions/value.ts";
import type { Cash, CrossPool, MarketView, OpenPosition, RestingOrder } from "#libs/domain/positions/views.ts";
import type { Machine } from "../machine.ts";
import { exactOrder, type OrderAsked } from "./wanted.ts";
import type { Holdings } from "./what-if.ts";

/** Cash in order of asset id with an amount added. */
function withCash(cash: readonly Cash[], asset: string, amount: Rational): readonly Cash[] {
  const own = cash.find((one) => one.asset === asset)?.amount ?? Rational.zero;
  return [...cash.filter((one) => one.asset !== asset), { asset, amount: own.plus(amount) }].sort((left, right) =>
    left.asset < right.asset ? -1 : 1,
  );
}

const inOrder = (positions: readonly OpenPosition[]): readonly OpenPosition[] =>
  positions.toSorted((left, right) => (left.instrument.id < right.instrument.id ? -1 : 1));

/**
 * The pools of an account once an order on a listed instrument has filled whole, as a taker: what accrued is booked first, the
 * fee comes from cross cash, an isolated position moves margin (POS-07, POS-10 to POS-12, FUND-04). Nothing is stored.
 */
export function filledBy(
  machine: Machine,
  account: number,
  { cross, isolated }: Holdings,
  order: RestingOrder,
  market: MarketView,
): Holdings {
  const { book } = machine;
  const { instrument, leverage } = order;
  const { quantum } = market.asset(instrument.settle);
  const price = order.price ?? market.mark(instrument.id);
  const row = account < 0 ? -1 : book.findRow(account, book.instrumentIndex(instrument.id));
  const own = row >= 0 && book.isIsolated(row);
  const pool = isolated.find((one) => one.position.instrument.id === instrument.id);
  const held = own ? pool?.position : cross.positions.find((one) => one.instrument.id === instrument.id);
  const accrued = (held?.funding ?? Rational.zero).floorTo(quantum);
  const before = { qty: held?.qty ?? Rational.zero, cost: held?.cost ?? Rational.zero };
  const signed = order.side === "buy" ? order.qty : order.qty.negated();
  const outcome = applyFill(instrument, before, signed, price, quantum);
  const after: OpenPosition = { instrument, ...outcome.after, funding: Rational.zero, leverage };
  const fee = value(instrument, order.qty, price).abs().times(instrument.takerFee).ceilTo(quantum);
  const others = <One>(list: readonly One[], id: (one: One) => string): One[] =>
    list.filter((one) => id(one) !== instrument.id);
  const stays = after.qty.isZero() ? [] : [after];
  if (!own) {
    const paid = outcome.realised.plus(accrued).minus(fee);
    const cash = withCash(cross.cash, instrument.settle, paid);
    const positions = inOrder([...others(cross.positions, (one) => one.instrument.id), ...stays]);
    return { cross: { ...cross, cash, positions }, isolated };
  }
  const openInterest = market.openInterest(instrument.id);
  const imAt = (qty: Rational): Rational => initialMarginAt(instrument, qty, price, leverage, openInterest);
  const size = after.qty.abs();
  const added = outcome.opened.isZero()
    ? Rational.zero
    : imAt(size)
        .minus(imAt(size.minus(outcome.opened)))
        .ceilTo(quantum);
  const moved = marginMoved((pool?.margin ?? Rational.zero).plus(accrued), before.qty.abs(), outcome, added, quantum);
  const next: CrossPool = {
    ...cross,
    cash: withCash(cross.cash, instrument.settle, moved.toCash.minus(fee)),
    isolated: inOrder([...others(cross.isolated, (one) => one.instrument.id), ...stays]),
  };
  const pools = others(isolated, (one) => one.position.instrument.id);
  if (!after.qty.isZero()) pools.push({ kind: "isolated", margin: moved.margin, position: after });
  return { cross: next, isolated: pools };
}

/** The same of an order in text, on an instrument that the caller knows to be listed. */
export function filled(
  machine: Machine,
  account: number,
  holdings: Holdings,
  asked: OrderAsked,
  market: MarketView,
): Holdings {
  const order = exactOrder({ machine, account }, asked);
  if (order === null) throw new RangeError(`no instrument ${asked.instrument} in the rules`);
  return filledBy(machine, account, holdings, order, market);
}

/** POS-10 to POS-12: what closing releases, what a loss eats of the margin, what opening adds; a deficit is nobody's here. */
function marginMoved(
  margin: Rational,
  size: Rational,
  outcome: FillOutcome,
  added: Rational,
  quantum: Rational,
): { readonly margin: Rational; readonly toCash: Rational } {
  let left = margin;
  let toCash = Rational.zero;
  if (!outcome.closed.isZero()) {
    const all = outcome.closed.equals(size);
    const released = all ? margin : margin.times(outcome.closed).dividedBy(size).floorTo(quantum);
    left = left.minus(released);
    toCash = released.plus(outcome.realised);
    if (toCash.sign < 0) {
      left = Rational.max(left.plus(toCash), Rational.zero);
      toCash = Rational.zero;
    }
  }
  return { margin: left.plus(added), toCash: toCash.minus(added) };
}
