import { Rational } from "#libs/decimal/index.ts";
import { initialMarginAt } from "#libs/domain/margin/requirement.ts";
import { fillValue } from "#libs/domain/positions/value.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
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
  if (!bookable(lots) || !bookable(worth(rules, contracts, price, quantum))) return false;
  if (mark !== price && !bookable(worth(rules, contracts, mark, quantum))) return false;
  // Zero open interest: scaling by it raises a rate to one at most, and that bound is the value itself.
  for (const leverage of leverages)
    if (!bookable(initialMarginAt(rules, contracts, price, leverage, Rational.zero).ceilIn(quantum))) return false;
  return true;
}

const worth = (rules: InstrumentRules, contracts: Rational, at: Rational, quantum: Rational): bigint =>
  fillValue(rules, contracts, at, quantum).floorIn(quantum);
