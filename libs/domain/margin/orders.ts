import { Rational } from "#libs/decimal/index.ts";
import { value } from "#libs/domain/positions/value.ts";
import type { CrossPool, MarketView, OpenPosition, RestingOrder } from "#libs/domain/positions/views.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { initialMargin, positionNotional } from "./requirement.ts";

/** What an instrument with resting orders needs of the cross pool. Contracts, and amounts in the settle asset. */
export interface OrderDemand {
  readonly instrument: InstrumentRules;
  /** The position is judged in a pool of its own: only what orders add is reserved here. */
  readonly isolated: boolean;
  /** The largest |position| that orders of one side can lead to. */
  readonly size: Rational;
  /** Notional at that size, and of the position as it is. */
  readonly notional: Rational;
  readonly positionNotional: Rational;
  /** Initial margin at that size, and of the position as it is. */
  readonly im: Rational;
  readonly positionIm: Rational;
  /** Σ of what buys above and sells below mark lose at once on the part that opens. */
  readonly difference: Rational;
}

/** One side's orders, oldest first, and what each would open once the older ones have filled (ORD-03). */
interface Side {
  readonly total: Rational;
  readonly opening: readonly { readonly order: RestingOrder; readonly qty: Rational }[];
}

function sideOf(orders: readonly RestingOrder[], side: "buy" | "sell", held: Rational): Side {
  const against = side === "buy" ? held.sign < 0 : held.sign > 0;
  let reducible = against ? held.abs() : Rational.zero;
  let total = Rational.zero;
  const opening: { order: RestingOrder; qty: Rational }[] = [];
  for (const order of orders) {
    if (order.side !== side) continue;
    total = total.plus(order.qty);
    const reduces = Rational.min(reducible, order.qty);
    reducible = reducible.minus(reduces);
    const qty = order.qty.minus(reduces);
    if (!qty.isZero()) opening.push({ order, qty });
  }
  return { total, opening };
}

const signed = (order: RestingOrder, qty: Rational): Rational => (order.side === "buy" ? qty : qty.negated());

/** ORD-02: what the opening part loses at mark the moment it fills at its limit; nothing for a market order. Settle asset. */
function differenceOf(side: Side, instrument: InstrumentRules, mark: Rational): Rational {
  let total = Rational.zero;
  for (const { order, qty } of side.opening) {
    if (order.price === null || order.price.equals(mark)) continue;
    const contracts = signed(order, qty);
    const loss = value(instrument, contracts, order.price).minus(value(instrument, contracts, mark));
    if (loss.sign > 0) total = total.plus(loss);
  }
  return total;
}

/** TIER-08 for a size reached by orders: at mark, or at entry, where opened parts enter at their limits (market orders: at mark). */
function notionalAfter(
  instrument: InstrumentRules,
  position: OpenPosition | null,
  target: Rational,
  side: Side,
  mark: Rational,
): Rational {
  if (instrument.notional === "mark") return value(instrument, target, mark).abs();
  let total = Rational.zero;
  if (position !== null && position.qty.sign === target.sign) {
    const kept = Rational.min(position.qty.abs(), target.abs());
    total = position.cost.abs().times(kept).dividedBy(position.qty.abs());
  }
  for (const { order, qty } of side.opening) total = total.plus(value(instrument, qty, order.price ?? mark).abs());
  return total;
}

/**
 * ORD-01 to ORD-04: the demand of one instrument. `orders` are those resting on it, oldest first (reduce-only ones are passed
 * over), `position` the account's position on it, null if flat.
 */
