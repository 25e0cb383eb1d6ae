import { drawn } from "./amounts.ts";

/** A ratio at a time, as it was recorded. */
export interface RecordedRatio {
  readonly t: number;
  readonly instrument: string | null;
  readonly ratio: string | null;
}

export interface Live {
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

/** Higher ones say no more: a chart that shows them cannot show what is near liquidation. */
export const ratioShownMax = 3;
const cut = (ratio: number): number => Math.min(ratioShownMax, ratio);
/** Live points lie closer; where two are further apart than this nobody looked, and no line joins them. */
const apartMs = 60_000;

export interface RatioLines {
  readonly x: readonly number[];
  /** Of single moments: nothing is known of what was between them. */
  readonly recorded: readonly (number | null)[];
  /** `null` breaks the line, `undefined` does not: it is a moment of another one's. */
  readonly live: readonly (number | null | undefined)[];
}

/** What was recorded of the cross pool at warnings and liquidations, and what was seen live, on one axis of time. */
export function ratioLines(recorded: readonly RecordedRatio[], { x, y }: Live): RatioLines {
  const dots = new Map<number, number>();
  for (const { t, instrument, ratio } of recorded)
    if (instrument === null && ratio !== null) dots.set(t, cut(drawn(ratio)));
  const seen = new Map<number, number | null>();
  for (const [place, t] of x.entries()) {
    const value = y[place] ?? null;
    const before = x[place - 1];
    if (before !== undefined && t - before > apartMs) seen.set(before + 1, null);
    seen.set(t, value === null ? null : cut(value));
  }
  const order = [...new Set([...dots.keys(), ...seen.keys()])].sort((a, b) => a - b);
  return { x: order, recorded: order.map((t) => dots.get(t) ?? null), live: order.map((t) => seen.get(t)) };
}
