/** UTC ms of the market: what entries, prices and funding are dated by. Never falls within one process. */
export interface Clock {
  now(): number;
}

export interface MarketClock extends Clock {
  /** Market ms per wall ms: 1 in production. */
  readonly speed: number;
}

export const speedMax = 10_000;
const pattern = /^(\d{1,15})@(\d{1,5}(?:\.\d{1,6})?)@(\d{1,15})$/;

/**
 * null: the wall clock. `<market ms>@<speed>@<wall ms>`: at that wall time the market's clock stood at `market ms`, and runs
 * `speed` times as fast. Throws `RangeError` for anything else.
 */
export function clockFrom(setting: string | null, wall: () => number = Date.now): MarketClock {
  if (setting === null) return risingClock(wall, 1);
  const match = pattern.exec(setting);
  const speed = Number(match?.[2]);
  if (match === null || speed <= 0 || speed > speedMax) {
    throw new RangeError(`a clock is <market ms>@<speed>@<wall ms> with a speed above 0 and up to ${speedMax}`);
  }
  const market = Number(match[1]);
  const since = Number(match[3]);
  return risingClock(() => market + (wall() - since) * speed, speed);
}

/** The setting with which another process shows the same market time. */
export function clockSetting(marketMs: number, speed: number, wallMs: number): string {
  return `${marketMs}@${speed}@${wallMs}`;
}

/** A wall clock may be set back; what is dated by it may not fall. */
function risingClock(read: () => number, speed: number): MarketClock {
  let last = 0;
  return {
    speed,
    now() {
      last = Math.max(last, Math.floor(read()));
      return last;
    },
  };
}

/** Monotonic ms for deadlines, leases and latency; not comparable between processes. */
export const monotonicMs = (): number => performance.now();
