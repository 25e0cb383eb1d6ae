import { Rational, squareRootUp } from "#libs/decimal/index.ts";
import type { InstrumentRules, Tier } from "#libs/domain/rule-set/types.ts";

/** A tier's floor and the one rate read from it. */
export interface RateTier {
  readonly from: Rational;
  readonly rate: Rational;
}

const fourFifths = Rational.ofUnits(8n, 1);

interface Floor {
  readonly from: Rational;
}

/** TIER-01: each slice of the notional at its own tier's rate. `tiers` ascend; what lies below the first floor costs nothing. */
function progressive<T extends Floor>(
  tiers: readonly T[],
  notional: Rational,
  rateOf: (tier: T) => Rational,
): Rational {
  let total = Rational.zero;
  for (let at = 0; at < tiers.length; at += 1) {
    const tier = tiers[at] as T;
    if (notional.atMost(tier.from)) break;
    const next = tiers[at + 1];
    const end = next === undefined ? notional : Rational.min(notional, next.from);
    total = total.plus(end.minus(tier.from).times(rateOf(tier)));
  }
  return total;
}

export function progressiveMargin(tiers: readonly RateTier[], notional: Rational): Rational {
  return progressive(tiers, notional, ({ rate }) => rate);
}

/** TIER-02: `deduction_n = deduction_{n−1} + floor_n·(rate_n − rate_{n−1})`: the progressive reading as exchanges publish it. */
export function deductions(tiers: readonly RateTier[]): readonly Rational[] {
  const found: Rational[] = [];
  let deduction = Rational.zero;
  let below = Rational.zero;
  for (const { from, rate } of tiers) {
    deduction = deduction.plus(from.times(rate.minus(below)));
    below = rate;
    found.push(deduction);
  }
  return found;
}

/** The tier that `notional` lies in; at a floor exactly, the higher one (TIER-03). −1 below the first floor. */
export function tierAt(tiers: readonly { readonly from: Rational }[], notional: Rational): number {
  let found = -1;
  while (found + 1 < tiers.length && (tiers[found + 1] as { from: Rational }).from.atMost(notional)) found += 1;
  return found;
}

/** TIER-02: `notional·rate − deduction`, equal to `progressiveMargin` at every notional. */
export function deductionMargin(tiers: readonly RateTier[], notional: Rational): Rational {
  const at = tierAt(tiers, notional);
  const tier = tiers[at];
  if (tier === undefined) return Rational.zero;
  return notional.times(tier.rate).minus(deductions(tiers)[at] as Rational);
}

/** TIER-03: all of the notional at the rate of the tier it lies in; at a floor exactly, the higher tier. */
function whole<T extends Floor>(tiers: readonly T[], notional: Rational, rateOf: (tier: T) => Rational): Rational {
  const tier = tiers[tierAt(tiers, notional)];
  return tier === undefined ? Rational.zero : notional.times(rateOf(tier));
}

export function wholeMargin(tiers: readonly RateTier[], notional: Rational): Rational {
  return whole(tiers, notional, ({ rate }) => rate);
}

/**
 * TIER-04, TIER-05, TIER-11: how the size of a position raises a rate. `exposure` is |q·m|. The root is rounded up to 1e-18
 * because it raises a requirement; everything after it is exact.
 */
export function premiumRate(premium: InstrumentRules["sizePremium"], exposure: Rational): (rate: Rational) => Rational {
  if (premium === null || premium.k.isZero()) return (rate) => rate;
  if (premium.shape === "linear") {
    const extra = premium.k.times(exposure);
    return (rate) => rate.plus(extra);
  }
  const extra = premium.k.times(squareRootUp(exposure));
  return (rate) => Rational.max(rate, fourFifths.times(rate).plus(extra));
}

/** TIER-06: how far open interest (settle asset) has gone from the lower to the upper bound, within 0 and 1. */
export function interestShare(scaling: InstrumentRules["oiScaling"], openInterest: Rational): Rational {
  if (scaling === null || openInterest.atMost(scaling.lower)) return Rational.zero;
  if (openInterest.atLeast(scaling.upper)) return Rational.one;
  return openInterest.minus(scaling.lower).dividedBy(scaling.upper.minus(scaling.lower));
}

function tieredMargin(instrument: InstrumentRules, notional: Rational, rateOf: (tier: Tier) => Rational): Rational {
  const { tiers, tierMode } = instrument;
  return tierMode === "whole" ? whole(tiers, notional, rateOf) : progressive(tiers, notional, rateOf);
}

/** TIER-01 to TIER-06: initial margin by tiers alone, settle asset, for `exposure` = |q·m| and a notional ≥ 0, both of one size. */
export function tieredInitialMargin(
  instrument: InstrumentRules,
  exposure: Rational,
  notional: Rational,
  openInterest: Rational,
): Rational {
  const premium = premiumRate(instrument.sizePremium, exposure);
  const share = interestShare(instrument.oiScaling, openInterest);
  if (share.isZero()) return tieredMargin(instrument, notional, (tier) => premium(tier.im));
  return tieredMargin(instrument, notional, (tier) => {
    const base = premium(tier.im);
    return base.plus(Rational.one.minus(base).times(share));
  });
}

/** TIER-01 to TIER-07: maintenance margin, settle asset: tiers with the size premium, never open interest, and the fee of closing. */
export function maintenanceMargin(instrument: InstrumentRules, exposure: Rational, notional: Rational): Rational {
  const premium = premiumRate(instrument.sizePremium, exposure);
  const tiered = tieredMargin(instrument, notional, (tier) => premium(tier.mm));
  return instrument.closeFeeInMargin ? tiered.plus(notional.times(instrument.takerFee)) : tiered;
}
