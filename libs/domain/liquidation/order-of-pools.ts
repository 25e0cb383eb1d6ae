import type { Rational } from "#libs/decimal/index.ts";
import { compareIds, type PoolMode } from "#libs/domain/adl/score.ts";

/** What a ratio is made of: USD, or any one unit. `mm` is not negative. */
export interface RatioParts {
  readonly equity: Rational;
  readonly mm: Rational;
}

/**
 * Compares two ratios `equity / mm` by cross-multiplication. Without a requirement the ratio is infinite, and below everything
 * when the equity is negative. Negative, zero or positive as `left` is below, equal to or above `right`.
 */
export function compareRatios(left: RatioParts, right: RatioParts): number {
  const end = ({ equity, mm }: RatioParts): number => (mm.isZero() ? (equity.sign < 0 ? -1 : 1) : 0);
  const [leftEnd, rightEnd] = [end(left), end(right)];
  if (leftEnd !== 0 || rightEnd !== 0) return leftEnd - rightEnd;
  return left.equity.times(right.mm).compare(right.equity.times(left.mm));
}

/** LIQ-01: worst pool first: lowest `E_M / MM`, ties by account id, cross before isolated, then by instrument. */
export function comparePools(
  left: RatioParts & { readonly account: string; readonly mode: PoolMode; readonly instrument: string | null },
  right: RatioParts & { readonly account: string; readonly mode: PoolMode; readonly instrument: string | null },
): number {
  const byRatio = compareRatios(left, right) || compareIds(left, right);
  if (byRatio !== 0 || left.instrument === right.instrument) return byRatio;
  return (left.instrument ?? "") < (right.instrument ?? "") ? -1 : 1;
}

/** Whether `equity / mm` is at most `threshold`, inclusive, by cross-multiplication; a pool that owes nothing and needs nothing never is. */
export function ratioAtMost({ equity, mm }: RatioParts, threshold: Rational): boolean {
  if (mm.isZero()) return equity.sign < 0;
  return equity.atMost(mm.times(threshold));
}
