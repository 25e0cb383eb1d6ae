import { nearestFloat } from "./floats.ts";
import type { Machine } from "./machine.ts";

/** Relative to what a worth was added up from: far more than floats lose over any account (docs/float-bounds.md, section 5). */
const room = 2 ** -30;

/** Between what amounts, USD, the full worth of an account certainly lies; NaN: a price is missing. */
export interface RoughWorth {
  readonly least: number;
  readonly most: number;
}

/** HEALTH-18 in floats: cash, isolated margins, unrealised profit and accrued funding at the present prices. */
export function roughWorth(machine: Machine, account: number): RoughWorth {
  const { book } = machine;
  const { market } = book;
  const { factors } = market;
  let [worth, gross] = [0, 0];
  const add = (amount: number, magnitude: number, asset: number): void => {
    const price = factors[market.indexFactor(asset)] as number;
    worth += amount * price;
    gross += price > 0 ? magnitude * price : NaN;
  };
  for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row)) {
    const cash = book.cashF[row] as number;
    if (cash !== 0) add(cash, Math.abs(cash), book.cashAsset(row));
  }
  for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) {
    const [size, margin] = [book.exposureF[row] as number, book.marginF[row] as number];
    if (size === 0 && margin === 0) continue;
    const instrument = book.rowInstrument(row);
    const settle = book.settleIndex(instrument);
    add(margin, Math.abs(margin), settle);
    if (size === 0) continue;
    const rules = book.instrumentRules(instrument);
    const mark = factors[market.markFactor(instrument)] as number;
    const value = rules.kind === "inverse" ? -size / mark : size * mark;
    const cost = book.costF[row] as number;
    const since = market.fundingSinceFloat(instrument, book.rowFundingEpoch(row));
    const funding = since === 0 ? 0 : -(size / nearestFloat(rules.multiplier)) * since;
    const magnitude = Math.abs(value) + Math.abs(cost) + Math.abs(funding);
    add(value - cost + funding, mark > 0 ? magnitude : NaN, settle);
  }
  return { least: worth - room * gross, most: worth + room * gross };
}
