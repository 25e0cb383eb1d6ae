import { Rational } from "#libs/decimal/index.ts";
import type { Problem } from "#libs/domain/rule-set/documents.ts";
import type { InstrumentRules, RuleSet } from "#libs/domain/rule-set/types.ts";

/** The lowest MM rate of any tier; null when the instrument has none. */
export function lowestMaintenanceRate(instrument: InstrumentRules): Rational | null {
  const rates = instrument.tiers.map((tier) => tier.mm);
  return rates.length === 0 ? null : rates.reduce((least, rate) => Rational.min(least, rate));
}

/**
 * LIQ-10: instruments where a partial close could cost more than it frees: `taker fee + max slippage ≥ ½ · lowest MM rate`, at
 * exactly half included. Production refuses such a rule set, a scenario reports it. No `maxSlippage` counts as zero.
 */
export function closingCostProblems(rules: RuleSet): Problem[] {
  const slippage = rules.liquidation.maxSlippage ?? Rational.zero;
  return [...rules.instruments.values()].flatMap((instrument): Problem[] => {
    const lowest = lowestMaintenanceRate(instrument);
    if (lowest === null) return [];
    const cost = instrument.takerFee.plus(slippage);
    const half = lowest.dividedBy(Rational.ofInteger(2));
    if (cost.below(half)) return [];
    return [
      {
        path: `$.instruments[${instrument.id}].takerFee`,
        code: "closing_cost_too_high",
        message: `taker fee + max slippage ${cost.toStringUp()} must be below half the lowest mm rate, ${half.toStringDown()}`,
      },
    ];
  });
}
