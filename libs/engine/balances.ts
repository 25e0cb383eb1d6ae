import type { Rational } from "#libs/decimal/index.ts";
import { amountOf } from "./amounts.ts";
import type { Machine } from "./machine.ts";

/** Every balance of an account that is not zero, in order of asset id. */
export function balancesOf(machine: Machine, account: number): { asset: string; amount: Rational }[] {
  const { book } = machine;
  const balances: { asset: string; amount: Rational }[] = [];
  for (let asset = 0; asset < book.assetCount; asset += 1) {
    if (!book.isAssetListed(asset)) continue;
    const amount = amountOf(book.assetRules(asset), book.cash(account, asset));
    if (!amount.isZero()) balances.push({ asset: book.assetRules(asset).id, amount });
  }
  return balances.sort((left, right) => (left.asset < right.asset ? -1 : 1));
}

/** Numbers of the listed assets in order of id. */
export function listedAssets(machine: Machine): number[] {
  const { book } = machine;
  const id = (asset: number): string => book.assetRules(asset).id;
  return [...Array(book.assetCount).keys()]
    .filter((asset) => book.isAssetListed(asset))
    .sort((left, right) => (id(left) < id(right) ? -1 : 1));
}
