import { Rational } from "#libs/decimal/index.ts";
import type { BreakerRules, HaltState } from "#libs/domain/rule-set/types.ts";
import { holds } from "./hysteresis.ts";
import { severity } from "./states.ts";

type PriceMoveRules = NonNullable<BreakerRules["priceMove"]>;

/** An index that stood until the next one came; null: it stands. */
interface Extreme {
  readonly price: Rational;
  readonly until: number | null;
}

/** The extremes of one index over a sliding window: candidates, oldest first, each beaten only by those before it. */
export interface IndexWindow {
  /** Falling prices: the first is the highest of the window. */
  readonly highs: readonly Extreme[];
  /** Rising prices: the first is the lowest of the window. */
  readonly lows: readonly Extreme[];
}

export const emptyWindow: IndexWindow = { highs: [], lows: [] };

/** A price replaced at s stood inside the window at t if t − s ≤ windowMs. */
function kept(extremes: readonly Extreme[], windowMs: number, t: number): readonly Extreme[] {
  const first = extremes.findIndex(({ until }) => until === null || t - until <= windowMs);
  return first <= 0 ? extremes : extremes.slice(first);
}

function extended(
  extremes: readonly Extreme[],
  price: Rational,
  t: number,
  beats: (other: Rational) => boolean,
): readonly Extreme[] {
  // The newest price is always the last candidate, so it is the one that stood until now.
  const closed = extremes.map((one) => (one.until === null ? { price: one.price, until: t } : one));
  let length = closed.length;
  while (length > 0 && beats((closed[length - 1] as Extreme).price)) length -= 1;
  return [...closed.slice(0, length), { price, until: null }];
}

/** BRK-09: the window after the index became `price` at `t` (UTC ms, never falling). `price` must be positive. */
export function recordIndex(window: IndexWindow, price: Rational, windowMs: number, t: number): IndexWindow {
  if (price.sign <= 0) throw new RangeError("a price move needs positive prices");
  return {
    highs: extended(kept(window.highs, windowMs, t), price, t, (other) => other.atMost(price)),
    lows: extended(kept(window.lows, windowMs, t), price, t, (other) => other.atLeast(price)),
  };
}

/** BRK-09: the larger of the moves of `price` against the window's highest and lowest index, a fraction; zero without one. */
export function largestMove(window: IndexWindow, price: Rational, windowMs: number, t: number): Rational {
  const high = kept(window.highs, windowMs, t)[0];
  const low = kept(window.lows, windowMs, t)[0];
  if (high === undefined || low === undefined) return Rational.zero;
  const against = (extreme: Rational): Rational => price.minus(extreme).abs().dividedBy(extreme);
  return Rational.max(against(high.price), against(low.price));
}

/** BRK-10 to BRK-12: the state that a price move asks for; `before` is what it asked for last time (hysteresis). */
export function priceMoveState(move: Rational, rules: PriceMoveRules, before: HaltState): HaltState {
  const was = severity(before);
  if (holds(was >= severity("no_new_orders"), move, rules.noNewOrdersAt)) return "no_new_orders";
  return holds(was >= severity("reduce_only"), move, rules.reduceOnlyAt) ? "reduce_only" : "normal";
}

/** The window as JSON. */
export interface IndexWindowRecord {
  readonly highs: readonly (readonly [price: string, until: number | null])[];
  readonly lows: readonly (readonly [price: string, until: number | null])[];
}

export function saveWindow(window: IndexWindow): IndexWindowRecord {
  const record = ({ price, until }: Extreme): [string, number | null] => [price.toStringDown(), until];
  return { highs: window.highs.map(record), lows: window.lows.map(record) };
}

export function loadWindow(record: IndexWindowRecord): IndexWindow {
  const extreme = ([price, until]: readonly [string, number | null]): Extreme => ({
    price: Rational.parse(price),
    until,
  });
  return { highs: record.highs.map(extreme), lows: record.lows.map(extreme) };
}
