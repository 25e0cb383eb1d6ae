import type { Bar } from "./recorded-crash.ts";

/** The grid of a replay: four frames a minute. */
export const frameMs = 15_000;

/** One recorded price, when the replay publishes it, and until when its source may be taken to stand by it. UTC ms. */
export interface PricePoint {
  readonly t: number;
  readonly price: string;
  readonly until: number;
  /** The bar it is of; null for prices without volume. */
  readonly traded: Traded | null;
}

/** What was traded in one bar: per minute in the source's unit, and how far prices moved. */
export interface Traded {
  readonly volumePerMinute: number;
  readonly rangeBp: number;
}

/** Whether the lead instrument closed above where it opened over [ts, ts + spanMs). */
export type Direction = (ts: number, spanMs: number) => boolean;

/** Zero volume means that an old price was repeated: silence, as if the bar were missing. */
const isLive = (bar: Bar): boolean => bar.volume === null || bar.volume > 0;

/**
 * The direction of any span, from the bars of the lead instrument. Every instrument follows the lead, so that all of them
 * see their lows in the same frame, as in a crash they do. A span without bars counts as not risen.
 */
export function directionOf(lead: readonly Bar[], barMs: number): Direction {
  const byTime = new Map(lead.map((bar) => [bar.ts, bar]));
  return (ts, spanMs) => {
    let open: number | null = null;
    let close: number | null = null;
    for (let at = ts; at < ts + spanMs; at += barMs) {
      const bar = byTime.get(at);
      if (bar === undefined) continue;
      open ??= Number(bar.open ?? bar.close);
      close = Number(bar.close);
    }
    return open !== null && close !== null && close > open;
  };
}

function tradedIn(bar: Bar, barMs: number): Traded | null {
  if (bar.volume === null) return null;
  const high = Number(bar.high ?? bar.close);
  const low = Number(bar.low ?? bar.close);
  const rangeBp = low > 0 ? ((high - low) / low) * 10_000 : 0;
  return { volumePerMinute: bar.volume / (barMs / 60_000), rangeBp };
}

/**
 * Four points per bar, evenly inside its own span: open, low, high, close where the lead rose, else open, high, low,
 * close; the last at the span's last millisecond, so that a close belongs to its own minute. Nothing lies between points:
 * within a bar under way the source stands by its last point, and past it only where the next bar follows at once.
 * A file of closes alone gives one point per row, good for one bar's length.
 */
export function pointsOf(bars: readonly Bar[], barMs: number, rose: Direction): PricePoint[] {
  const points: PricePoint[] = [];
  const live = bars.filter(isLive);
  for (const [at, bar] of live.entries()) {
    const end = bar.ts + barMs;
    const traded = tradedIn(bar, barMs);
    const { open, high, low, close } = bar;
    if (open === null || high === null || low === null) {
      points.push({ t: end - 1, price: close, until: end - 1 + barMs, traded });
      continue;
    }
    const quarter = barMs / 4;
    const middle = rose(bar.ts, barMs) ? [low, high] : [high, low];
    for (const [place, price] of [open, ...middle].entries())
      points.push({ t: bar.ts + quarter * (place + 1) - 1, price: price, until: end - 1, traded });
    const follows = live[at + 1]?.ts === end;
    points.push({ t: end - 1, price: close, until: end - 1 + (follows ? quarter : 0), traded });
  }
  return points;
}

export interface BarFile {
  readonly bars: readonly Bar[];
  readonly barMs: number;
}

/** One market recorded at several bar lengths is one source: points of a coarse bar count only where no finer bar is under way. */
export function mergedPoints(files: readonly BarFile[], rose: Direction): readonly PricePoint[] {
  const finestFirst = [...files].sort((left, right) => left.barMs - right.barMs);
  const covered = new Set<number>();
  const points: PricePoint[] = [];
  for (const { bars, barMs } of finestFirst) {
    points.push(...pointsOf(bars, barMs, rose).filter((point) => !covered.has(Math.floor(point.t / frameMs))));
    if (finestFirst.length === 1) break;
    for (const bar of bars.filter((one) => isLive(one) && one.open !== null))
      for (let at = bar.ts; at < bar.ts + barMs; at += frameMs) covered.add(Math.floor(at / frameMs));
  }
  return points.sort((left, right) => left.t - right.t);
}

/** Closes of one file over closes of another at the same instant: the price that both together imply. */
export function crossPoints(
  file: BarFile,
  over: BarFile,
  divide: (price: string, by: string) => string,
): readonly PricePoint[] {
  const closes = new Map(over.bars.filter(isLive).map((bar) => [bar.ts + over.barMs, bar.close]));
  return file.bars.filter(isLive).flatMap((bar) => {
    const end = bar.ts + file.barMs;
    const divisor = closes.get(end);
    if (divisor === undefined) return [];
    return [{ t: end - 1, price: divide(bar.close, divisor), until: end - 1 + file.barMs, traded: null }];
  });
}

/** Walks through points in time; answers what the source says at an instant, or null while it is silent. */
export class PriceFeed {
  readonly #points: readonly PricePoint[];
  #at = -1;

  constructor(points: readonly PricePoint[]) {
    this.#points = points;
  }

  /** `t` UTC ms, never falling. */
  advance(t: number): PricePoint | null {
    while ((this.#points[this.#at + 1]?.t ?? Infinity) <= t) this.#at += 1;
    const point = this.#points[this.#at];
    return point !== undefined && t <= point.until ? point : null;
  }
}
