import { logReturnDecimals, logReturnUnits, Rational } from "#libs/decimal/index.ts";

export const minuteMs = 60_000;
export const minutesPerDay = 1_440;
export const minutesPerWeek = 10_080;
/** HAIR-05: a window with fewer returns than this says nothing about volatility. */
export const returnsMin = 60;

/** No log return of two permitted prices comes near this, so it can stand for "no return". */
const absent = -(2n ** 63n);

/** Sums over the returns of one window: how many, and Σr² in units of 1e-30. */
interface WindowSums {
  count: number;
  squares: bigint;
}

/**
 * Log returns of one asset over the last week, one slot per UTC minute, and the running sums of its two windows.
 * It is changed in place: copying a week of minutes at each price would make a sample cost O(n).
 */
export interface VolatilityWindows {
  /** The return that ends in minute M, whole 1e-15, is at `M mod minutesPerWeek`. */
  readonly returns: BigInt64Array;
  readonly day: WindowSums;
  readonly week: WindowSums;
  /** The running minute (UTC ms / 60,000, rounded down): the end of both windows; null before the first price. */
  minute: number | null;
  /** The last price of the running minute; null: none yet. */
  last: Rational | null;
  /** The last price of the minute before the running one; null: that minute is missing. */
  before: Rational | null;
}

export function emptyVolatility(): VolatilityWindows {
  return {
    returns: new BigInt64Array(minutesPerWeek).fill(absent),
    day: { count: 0, squares: 0n },
    week: { count: 0, squares: 0n },
    minute: null,
    last: null,
    before: null,
  };
}

function at(windows: VolatilityWindows, minute: number): bigint {
  return windows.returns[minute % minutesPerWeek] ?? absent;
}

function add(sums: WindowSums, value: bigint): void {
  if (value === absent) return;
  sums.count += 1;
  sums.squares += value * value;
}

function remove(sums: WindowSums, value: bigint): void {
  if (value === absent) return;
  sums.count -= 1;
  sums.squares -= value * value;
}

function forgetAll(windows: VolatilityWindows): void {
  windows.returns.fill(absent);
  for (const sums of [windows.day, windows.week]) {
    sums.count = 0;
    sums.squares = 0n;
  }
}

/**
 * HAIR-04: moves the end of both windows to the minute of `t` (UTC ms; earlier ones change nothing): returns that are a
 * day, a week old leave their sums exactly as they came. O(1) per minute passed, at most a week of them.
 */
export function advanceTo(windows: VolatilityWindows, t: number): void {
  const target = Math.floor(t / minuteMs);
  const from = windows.minute;
  if (from === null || target <= from) return;
  if (target - from >= minutesPerWeek) forgetAll(windows);
  else {
    for (let minute = from + 1; minute <= target; minute += 1) {
      remove(windows.day, at(windows, minute - minutesPerDay + minutesPerWeek));
      remove(windows.week, at(windows, minute));
      windows.returns[minute % minutesPerWeek] = absent;
    }
  }
  windows.before = target === from + 1 ? windows.last : null;
  windows.last = null;
  windows.minute = target;
}

/**
 * HAIR-01 to HAIR-03: one more price at `t` (UTC ms). It is the last one of its minute until the next, so the running
 * minute's return is replaced, not added; a return needs a price in the minute right before. `price` must be positive.
 */
export function recordPrice(windows: VolatilityWindows, price: Rational, t: number): void {
  if (price.sign <= 0) throw new RangeError("volatility needs positive prices");
  windows.minute ??= Math.floor(t / minuteMs);
  advanceTo(windows, t);
  const { minute, before, last } = windows;
  windows.last = price;
  if (before === null || last?.equals(price) === true) return;
  const provisional = at(windows, minute);
  const value = logReturnUnits(before, price);
  for (const sums of [windows.day, windows.week]) {
    remove(sums, provisional);
    add(sums, value);
  }
  windows.returns[minute % minutesPerWeek] = value;
}

/** HAIR-05: σ² = Σr²/n of one window, per minute, exact; zero with fewer than 60 returns. */
function variance(sums: WindowSums): Rational {
  if (sums.count < returnsMin) return Rational.zero;
  return Rational.ofUnits(sums.squares, 2 * logReturnDecimals).dividedBy(Rational.ofInteger(sums.count));
}

/** HAIR-05: σ² per minute of the last 24 h and 7 d, as of the minute the windows were last moved to. */
export function realisedVariance(windows: VolatilityWindows): { readonly day: Rational; readonly week: Rational } {
  return { day: variance(windows.day), week: variance(windows.week) };
}

/** The windows as JSON: the returns there are, oldest first, in whole 1e-15. */
export interface VolatilityRecord {
  readonly minute: number | null;
  readonly last: string | null;
  readonly before: string | null;
  readonly returns: readonly (readonly [minute: number, units: string])[];
}

/** `since`: only the returns of that minute and later ones. */
export function saveVolatility(windows: VolatilityWindows, since = 0): VolatilityRecord {
  const returns: [number, string][] = [];
  const end = windows.minute;
  if (end !== null) {
    for (let minute = Math.max(since, end - minutesPerWeek + 1); minute <= end; minute += 1) {
      const value = at(windows, minute);
      if (value !== absent) returns.push([minute, value.toString()]);
    }
  }
  const text = (price: Rational | null): string | null => price?.toStringDown() ?? null;
  return { minute: end, last: text(windows.last), before: text(windows.before), returns };
}

/** The windows that `saveVolatility` wrote; the sums are added up again. */
export function loadVolatility(record: VolatilityRecord): VolatilityWindows {
  const windows = emptyVolatility();
  const price = (text: string | null): Rational | null => (text === null ? null : Rational.parse(text));
  windows.minute = record.minute;
  windows.last = price(record.last);
  windows.before = price(record.before);
  for (const [minute, units] of record.returns) {
    const value = BigInt(units);
    windows.returns[minute % minutesPerWeek] = value;
    add(windows.week, value);
    if (record.minute !== null && minute > record.minute - minutesPerDay) add(windows.day, value);
  }
  return windows;
}

/**
 * Brings windows up to a later record that has at least the returns from their running minute on; an earlier record changes
 * nothing.
 */
export function continueVolatility(windows: VolatilityWindows, record: VolatilityRecord): void {
  if (record.minute === null || (windows.minute !== null && record.minute < windows.minute)) return;
  windows.minute ??= record.minute;
  advanceTo(windows, record.minute * minuteMs);
  for (const [minute, units] of record.returns) {
    if (minute <= record.minute - minutesPerWeek) continue;
    const value = BigInt(units);
    const replaced = at(windows, minute);
    windows.returns[minute % minutesPerWeek] = value;
    remove(windows.week, replaced);
    add(windows.week, value);
    if (minute <= record.minute - minutesPerDay) continue;
    remove(windows.day, replaced);
    add(windows.day, value);
  }
  windows.last = record.last === null ? null : Rational.parse(record.last);
  windows.before = record.before === null ? null : Rational.parse(record.before);
}
