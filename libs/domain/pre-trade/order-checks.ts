import { Rational } from "#libs/decimal/index.ts";
import type { Binding } from "#libs/domain/limits/effective.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { RestingOrder } from "#libs/domain/positions/views.ts";
import { type Finding, measured, stated } from "./codes.ts";

/** Checks of an order by itself: its numbers against the instrument's grid and the mark. */

export function tickSize({ price, instrument: { tick } }: RestingOrder): Finding | null {
  if (price === null || tick === null || price.isMultipleOf(tick)) return null;
  return stated("tick_size", price.toStringDown(), tick.toStringDown());
}

export function lotSize({ qty, instrument: { lot } }: RestingOrder): Finding | null {
  return qty.isMultipleOf(lot) ? null : stated("lot_size", qty.toStringDown(), lot.toStringDown());
}

export function orderSize({ qty }: RestingOrder, most: Binding): Finding | null {
  return qty.above(most.value) ? measured("order_size", qty, most.value, most.source) : null;
}

/** Of what may open something; a market order is valued at mark. */
export function minNotional({ qty, price, instrument }: RestingOrder, mark: Rational): Finding | null {
  const size = notional(instrument, qty, price ?? mark);
  const { minNotional: least } = instrument;
  return size.below(least) ? stated("min_notional", size.toStringDown(), least.toStringDown()) : null;
}

export function priceBand({ price, instrument: { priceBand: band } }: RestingOrder, mark: Rational): Finding | null {
  if (price === null || band === null) return null;
  const distance = mark.times(band);
  if (price.minus(mark).abs().atMost(distance)) return null;
  return stated("price_band", price.toStringDown(), distance.toStringDown());
}

/** A buy loses below its price, a sell above it; a stop at the price itself is one that is hit at once. */
export function stopPrice({ price, side }: RestingOrder, stop: Rational | null, mark: Rational): Finding | null {
  if (stop === null) return null;
  const from = price ?? mark;
  const loses = side === "buy" ? stop.below(from) : stop.above(from);
  return loses && stop.sign > 0 ? null : stated("stop_price", stop.toStringDown(), from.toStringDown());
}

/** `reducing`: contracts of all reduce-only orders on the instrument with this one; `held`: signed contracts. */
export function reduceOnlyViolation(
  { side, reduceOnly }: RestingOrder,
  held: Rational,
  reducing: Rational,
): Finding | null {
  if (!reduceOnly) return null;
  const against = side === "buy" ? held.sign < 0 : held.sign > 0;
  if (against && reducing.atMost(held.abs())) return null;
  return stated("reduce_only_violation", reducing.toStringDown(), held.abs().toStringDown());
}

/** As much of an order as says what it may lose. */
export type Sized = Pick<RestingOrder, "instrument" | "side" | "qty" | "price">;

/** What an order loses when it fills at its limit (a market order: at mark) and is closed at `stop`, settle asset, never below 0. */
export function riskToStop({ qty, price, side, instrument }: Sized, stop: Rational, mark: Rational): Rational {
  const entry = notional(instrument, qty, price ?? mark);
  if (stop.sign <= 0) return instrument.kind === "linear" && side === "buy" ? entry : Rational.zero;
  const exit = notional(instrument, qty, stop);
  // The value of a linear contract rises with its price, that of an inverse one falls.
  const loses = (side === "buy") === (instrument.kind === "linear");
  return Rational.max(Rational.zero, loses ? entry.minus(exit) : exit.minus(entry));
}
