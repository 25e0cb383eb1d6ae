import type { LedgerSum } from "#libs/adapters/postgres/index.ts";
import { formatUnits } from "#libs/decimal/index.ts";
import type { Applied, Engine } from "#libs/engine/index.ts";
import { ledgerRows, type Named } from "#libs/journal/index.ts";

/** The account of the ledger that stands for the outside world; the engine has none of that name. */
export const outsideAccount = "external";

const decimals = 18;

interface Sum {
  units: bigint;
  legs: number;
}

/** What all legs that a replay books add up to, by account, asset, kind of leg and instrument. */
export class LegSums {
  readonly #accounts = new Map<string, Map<string, Sum>>();

  add(engine: Engine, transactions: Applied["transactions"]): void {
    if (transactions.length === 0) return;
    for (const { legs } of ledgerRows(engine, engine.machine.appliedSeq, transactions))
      for (const { account, asset, leg, instrument, amount } of legs)
        this.#add(account, keyOf(account, asset, leg, instrument ?? ""), unitsOf(amount));
  }

  #add(account: string, key: string, units: bigint): void {
    const known = this.#accounts.get(account) ?? new Map<string, Sum>();
    this.#accounts.set(account, known);
    const sum = known.get(key);
    if (sum === undefined) known.set(key, { units, legs: 1 });
    else {
      sum.units += units;
      sum.legs += 1;
    }
  }

  of(ids: readonly string[]): Named {
    const named = new Map<string, string>();
    for (const id of ids)
      for (const [key, { units, legs }] of this.#accounts.get(id) ?? []) named.set(key, textOf(units, legs));
    return named;
  }
}

/** The same as the table adds it up. */
export const storedSums = (sums: readonly LedgerSum[]): Named =>
  new Map(
    sums.map(({ account, asset, leg, instrument, amount, legs }) => [
      keyOf(account, asset, leg, instrument),
      textOf(unitsOf(amount), legs),
    ]),
  );

const keyOf = (account: string, asset: string, leg: string, instrument: string): string =>
  `ledger ${account} ${asset} ${leg}${instrument === "" ? "" : ` ${instrument}`}`;

const textOf = (units: bigint, legs: number): string => `${formatUnits(units, decimals)} in ${legs} legs`;

/** Sums may have more digits than an amount of a border. */
function unitsOf(amount: string): bigint {
  const [whole = "0", fraction = ""] = amount.split(".");
  return BigInt(whole + fraction.padEnd(decimals, "0"));
}
