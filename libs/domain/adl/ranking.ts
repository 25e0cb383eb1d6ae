import { Rational } from "#libs/decimal/index.ts";
import { adlScore, compareForAdl, type PoolMode, type Score } from "./score.ts";

/** One position on the side that would be deleveraged. */
export interface Candidate {
  readonly account: string;
  readonly mode: PoolMode;
  /** Signed contracts, not zero. */
  readonly qty: Rational;
  readonly notionalUsd: Rational;
  /** Unrealised profit at mark, settle asset. */
  readonly profit: Rational;
  readonly cost: Rational;
  /** `E_full` of the pool, USD. */
  readonly fullEquityUsd: Rational;
  /** The pool is itself in a liquidation. */
  readonly liquidating: boolean;
  /** The account is one of the fixed system accounts. */
  readonly system: boolean;
}

export type Ranked<C extends Candidate = Candidate> = C & { readonly score: Score };

/** What a position is told about its place in the queue. */
export interface Indicator {
  readonly account: string;
  readonly mode: PoolMode;
  readonly score: Score;
  /** 1 goes first. */
  readonly rank: number;
  /** 20, 40, 60, 80 or 100: cumulative share of the side's quantity, its own included, rounded up; 20 goes first. */
  readonly bucket: 20 | 40 | 60 | 80 | 100;
  /** Contracts that would go before this position's. */
  readonly ahead: Rational;
}

/** ADL-05: worth something, not in a liquidation itself, no system account, and holding contracts. */
export function isCandidate(
  candidate: Pick<Candidate, "fullEquityUsd" | "liquidating" | "system"> & { readonly qty: Rational },
): boolean {
  return candidate.fullEquityUsd.sign > 0 && !candidate.liquidating && !candidate.system && !candidate.qty.isZero();
}

/** A float is trusted to order two scores only when they differ by more than this share of the larger: 2^-49, four times its own error. */
const screenShare = 2 ** -49;
const screenLeast = 1e-280;

interface Keyed<C extends Candidate> {
  readonly ranked: Ranked<C>;
  readonly float: number;
}

function keyed<C extends Candidate>(ranked: Ranked<C>): Keyed<C> {
  const { score } = ranked;
  return { ranked, float: score instanceof Rational ? score.toNumber() : Number.NaN };
}

/** Higher scores first. Floats decide only where the bound proves the sign; all else is exact. */
function compareKeyed<C extends Candidate>(left: Keyed<C>, right: Keyed<C>): number {
  const size = Math.max(Math.abs(left.float), Math.abs(right.float));
  const difference = right.float - left.float;
  // A comparison with NaN is false, so infinities, and numbers too small or large for a float, are left to the exact rule.
  if (size > screenLeast && size < Number.MAX_VALUE && Math.abs(difference) > size * screenShare) return difference;
  return compareForAdl(left.ranked, right.ranked);
}

/**
 * ADL-03, ADL-05, ADL-17: the one ranking of a side of an instrument at one frame: candidates alone, first to go first.
 * The order is total, so it does not depend on the order of the input.
 */
export function rank<C extends Candidate>(side: readonly C[]): Ranked<C>[] {
  return side
    .filter(isCandidate)
    .map((candidate) => keyed<C>({ ...candidate, score: adlScore(candidate) }))
    .sort(compareKeyed)
    .map((one) => one.ranked);
}

/** ADL-04: place, bucket and size ahead of every ranked position, in the order of the ranking. */
export function indicators(ranking: readonly Ranked[]): Indicator[] {
  const total = Rational.sum(ranking.map((one) => one.qty.abs()));
  let ahead = Rational.zero;
  return ranking.map(({ account, mode, qty, score }, at) => {
    const before = ahead;
    ahead = ahead.plus(qty.abs());
    const fifths = ahead.times(Rational.ofInteger(5)).ceilIn(total);
    const bucket = Number(fifths * 20n) as Indicator["bucket"];
    return { account, mode, score, rank: at + 1, bucket, ahead: before };
  });
}
