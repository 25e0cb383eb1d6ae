import { Rational } from "#libs/decimal/index.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { InstrumentRules, LiquidationRules } from "#libs/domain/rule-set/types.ts";
import { compareRatios, type RatioParts } from "./order-of-pools.ts";

/** One position of a pool as stage 2 weighs it. */
export interface ReliefCandidate {
  readonly instrument: string;
  /** MM that closing it frees, USD. */
  readonly relief: Rational;
  readonly notionalUsd: Rational;
  readonly takerFee: Rational;
}

/** LIQ-04: USD that closing the position is expected to cost: notional · (expected slippage + taker fee). */
export function expectedLoss(candidate: ReliefCandidate, expectedSlippage: Rational): Rational {
  return candidate.notionalUsd.times(expectedSlippage.plus(candidate.takerFee));
}

/** LIQ-04: most MM relief per expected loss first, those without loss before all others; ties by larger relief, then id. */
export function rankByRelief<C extends ReliefCandidate>(positions: readonly C[], expectedSlippage: Rational): C[] {
  const weighed = positions.map((one) => ({ one, loss: expectedLoss(one, expectedSlippage) }));
  weighed.sort((left, right) => {
    const [leftFree, rightFree] = [left.loss.isZero(), right.loss.isZero()];
    if (leftFree !== rightFree) return leftFree ? -1 : 1;
    const byRelief = right.one.relief.compare(left.one.relief);
    const perLoss = leftFree ? 0 : right.one.relief.times(left.loss).compare(left.one.relief.times(right.loss));
    if (perLoss !== 0 || byRelief !== 0) return perLoss || byRelief;
    return left.one.instrument < right.one.instrument ? -1 : left.one.instrument > right.one.instrument ? 1 : 0;
  });
  return weighed.map(({ one }) => one);
}

export interface LotRange {
  readonly least: bigint;
  readonly most: bigint;
}

/** LIQ-05: `ceil(closeMin · lots) ≤ n ≤ max(that, floor(closeMax · lots))`; never more than all. `lots` is positive. */
export function lotRange(
  lots: bigint,
  { closeMin, closeMax }: Pick<LiquidationRules, "closeMin" | "closeMax">,
): LotRange {
  const size = Rational.ofInteger(lots);
  const cut = (n: bigint): bigint => (n > lots ? lots : n < 1n ? 1n : n);
  const least = cut(closeMin.times(size).ceilIn(Rational.one));
  const most = cut(closeMax.times(size).floorIn(Rational.one));
  return { least, most: most > least ? most : least };
}

/** The smallest n of (low, high] with f(n) ≥ 0, where f(low) < 0 ≤ f(high) and the sign changes once between them. */
function crossing(low: bigint, high: bigint, f: (lots: bigint) => Rational): bigint {
  let below = low;
  let reached = high;
  while (reached - below > 1n) {
    const middle = (below + reached) >> 1n;
    if (f(middle).sign >= 0) reached = middle;
    else below = middle;
  }
  return reached;
}

/** Where a concave f is highest: the first n that the next one does not exceed. */
function summit({ least, most }: LotRange, f: (lots: bigint) => Rational): bigint {
  let low = least;
  let high = most;
  while (low < high) {
    const middle = (low + high) >> 1n;
    if (f(middle + 1n).above(f(middle))) low = middle + 1n;
    else high = middle;
  }
  return low;
}

/**
 * LIQ-06: the smallest n of the range with f(n) ≥ 0, or null. f is what equity exceeds target · MM by after n lots: concave,
 * because each further lot costs the same and frees no more than the one before (progressive tiers), or rising with jumps up
 * (`whole` tiers, wherever a rule set is accepted: closing costs less than the least requirement frees). Both change sign once
 * before their highest point, so bisection finds the exact lot in O(log n) evaluations.
 */
export function smallestReaching(range: LotRange, f: (lots: bigint) => Rational): bigint | null {
  if (f(range.least).sign >= 0) return range.least;
  if (range.most === range.least) return null;
  const last = f(range.most);
  if (last.sign >= 0) return crossing(range.least, range.most, f);
  if (last.above(f(range.most - 1n))) return null;
  const top = summit(range, f);
  return f(top).sign >= 0 ? crossing(range.least, top, f) : null;
}

/** LIQ-08: whether what is left after a close is worth less than the minimum notional, so that the whole position goes. */
export function closesAll(instrument: InstrumentRules, left: Rational, mark: Rational): boolean {
  return !left.isZero() && notional(instrument, left, mark).below(instrument.minNotional);
}

export interface PartialRequest {
  /** Whole lots of the position. */
  readonly lots: bigint;
  readonly range: LotRange;
  readonly target: Rational;
  readonly now: RatioParts;
  /** The pool's health after n lots are closed at the expected price, taker fee paid. */
  after(lots: bigint): RatioParts;
  /** Whether less than the minimum notional is left after n lots. */
  leavesTooLittle(lots: bigint): boolean;
}

export interface PartialDecision {
  readonly lots: bigint;
  /** Whether this alone brings the pool to the target; else the next position follows. */
  readonly reaches: boolean;
}

/**
 * LIQ-06 to LIQ-09: how many lots of one position stage 2 closes: the smallest number that reaches the target, else the most the
 * range allows; all of them when too little would be left; null when that would not raise the ratio.
 */
export function decidePartial(request: PartialRequest): PartialDecision | null {
  const { lots, range, target } = request;
  const excess = (n: bigint): Rational => {
    const { equity, mm } = request.after(n);
    return equity.minus(mm.times(target));
  };
  const reaching = smallestReaching(range, excess);
  const wanted = reaching ?? range.most;
  const closed = request.leavesTooLittle(wanted) ? lots : wanted;
  const after = request.after(closed);
  if (compareRatios(after, request.now) <= 0) return null;
  return { lots: closed, reaches: excess(closed).sign >= 0 };
}
