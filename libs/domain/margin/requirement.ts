import { Rational } from "#libs/decimal/index.ts";
import { notional as notionalAt } from "#libs/domain/positions/value.ts";
import type { MarketView, OpenPosition } from "#libs/domain/positions/views.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { maintenanceMargin, tieredInitialMargin } from "./tiers.ts";

/** What one position needs, in its settle asset. `notional` is the one its tiers are read at. */
export interface PositionRequirement {
  readonly notional: Rational;
  readonly im: Rational;
  readonly mm: Rational;
}

/** TIER-08: |value| at mark, or |cost| where the instrument reads its tiers at entry; settle asset. */
export function positionNotional({ instrument, qty, cost }: OpenPosition, market: MarketView): Rational {
  return instrument.notional === "entry" ? cost.abs() : notionalAt(instrument, qty, market.mark(instrument.id));
}

/** TIER-09: the larger of the tiered initial margin and notional / chosen leverage (null: none), settle asset. */
export function initialMargin(
  instrument: InstrumentRules,
  qty: Rational,
  notional: Rational,
  leverage: Rational | null,
  openInterest: Rational,
): Rational {
  const tiered = tieredInitialMargin(instrument, qty.times(instrument.multiplier).abs(), notional, openInterest);
  return leverage === null ? tiered : Rational.max(tiered, notional.dividedBy(leverage));
}

/** TIER-09 for `qty` contracts (sign ignored) valued at `price`, settle asset: what moves into an isolated pool is a difference of two. */
export function initialMarginAt(
  instrument: InstrumentRules,
  qty: Rational,
  price: Rational,
  leverage: Rational | null,
  openInterest: Rational,
): Rational {
  return initialMargin(instrument, qty, notionalAt(instrument, qty, price), leverage, openInterest);
}

/** TIER-07, TIER-08: the maintenance margin of a position, settle asset. */
export function positionMaintenance(position: OpenPosition, market: MarketView): Rational {
  const { instrument, qty } = position;
  return maintenanceMargin(instrument, qty.times(instrument.multiplier).abs(), positionNotional(position, market));
}

/** TIER-08, TIER-09: notional, initial and maintenance margin of a position, settle asset, its resting orders left out. */
export function positionRequirement(position: OpenPosition, market: MarketView): PositionRequirement {
  const { instrument, qty, leverage } = position;
  const notional = positionNotional(position, market);
  // Most instruments do not scale with it, and adding it up is for nothing then.
  const openInterest = instrument.oiScaling === null ? Rational.zero : market.openInterest(instrument.id);
  return {
    notional,
    im: initialMargin(instrument, qty, notional, leverage, openInterest),
    mm: maintenanceMargin(instrument, qty.times(instrument.multiplier).abs(), notional),
  };
}
