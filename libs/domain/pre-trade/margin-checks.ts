import { Rational } from "#libs/decimal/index.ts";
import type { CollateralRow } from "#libs/domain/collateral/values.ts";
import type { Binding } from "#libs/domain/limits/effective.ts";
import { type Finding, measured } from "./codes.ts";

/** ORD-07, ORD-08: notional, USD, against a leverage times initial equity. */
export function leverage(notional: Rational, most: Binding | null, equity: Rational, named: boolean): Finding | null {
  // Without any notional there is no leverage, however deep the equity is below zero.
  if (most === null || notional.sign <= 0) return null;
  const bound = most.value.times(equity);
  return notional.above(bound) ? measured("leverage", notional, bound, named ? most.source : undefined) : null;
}

/** ORD-09: initial margin with the order, USD. */
export function initialMargin(im: Rational, equity: Rational): Finding | null {
  return im.above(equity) ? measured("initial_margin", im, equity) : null;
}

/** The first asset that is a larger share of the positive collateral than it may be. */
export function collateralConcentration(
  rows: readonly CollateralRow[],
  shareOf: (asset: string) => Rational | null,
): Finding | null {
  const collateral = Rational.sum(rows.map((row) => Rational.max(row.value, Rational.zero)));
  for (const { asset, value } of rows) {
    const share = shareOf(asset);
    if (share === null || value.sign <= 0) continue;
    const most = collateral.times(share);
    if (value.above(most)) return measured("collateral_concentration", value, most);
  }
  return null;
}
