import { Rational } from "#libs/decimal/index.ts";

const minuteMs = 60_000;

/** How long which index stood within one UTC minute: Σ price·ms and Σ ms. */
interface MinuteSum {
  readonly minute: number;
  readonly weighted: Rational;
  readonly ms: number;
}

/** What is needed of an index to settle on it: sums of the last minutes, ascending, and the price that stands now. */
export interface SettlementWindow {
  readonly minutes: readonly MinuteSum[];
  readonly price: Rational | null;
  /** UTC ms up to which the sums are complete. */
  readonly t: number;
}

export const emptySettlement: SettlementWindow = { minutes: [], price: null, t: 0 };

/** The sums brought up to `t`: the standing price counts for the time it stood, minute by minute, at most a window of it. */
function standingUntil(window: SettlementWindow, windowMinutes: number, t: number): SettlementWindow {
  const { price } = window;
  if (price === null || t <= window.t) return window;
  const oldest = Math.floor(t / minuteMs) - windowMinutes;
  const minutes = window.minutes.filter(({ minute }) => minute >= oldest);
  let from = Math.max(window.t, oldest * minuteMs);
  while (from < t) {
    const minute = Math.floor(from / minuteMs);
    const to = Math.min(t, (minute + 1) * minuteMs);
    const ms = to - from;
    const weighted = price.times(Rational.ofInteger(ms));
    const last = minutes.at(-1);
    if (last?.minute === minute) {
      minutes[minutes.length - 1] = { minute, weighted: last.weighted.plus(weighted), ms: last.ms + ms };
    } else minutes.push({ minute, weighted, ms });
    from = to;
  }
  return { minutes, price, t };
}

/** EXP-01: the index became `price` at `t` (UTC ms, never falling) and stands until the next one. */
export function recordSettlementIndex(
  window: SettlementWindow,
  price: Rational,
  t: number,
  windowMinutes: number,
): SettlementWindow {
  const at = Math.max(t, window.t);
  return { minutes: standingUntil(window, windowMinutes, at).minutes, price, t: at };
}

/**
 * EXP-01 to EXP-03: the settlement index at `t`: the mean of the index over the last minutes, each price weighted by how
 * long it stood, rounded down to 1e-18; the window begins at a whole minute. Null when the index never had a price.
 */
export function settlementIndex(window: SettlementWindow, t: number, windowMinutes: number): Rational | null {
  const { minutes, price } = standingUntil(window, windowMinutes, t);
  const oldest = Math.ceil(t / minuteMs) - windowMinutes;
  const counting = minutes.filter(({ minute }) => minute >= oldest);
  const ms = counting.reduce((sum, one) => sum + one.ms, 0);
  if (ms === 0) return price;
  const weighted = Rational.sum(counting.map((one) => one.weighted));
  return weighted.dividedBy(Rational.ofInteger(ms)).floorTo(Rational.ofUnits(1n, 18));
}

/** The window as JSON: `weighted` is a decimal string of USD·ms. */
export interface SettlementRecord {
  readonly minutes: readonly (readonly [minute: number, weighted: string, ms: number])[];
  readonly price: string | null;
  readonly t: number;
}

export function saveSettlement(window: SettlementWindow): SettlementRecord {
  return {
    minutes: window.minutes.map(({ minute, weighted, ms }) => [minute, weighted.toStringDown(), ms]),
    price: window.price?.toStringDown() ?? null,
    t: window.t,
  };
}

/** The window that `saveSettlement` wrote. Prices below 1e15 keep their sums within the textual form. */
export function loadSettlement(record: SettlementRecord): SettlementWindow {
  return {
    minutes: record.minutes.map(([minute, weighted, ms]) => ({ minute, weighted: Rational.parse(weighted), ms })),
    price: record.price === null ? null : Rational.parse(record.price),
    t: record.t,
  };
}
