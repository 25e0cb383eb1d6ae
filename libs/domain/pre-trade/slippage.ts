import type { Rational } from "#libs/decimal/index.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";

/** How far a fill went from the mark that its order was decided at. */
export interface Slippage {
  /** Of the mark; positive: against who traded. */
  readonly share: Rational;
  /** Notional at that mark, and what the slippage cost of it, in the settle asset. */
  readonly notional: Rational;
  readonly cost: Rational;
}

/** How far a price is from a mark, against who trades; a share of the mark. Exact. */
export function shareAgainst(side: "buy" | "sell", price: Rational, mark: Rational): Rational {
  const away = side === "buy" ? price.minus(mark) : mark.minus(price);
  return away.dividedBy(mark);
}

/** LIM-45: `side · (price − mark) / mark`; the cost is that share of the notional at the mark. Exact. */
export function slippageOf(
  instrument: InstrumentRules,
  side: "buy" | "sell",
  qty: Rational,
  price: Rational,
  mark: Rational,
): Slippage {
  const share = shareAgainst(side, price, mark);
  const value = notional(instrument, qty, mark);
  return { share, notional: value, cost: value.times(share) };
}
