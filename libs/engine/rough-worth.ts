import { nearestFloat } from "./floats.ts";
import type { Machine } from "./machine.ts";

/** Relative to what a worth was added up from: far more than floats lose over any account (docs/float-bounds.md, section 5). */
export const roughRoom = 2 ** -30;

/** Between what amounts, USD, a full worth certainly lies; NaN: a price is missing. */
export interface RoughWorth {
  readonly least: number;
  readonly most: number;
}

/** HEALTH-18 in floats: cash, isolated margins, unrealised profit and accrued funding of an account at the present prices. */
export function roughWorth(machine: Machine, account: number): RoughWorth {
  const { book } = machine;
  const sum = new Sum(machine);
  sum.addCash(account);
  for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) sum.addRow(row);
  return sum.result();
}

/** The same of one pool: an isolated position's margin and profit, or what is left of its account. */
export function roughPoolWorth(machine: Machine, pool: number): RoughWorth {
  const { book } = machine;
  const sum = new Sum(machine);
  const isolated = book.poolRow(pool);
  if (isolated >= 0) sum.addRow(isolated);
  else {
    const account = book.poolAccount(pool);
    sum.addCash(account);
    for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row))
      if (!book.isIsolated(row)) sum.addRow(row);
  }
  return sum.result();
}

class Sum {
  readonly #machine: Machine;
  #worth = 0;
  #gross = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  result(): RoughWorth {
    return { least: this.#worth - roughRoom * this.#gross, most: this.#worth + roughRoom * this.#gross };
  }

  addCash(account: number): void {
    const { book } = this.#machine;
    for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row)) {
      const cash = book.cashF[row] as number;
      if (cash !== 0) this.#add(cash, Math.abs(cash), book.cashAsset(row));
    }
  }

  addRow(row: number): void {
    const { book } = this.#machine;
    const { market } = book;
    const [size, margin] = [book.exposureF[row] as number, book.marginF[row] as number];
    if (size === 0 && margin === 0) return;
    const instrument = book.rowInstrument(row);
    const settle = book.settleIndex(instrument);
    this.#add(margin, Math.abs(margin), settle);
    if (size === 0) return;
    const rules = book.instrumentRules(instrument);
    const mark = market.factors[market.markFactor(instrument)] as number;
    const value = rules.kind === "inverse" ? -size / mark : size * mark;
    const cost = book.costF[row] as number;
    const since = market.fundingSinceFloat(instrument, book.rowFundingEpoch(row));
    const funding = since === 0 ? 0 : -(size / nearestFloat(rules.multiplier)) * since;
    const magnitude = Math.abs(value) + Math.abs(cost) + Math.abs(funding);
    this.#add(value - cost + funding, mark > 0 ? magnitude : NaN, settle);
  }

  #add(amount: number, magnitude: number, asset: number): void {
    const { market } = this.#machine.book;
    const price = market.factors[market.indexFactor(asset)] as number;
    this.#worth += amount * price;
    this.#gross += price > 0 ? magnitude * price : NaN;
  }
}
