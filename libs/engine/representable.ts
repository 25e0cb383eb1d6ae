import { Rational } from "#libs/decimal/index.ts";
import { initialMarginAt } from "#libs/domain/margin/requirement.ts";
import { fillValue } from "#libs/domain/positions/value.ts";
import { bookable, contractsOf, lotsOf } from "./amounts.ts";
import type { Machine } from "./machine.ts";
import { openLots } from "./pools.ts";

/** NUM-07: whether the lots, value and margin of a fill can be stored, whatever is open already. `leverages`: of its parties. */
export function fits(
  machine: Machine,
  leverages: readonly (Rational | null)[],
  instrument: number,
  qty: Rational,
  price: Rational,
): boolean {
  const { book } = machine;
  const rules = machine.instrument(instrument);
  const { quantum } = book.assetRules(book.settleIndex(instrument));
  const lots = openLots(machine, instrument) + lotsOf(rules, qty.abs());
  const contracts = contractsOf(rules, lots);
  const mark = book.market.markPrice(instrument) ?? price;
  const worth = (at: Rational): bigint => fillValue(rules, contracts, at, quantum).floorIn(quantum);
  // Zero open interest: scaling by it raises a rate to one at most, and that bound is the value itself.
  const margin = (leverage: Rational | null): bigint =>
    initialMarginAt(rules, contracts, price, leverage, Rational.zero).ceilIn(quantum);
  return (
    bookable(lots) && bookable(worth(price)) && bookable(worth(mark)) && leverages.every((one) => bookable(margin(one)))
  );
}
