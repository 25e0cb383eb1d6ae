import { Rational } from "#libs/decimal/index.ts";
import { value } from "#libs/domain/positions/value.ts";
import type { CrossPool, MarketView, OpenPosition, RestingOrder } from "#libs/domain/positions/views.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { initialMargin, positionNotional as heldNotional } from "./requirement.ts";

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

/** One side's orders as they add up, oldest first: each closes what the older ones have left of the position, and opens the rest (ORD-03). */
interface Side {
  readonly total: Rational;
  /** What of the position the orders so far would leave to be closed. */
  readonly reducible: Rational;
  /** Where tiers are read at entry: Σ |value| of the opening parts at their limits, market orders at mark. Settle asset. */
  readonly opened: Rational;
  /** ORD-02: Σ of what opening parts lose at mark the moment they fill at their limits; nothing for a market order. Settle asset. */
  readonly difference: Rational;
}

/** What rests on one instrument, added up, so that a newer order is judged without looking at the older ones again. */
export interface Resting {
  readonly instrument: InstrumentRules;
  readonly position: OpenPosition | null;
  readonly isolated: boolean;
  readonly mark: Rational;
  readonly openInterest: Rational;
  /** The position's, else that of the oldest order. */
  readonly leverage: Rational | null;
  readonly positionNotional: Rational;
  readonly positionIm: Rational;
  readonly count: number;
  readonly buys: Side;
  readonly sells: Side;
}

function marginAt(
  { instrument, openInterest }: Pick<Resting, "instrument" | "openInterest">,
  leverage: Rational | null,
  target: Rational,
  notional: Rational,
): Rational {
  return initialMargin(instrument, target, notional, leverage, openInterest);
}

/** An instrument on which nothing rests yet; `position` the account's position on it, null if flat. */
export function nothingResting(
  instrument: InstrumentRules,
  position: OpenPosition | null,
  isolated: boolean,
  market: MarketView,
): Resting {
  const held = position?.qty ?? Rational.zero;
  const { zero } = Rational;
  const mark = market.mark(instrument.id);
  const openInterest = market.openInterest(instrument.id);
  const leverage = position?.leverage ?? null;
  const positionNotional = position === null ? zero : heldNotional(position, market);
  const positionIm = marginAt({ instrument, openInterest }, leverage, held, positionNotional);
  const side = (against: boolean): Side => ({
    total: zero,
    reducible: against ? held.abs() : zero,
    opened: zero,
    difference: zero,
  });
  const sides = { count: 0, buys: side(held.sign < 0), sells: side(held.sign > 0) };
  return { instrument, position, isolated, mark, openInterest, leverage, positionNotional, positionIm, ...sides };
}

/** The same with one more order, the newest. A reduce-only one is passed over. */
export function restingWith(resting: Resting, order: RestingOrder): Resting {
  if (order.reduceOnly) return resting;
  const { instrument, mark, count } = resting;
  const buying = order.side === "buy";
  const side = buying ? resting.buys : resting.sells;
  const reduces = Rational.min(side.reducible, order.qty);
  const qty = order.qty.minus(reduces);
  const price = order.price ?? mark;
  let { opened, difference } = side;
  if (!qty.isZero()) {
    // At mark the size alone counts.
    if (instrument.notional === "entry") opened = opened.plus(value(instrument, qty, price).abs());
    if (!price.equals(mark)) {
      const contracts = buying ? qty : qty.negated();
      const loss = value(instrument, contracts, price).minus(value(instrument, contracts, mark));
      if (loss.sign > 0) difference = difference.plus(loss);
    }
  }
  const next: Side = {
    total: side.total.plus(order.qty),
    reducible: side.reducible.minus(reduces),
    opened,
    difference,
  };
  const first = count === 0 && resting.leverage === null ? leverageOfFirst(resting, order) : {};
  return { ...resting, ...first, count: count + 1, ...(buying ? { buys: next } : { sells: next }) };
}

function leverageOfFirst(resting: Resting, { leverage }: RestingOrder): Pick<Resting, "leverage" | "positionIm"> {
  const held = resting.position?.qty ?? Rational.zero;
  return { leverage, positionIm: marginAt(resting, leverage, held, resting.positionNotional) };
}

/** TIER-08 for a size reached by orders: at mark, or at entry, where opened parts enter at their limits (market orders: at mark). */
function notionalAfter({ instrument, position, mark }: Resting, target: Rational, side: Side): Rational {
  if (instrument.notional === "mark") return value(instrument, target, mark).abs();
  if (position === null || position.qty.sign !== target.sign) return side.opened;
  const kept = Rational.min(position.qty.abs(), target.abs());
  return position.cost.abs().times(kept).dividedBy(position.qty.abs()).plus(side.opened);
}

/** ORD-01 to ORD-04: what is needed with all that rests. */
export function demandOf(resting: Resting): OrderDemand {
  const { instrument, isolated, position, buys, sells, positionNotional, positionIm, leverage } = resting;
  const held = position?.qty ?? Rational.zero;
  let [size, notional, im] = [held.abs(), positionNotional, positionIm];
  for (const { side, target } of [
    { side: buys, target: held.plus(buys.total) },
    { side: sells, target: held.minus(sells.total) },
  ]) {
    if (side.total.isZero() || target.isZero()) continue;
    // At mark all three grow with the size together; at entry a smaller size may have cost more, and the larger need counts.
    const reached = notionalAfter(resting, target, side);
    size = Rational.max(size, target.abs());
    notional = Rational.max(notional, reached);
    im = Rational.max(im, marginAt(resting, leverage, target, reached));
  }
  const difference = buys.difference.plus(sells.difference);
  return { instrument, isolated, size, notional, im, positionNotional, positionIm, difference };
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
  let resting = nothingResting(instrument, position, isolated, market);
  for (const order of orders) resting = restingWith(resting, order);
  return demandOf(resting);
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
