import type { Rational } from "#libs/decimal/index.ts";
import type { MarkRules } from "#libs/domain/rule-set/types.ts";
import type { UsedQuote } from "./index-price.ts";
import { isOutlier, priceStep } from "./index-price.ts";

/** MARK-24: whether at least a quorum of the sources used stand within `outlier` of the price proposed. */
export function quorumConfirms(proposed: Rational, used: readonly UsedQuote[], rules: MarkRules): boolean {
  let confirming = 0;
  for (const one of used) if (!isOutlier(one.price, proposed, rules.outlier)) confirming += 1;
  return confirming >= Math.max(1, rules.quorum);
}

/**
 * MARK-23, MARK-24: the mark after one step towards `proposed`: all the way if a quorum confirms it or there was no mark,
 * else at most the share `stepMax` of the previous mark, rounded towards the previous mark. The quality stays what it is.
 */
export function steppedMark(
  previous: Rational | null,
  proposed: Rational,
  used: readonly UsedQuote[],
  rules: MarkRules,
): Rational {
  if (previous === null || rules.stepMax === null) return proposed;
  const most = rules.stepMax.times(previous);
  if (proposed.minus(previous).abs().atMost(most) || quorumConfirms(proposed, used, rules)) return proposed;
  if (proposed.above(previous)) return previous.plus(most).floorTo(priceStep);
  return previous.minus(most).ceilTo(priceStep);
}