export function orderDemand(
  instrument: InstrumentRules,
  position: OpenPosition | null,
  isolated: boolean,
  orders: readonly RestingOrder[],
  market: MarketView,
): OrderDemand {
  const held = position?.qty ?? Rational.zero;
  const counted = orders.filter(({ reduceOnly }) => !reduceOnly);
  const leverage = position?.leverage ?? counted[0]?.leverage ?? null;
  const mark = market.mark(instrument.id);
  const openInterest = market.openInterest(instrument.id);
  const marginAt = (target: Rational, notional: Rational): Rational =>
    initialMargin(instrument, target, notional, leverage, openInterest);
  const heldNotional = position === null ? Rational.zero : positionNotional(position, market);
  const heldIm = marginAt(held, heldNotional);
  const buys = sideOf(counted, "buy", held);
  const sells = sideOf(counted, "sell", held);
  let [size, notional, im] = [held.abs(), heldNotional, heldIm];
  for (const { side, target } of [
    { side: buys, target: held.plus(buys.total) },
    { side: sells, target: held.minus(sells.total) },
  ]) {
    if (side.total.isZero() || target.isZero()) continue;
    // At mark all three grow with the size together; at entry a smaller size may have cost more, and the larger need counts.
    const reached = notionalAfter(instrument, position, target, side, mark);
    size = Rational.max(size, target.abs());
    notional = Rational.max(notional, reached);
    im = Rational.max(im, marginAt(target, reached));
  }
  const difference = differenceOf(buys, instrument, mark).plus(differenceOf(sells, instrument, mark));
  return { instrument, isolated, size, notional, im, positionNotional: heldNotional, positionIm: heldIm, difference };
}

/** ORD-01, ORD-06: the demands of all instruments with orders that count, in order of instrument id. */
export function orderDemands(pool: CrossPool, market: MarketView): readonly OrderDemand[] {
  const resting = new Map<string, RestingOrder[]>();
  for (const order of pool.orders) {
    if (order.reduceOnly) continue;
    const known = resting.get(order.instrument.id);
    if (known === undefined) resting.set(order.instrument.id, [order]);
    else known.push(order);
  }
  return [...resting.keys()].sort().map((id) => {
    const orders = resting.get(id) as readonly RestingOrder[];
    const { instrument } = orders[0] as RestingOrder;
    const cross = pool.positions.find((position) => position.instrument.id === id);
    const isolated = pool.isolated.find((position) => position.instrument.id === id);
    return orderDemand(
      instrument,
      cross ?? isolated ?? null,
      cross === undefined && isolated !== undefined,
      orders,
      market,
    );
  });
}

/** ORD-01, ORD-02: what the orders of one instrument need beyond its position, settle asset. */
export function orderMargin({ im, positionIm, difference }: OrderDemand): Rational {
  return im.minus(positionIm).plus(difference);
}

/** TIER-10, ORD-01: what all resting orders of the account reserve in the cross pool, USD at the settle assets' indices. */
export function orderMarginUsd(pool: CrossPool, market: MarketView): Rational {
  if (pool.orders.length === 0) return Rational.zero;
  let total = Rational.zero;
  for (const demand of orderDemands(pool, market)) {
    const margin = orderMargin(demand);
    if (!margin.isZero()) total = total.plus(margin.times(market.index(demand.instrument.settle)));
  }
  return total;
}

/**
 * ORD-05: the reduce-only orders of one instrument that `held` signed contracts no longer cover: every one on the wrong side,
 * and from the newest back until the rest fits. `orders` oldest first; the answer is newest first.
 */
export function uncoveredReduceOnly(held: Rational, orders: readonly RestingOrder[]): readonly RestingOrder[] {
  const reduceOnly = orders.filter((order) => order.reduceOnly);
  const reduces = (order: RestingOrder): boolean => (order.side === "buy" ? held.sign < 0 : held.sign > 0);
  let covered = Rational.sum(reduceOnly.filter(reduces).map(({ qty }) => qty));
  const size = held.abs();
  const cancelled: RestingOrder[] = [];
  for (const order of reduceOnly.toReversed()) {
    if (!reduces(order)) cancelled.push(order);
    else if (covered.above(size)) {
      covered = covered.minus(order.qty);
      cancelled.push(order);
    }
  }
  return cancelled;
}
