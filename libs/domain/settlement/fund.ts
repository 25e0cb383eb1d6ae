import { Rational } from "#libs/decimal/index.ts";
import type { FundRules } from "#libs/domain/rule-set/types.ts";

/** A level that the trading result had, and the UTC ms at which it was left. */
export interface PastResult {
  readonly level: Rational;
  readonly until: number;
}

/**
 * The trading results of one fund: fee income less payouts since it began. Top-ups and withdrawals are no results. Every
 * amount of one state is in one unit (units of the fund's asset, or USD): which one is the caller's choice, once.
 */
export interface FundState {
  readonly result: Rational;
  /** The brake has stopped the fund and has not let go yet. */
  readonly braked: boolean;
  /** Levels above the present one that may still be the peak of the window: falling, the oldest first. */
  readonly past: readonly PastResult[];
}

export type BrakeRules = NonNullable<FundRules["brake"]>;

export const newFundState: FundState = { result: Rational.zero, braked: false, past: [] };

/** Past levels kept; beyond it neighbours are joined, which only makes a peak count for longer. */
export const pastLevelsMax = 4096;

const msPerHour = Rational.ofInteger(3_600_000);

/** Joins each pair of neighbours into the higher level with the later end. */
function joined(past: readonly PastResult[]): readonly PastResult[] {
  if (past.length <= pastLevelsMax) return past;
  const pairs: PastResult[] = [];
  for (let at = 0; at < past.length; at += 2) {
    const higher = past[at] as PastResult;
    pairs.push({ level: higher.level, until: (past[at + 1] ?? higher).until });
  }
  return pairs;
}

/** LIQ-16: the highest trading result that was in force at any time in the `hours` before `t`, the present one included. */
export function peakResult(state: FundState, hours: Rational, t: number): Rational {
  const windowMs = Number(hours.times(msPerHour).ceilIn(Rational.one));
  const first = state.past.find((one) => one.until > t - windowMs);
  return first === undefined ? state.result : Rational.max(first.level, state.result);
}

/**
 * LIQ-16: how far the fund is down from its peak of trading results, as a share of what it would hold at that peak:
 * `(peak − now) / (balance + peak − now)`. Top-ups change the balance alone, so they never count as results.
 */
export function drawdown(state: FundState, balance: Rational, hours: Rational, t: number): Rational {
  const down = peakResult(state, hours, t).minus(state.result);
  const atPeak = balance.plus(down);
  return atPeak.sign > 0 ? down.dividedBy(atPeak) : Rational.zero;
}

/** LIQ-16: the brake engages at its drawdown exactly, and lets go only below `until`: at `until` exactly it still holds. */
export function judgeBrake(state: FundState, balance: Rational, brake: BrakeRules | null, t: number): FundState {
  if (brake === null) return state.braked ? { ...state, braked: false } : state;
  const down = drawdown(state, balance, brake.hours, t);
  const braked = state.braked ? down.atLeast(brake.until) : down.sign > 0 && down.atLeast(brake.drawdown);
  return braked === state.braked ? state : { ...state, braked };
}

/**
 * LIQ-16: books a result at UTC ms `t` (fee income positive, payout negative) and judges the brake against the balance after it.
 * `t` must not be before that of an earlier result. Pure.
 */
export function recordResult(
  state: FundState,
  t: number,
  amount: Rational,
  balanceAfter: Rational,
  brake: BrakeRules | null,
): FundState {
  if (amount.isZero()) return judgeBrake(state, balanceAfter, brake, t);
  const result = state.result.plus(amount);
  const windowMs = brake === null ? null : Number(brake.hours.times(msPerHour).ceilIn(Rational.one));
  // What has left the window, or is not above the new level, can never be the peak again.
  const past = [...state.past, { level: state.result, until: t }].filter(
    (one) => one.level.above(result) && (windowMs === null || one.until > t - windowMs),
  );
  return judgeBrake({ result, braked: state.braked, past: joined(past) }, balanceAfter, brake, t);
}

/** LIQ-16: what may be paid before the drawdown reaches the brake: nothing while it is engaged, `null` (no limit) without a brake. */
export function brakeRoom(state: FundState, balance: Rational, brake: BrakeRules | null, t: number): Rational | null {
  if (brake === null) return null;
  const judged = judgeBrake(state, balance, brake, t);
  if (judged.braked) return Rational.zero;
  const down = peakResult(judged, brake.hours, t).minus(judged.result);
  return Rational.max(Rational.zero, balance.plus(down).times(brake.drawdown).minus(down));
}

export interface FundRoom {
  /** Balance of the fund in the asset needed. */
  readonly balance: Rational;
  /** USD per unit of that asset. */
  readonly indexUsd: Rational;
  readonly eventCapUsd: Rational | null;
  /** USD this saga has taken from funds so far. */
  readonly spentUsd: Rational;
  /** What the brake leaves, USD; null: no brake. */
  readonly brakeRoomUsd: Rational | null;
}

/** LIQ-15: F, USD: min(balance · P, per-saga cap less what the saga has had, what the brake leaves); never negative. */
export function spendableUsd(room: FundRoom): Rational {
  let least = room.balance.times(room.indexUsd);
  if (room.eventCapUsd !== null) least = Rational.min(least, room.eventCapUsd.minus(room.spentUsd));
  if (room.brakeRoomUsd !== null) least = Rational.min(least, room.brakeRoomUsd);
  return Rational.max(least, Rational.zero);
}
