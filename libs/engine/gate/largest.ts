import type { Rational } from "#libs/decimal/index.ts";
import type { Finding } from "#libs/domain/pre-trade/codes.ts";
import type { Terms } from "#libs/domain/pre-trade/state-checks.ts";
import { largestSize } from "#libs/domain/receipts/smallest-change.ts";
import { judge } from "./checks.ts";
import type { Change, Standing } from "./standing.ts";
import { exactOrder, newOrder, type OrderAsked } from "./wanted.ts";

/**
 * LIM-25: the largest size of an order, in whole lots up to its own, that passes where one lot more does not; null: none does. By
 * bisection over the decision itself, whose checks tighten with the size but for the smallest order, which is looked at last.
 */
export function largestPassing(
  standing: Standing,
  change: Change,
  terms?: Terms,
  ratesOf: (change: Change) => readonly Finding[] = () => [],
): Rational | null {
  const sized = (qty: Rational): Change => ({ ...change, order: { ...change.order, qty } });
  const codes = (qty: Rational): readonly string[] => {
    const next = sized(qty);
    return judge(standing, next, terms, ratesOf(next)).codes();
  };
  const { qty, instrument } = change.order;
  const size = largestSize(qty, instrument.lot, (one) => codes(one).every((code) => code === "min_notional"));
  return size === null || codes(size).length > 0 ? null : size;
}

/** The same of an order in text, as text. */
export function largestOf(
  standing: Standing,
  asked: OrderAsked,
  terms: Terms,
  ratesOf: (change: Change) => readonly Finding[],
): string | null {
  const order = exactOrder(standing, asked);
  if (order === null) return null;
  return largestPassing(standing, newOrder(order, asked), terms, ratesOf)?.toStringDown() ?? null;
}
