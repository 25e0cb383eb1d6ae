import { Rational } from "#libs/decimal/index.ts";
import type { PriceQuality } from "#libs/domain/mark-price/quality.ts";
import type { BreakerRules, HaltState } from "#libs/domain/rule-set/types.ts";
import { holds } from "./hysteresis.ts";
import { strictest } from "./states.ts";

/**
 * BRK-13: the state that the quality of an instrument's price asks for: the configured one for a stale price, at least
 * `no_new_orders` for a disputed and `paused` for an invalid one, as the quality table forbids the same actions.
 */
export function priceQualityState(quality: PriceQuality, rules: BreakerRules): HaltState {
  if (rules.stalePrice === null || quality === "good") return "normal";
  if (quality === "stale") return rules.stalePrice.state;
  return quality === "disputed" ? strictest([rules.stalePrice.state, "no_new_orders"]) : "paused";
}

/** BRK-14: how far below its peak a fund stands, a fraction of the peak; zero when it never held anything. */
export function drawdown(peak: Rational, now: Rational): Rational {
  if (peak.sign <= 0 || now.atLeast(peak)) return Rational.zero;
  return peak.minus(now).dividedBy(peak);
}

/** BRK-14: the state that a fund's drawdown asks for; `before` is what it asked for last time. */
export function fundDrawdownState(peak: Rational, now: Rational, rules: BreakerRules, before: HaltState): HaltState {
  if (rules.fundDrawdown === null) return "normal";
  const tripped = holds(before !== "normal", drawdown(peak, now), rules.fundDrawdown.at);
  return tripped ? rules.fundDrawdown.state : "normal";
}

/** BRK-21: how far the shard lags behind, ms; `before` is what it asked for last time. */
export function lagState(ms: number, threshold: number | null, state: HaltState, before: HaltState): HaltState {
  if (threshold === null) return "normal";
  return holds(before !== "normal", Rational.ofInteger(ms), Rational.ofInteger(threshold)) ? state : "normal";
}

/** BRK-22: the largest share of failures among the things that the shard needs; `before` is what it asked for last time. */
export function dependencyState(
  shares: readonly Rational[],
  rules: NonNullable<BreakerRules["dependencyErrors"]>,
  before: HaltState,
): HaltState {
  const worst = shares.reduce((most, one) => Rational.max(most, one), Rational.zero);
  return holds(before !== "normal", worst, rules.share) ? rules.state : "normal";
}

/** Times (UTC ms, ascending) of the newest events, no more than are needed to see that the limit is passed. */
export type EventTimes = readonly number[];

/** BRK-15: one more liquidation at `t`; what has left the window, or is more than one above the limit, is forgotten. */
export function recordLiquidation(
  events: EventTimes,
  rules: NonNullable<BreakerRules["liquidationRate"]>,
  t: number,
): EventTimes {
  const recent = events.filter((at) => t - at <= rules.windowMs);
  return [...recent, t].slice(-(rules.countMax + 1));
}

/** BRK-15: more than `countMax` liquidations no older than the window trip it; `before` is what it asked for last time. */
export function liquidationRateState(
  events: EventTimes,
  rules: NonNullable<BreakerRules["liquidationRate"]>,
  before: HaltState,
  t: number,
): HaltState {
  const count = events.filter((at) => t - at <= rules.windowMs).length;
  const threshold = Rational.ofInteger(rules.countMax + 1);
  return holds(before !== "normal", Rational.ofInteger(count), threshold) ? rules.state : "normal";
}
