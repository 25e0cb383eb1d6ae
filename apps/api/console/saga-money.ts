import { add, isAmount } from "./amounts.ts";
import type { FactLike } from "./fact-texts.ts";

/** What a liquidation cost, summed exactly over its facts; units of the settle assets. */
export interface SagaMoney {
  /** Steps that closed something on a book, and counterparties that were deleveraged. */
  readonly closes: number;
  readonly deleveraged: number;
  readonly realised: string;
  readonly fees: string;
  readonly fund: string;
}

const amountIn = (fact: FactLike, field: string): string => {
  const value = fact[field];
  return typeof value === "string" && isAmount(value) ? value : "0";
};

export function moneyOf(facts: readonly FactLike[]): SagaMoney {
  let money: SagaMoney = { closes: 0, deleveraged: 0, realised: "0", fees: "0", fund: "0" };
  for (const fact of facts) {
    if (fact.fact === "liquidation.step")
      money = { ...money, closes: money.closes + 1, realised: add(money.realised, amountIn(fact, "realised")) };
    if (fact.fact === "adl.filled") money = { ...money, deleveraged: money.deleveraged + 1 };
    if (fact.fact === "liquidation.fees")
      money = { ...money, fees: add(money.fees, add(amountIn(fact, "taker"), amountIn(fact, "liquidation"))) };
    if (fact.fact === "insurance.paid") money = { ...money, fund: add(money.fund, amountIn(fact, "amount")) };
  }
  return money;
}
