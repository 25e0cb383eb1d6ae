import { Rational } from "#libs/decimal/index.ts";

/** Which pool of an account a position belongs to: its cross pool, or the isolated pool of that one position. */
export type PoolMode = "cross" | "isolated";

/** An exact score; a position that cost nothing is infinitely profitable, or infinitely unprofitable. */
export type Score = Rational | "infinite" | "-infinite";

/** What a score is made of. */
export interface ScoreInputs {
  /** Unrealised profit at mark, settle asset, signed. */
  readonly profit: Rational;
  /** Cost of the position, settle asset; only its magnitude counts. */
  readonly cost: Rational;
  /** Notional of the position, USD, not negative. */
  readonly notionalUsd: Rational;
  /** `E_full` of the position's pool, USD; must be positive (others are no candidates). */
  readonly fullEquityUsd: Rational;
}

/** One position as the ranking sees it, with its score. */
export interface Scored {
  readonly account: string;
  readonly mode: PoolMode;
  readonly notionalUsd: Rational;
  readonly score: Score;
}

/**
 * ADL-01, ADL-02: `pnl% · leverage` of a position in profit (or at zero), `pnl% / leverage` of one in loss, where
 * `pnl% = profit / |cost|` and `leverage = notional / E_full` of the pool. Throws `RangeError` when `fullEquityUsd ≤ 0`.
 */
export function adlScore({ profit, cost, notionalUsd, fullEquityUsd }: ScoreInputs): Score {
  if (fullEquityUsd.sign <= 0) throw new RangeError("only a pool worth something has a score");
  if (profit.isZero()) return Rational.zero;
  const gains = profit.sign > 0;
  if (cost.isZero()) return gains ? "infinite" : "-infinite";
  const return_ = profit.dividedBy(cost.abs());
  if (gains) return return_.times(notionalUsd).dividedBy(fullEquityUsd);
  return notionalUsd.isZero() ? "-infinite" : return_.times(fullEquityUsd).dividedBy(notionalUsd);
}

/** Negative, zero or positive as `left` is below, equal to or above `right`; exact. */
export function compareScores(left: Score, right: Score): number {
  const leftEnd = left === "infinite" ? 1 : left === "-infinite" ? -1 : 0;
  const rightEnd = right === "infinite" ? 1 : right === "-infinite" ? -1 : 0;
  if (leftEnd !== 0 || rightEnd !== 0) return leftEnd - rightEnd;
  return (left as Rational).compare(right as Rational);
}

/** In order of account id, and of one account cross before isolated: the order of every tie. */
export function compareIds(
  left: { readonly account: string; readonly mode: PoolMode },
  right: { readonly account: string; readonly mode: PoolMode },
): number {
  if (left.account !== right.account) return left.account < right.account ? -1 : 1;
  if (left.mode === right.mode) return 0;
  return left.mode === "cross" ? -1 : 1;
}

/** ADL-03: first to be deleveraged first: higher score, then larger notional, then account id, then cross before isolated. */
export function compareForAdl(left: Scored, right: Scored): number {
  return (
    compareScores(right.score, left.score) || right.notionalUsd.compare(left.notionalUsd) || compareIds(left, right)
  );
}

/** The score for people: 18 decimals rounded down, `null` when it is infinite either way. */
export function scoreText(score: Score): string | null {
  return score instanceof Rational ? score.toStringDown() : null;
}

/** The score exactly: `n` or `n/d` in lowest terms, or the name of its infinity. */
export function exactScoreText(score: Score): string {
  return score instanceof Rational ? score.toString() : score;
}
