import { Rational } from "#libs/decimal/index.ts";
import type { AssetRules } from "#libs/domain/rule-set/types.ts";
import {
  type Balance,
  type ConversionMarket,
  type ConversionPlan,
  type ConversionRequest,
  type ConversionStep,
  debtsOf,
  exchange,
  planConversion,
  Purse,
  sellable,
} from "./conversion.ts";

export interface LiquidationEndRequest extends ConversionRequest {
  readonly insurance: readonly Balance[];
}

export interface LiquidationEnd {
  /** Conversions with `house` and providers first, then those `insurance` takes over, then those that go to `bad_debt` with the debt. */
  readonly steps: readonly ConversionStep[];
  /** D of each asset: what no asset of the account covers, positive, in order of asset id. It goes to `bad_debt` too (stage 7). */
  readonly shortfalls: readonly Balance[];
  /** The account's balances afterwards: none is negative, once the shortfalls have moved. */
  readonly balances: readonly Balance[];
}

/** Takes over what is left of every debt, asset by asset, each side at index less the fee of the asset sold. */
function takeOver(
  own: Purse,
  counterparty: "insurance" | "bad_debt",
  reach: (asset: string) => Rational | null,
  market: ConversionMarket,
): ConversionStep[] {
  const steps: ConversionStep[] = [];
  for (const debt of debtsOf(own)) {
    const to: AssetRules = market.asset(debt.asset);
    let left = reach(debt.asset);
    for (const id of sellable(own, debt.asset, market, true)) {
      const from = market.asset(id);
      const owed = own.of(debt.asset).negated();
      const step = exchange({
        from,
        to,
        counterparty,
        // `bad_debt` charges nothing: what it keeps against a debt counts in full, or others would pay its fee.
        discount: counterparty === "insurance" ? from.conversionFee : Rational.zero,
        fromUsd: market.index(id),
        toUsd: market.index(debt.asset),
        mostSold: own.of(id),
        mostBought: left === null ? owed : Rational.min(owed, left),
      });
      if (step === null) continue;
      own.add(step.from, step.sold.negated());
      own.add(step.to, step.bought);
      left = left?.minus(step.bought) ?? null;
      steps.push(step);
    }
  }
  return steps;
}

/**
 * COL-26, COL-27: what happens to the debts of an account whose liquidation ends. First the ordinary conversion; then the insurance
 * fund of each debt's asset takes over as far as it reaches, at index less the fee; what is left goes to `bad_debt` together
 * with the assets that cover it, and D is only what they do not cover. Here assets without a conversion order are sold too, last.
 * Pure; book the shortfalls before any collateral moves.
 */
export function planLiquidationEnd(request: LiquidationEndRequest, market: ConversionMarket): LiquidationEnd {
  const converted: ConversionPlan = planConversion(request, market);
  const own = new Purse(converted.balances);
  const insurance = new Purse(request.insurance);
  const taken = takeOver(own, "insurance", (asset) => insurance.of(asset), market);
  const moved = takeOver(own, "bad_debt", () => null, market);
  const shortfalls = debtsOf(own);
  for (const { asset, amount } of shortfalls) own.add(asset, amount);
  return { steps: [...converted.steps, ...taken, ...moved], shortfalls, balances: own.balances() };
}
