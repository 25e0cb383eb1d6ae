import type { Activity } from "./market-replay.ts";

/** Price and quantity as decimal strings, best first. */
export type DepthLevel = readonly [price: string, qty: string];

export interface DepthBook {
  readonly bids: readonly DepthLevel[];
  readonly asks: readonly DepthLevel[];
}

/**
 * How deep a book is, read off recordings: within 10 bp of mid lies about 0.3 of what is traded in a calm minute, and the
 * quantity grows with the distance to the power of 1.1 to 1.3 (`test/fixtures/orderbook`). In stress books thin out while
 * turnover soars: a fifth to a half of that share is left.
 */
export interface DepthRules {
  /** Share of a minute's turnover within 10 bp, in calm. */
  readonly share: number;
  /** Power of the distance. */
  readonly power: number;
  /** What stress leaves of the share at the worst. */
  readonly stressFloor: number;
  /** The book is at its thinnest when a bar's range is this many times the calm one. */
  readonly stressFullAt: number;
  /** Turnover never counts as less than this share of the calm one: somebody always quotes. */
  readonly activityFloor: number;
  /**
   * Turnover of this exchange per day in open interests. Recorded turnover gives the shape in time; its scale is set by the
   * population, because a recorded spot pair says little about how deep a perpetual of this population is: thin alts are
   * scaled up by it, and a run of 300 accounts meets as deep a book, measured by its positions, as one of a million.
   */
  readonly turnoverPerDay: number;
}

export const defaultDepth: DepthRules = {
  share: 0.3,
  power: 1.2,
  stressFloor: 0.2,
  stressFullAt: 10,
  activityFloor: 0.1,
  turnoverPerDay: 6,
};

/** What counts as calm in one market: means over the warm-up. */
export interface CalmMarket {
  readonly usdPerMinute: number;
  readonly rangeBp: number;
}

const minutesPerDay = 1_440;

/** Distances of the levels from the middle, in bp: dense where slices fill, out to five per cent. */
export const levelDistancesBp: readonly number[] = [1, 2, 5, 10, 20, 40, 80, 150, 300, 500];

/** In [stressFloor, 1]: 1 while ranges are calm, falling in a straight line as they widen. */
export function stressFactor(rules: DepthRules, rangeBp: number, calmRangeBp: number): number {
  if (!(calmRangeBp > 0)) return 1;
  const widened = (rangeBp / calmRangeBp - 1) / (rules.stressFullAt - 1);
  return Math.max(rules.stressFloor, 1 - (1 - rules.stressFloor) * Math.max(0, widened));
}

/** USD within 10 bp of the middle, on each side. `openInterestUsd`: of the instrument, at the start. */
export function depthWithin10BpUsd(
  rules: DepthRules,
  openInterestUsd: number,
  activity: Activity | undefined,
  calm: CalmMarket,
): number {
  const calmTurnover = (openInterestUsd * rules.turnoverPerDay) / minutesPerDay;
  // A market whose turnover was not recorded in the warm-up has no shape: it counts as calm throughout.
  const shape = calm.usdPerMinute > 0 ? (activity?.usdPerMinute ?? 0) / calm.usdPerMinute : 1;
  const turnover = calmTurnover * Math.max(rules.activityFloor, shape);
  return rules.share * turnover * stressFactor(rules, activity?.rangeBp ?? 0, calm.rangeBp);
}

/** USD within `distanceBp`, given USD within 10 bp. */
export function cumulativeDepthUsd(rules: DepthRules, within10BpUsd: number, distanceBp: number): number {
  return within10BpUsd * Math.pow(distanceBp / 10, rules.power);
}

export interface ContractGrid {
  readonly tick: string;
  readonly lot: string;
  /** Contracts worth one dollar at this price. */
  readonly contractsPerUsd: (price: number) => number;
}

/** Decimals after the point of a step such as `0.001`; 0 for `5`. */
export function decimalsOf(step: string): number {
  const point = step.indexOf(".");
  return point < 0 ? 0 : step.length - point - 1;
}

/** A whole number of steps as text; the steps of recorded instruments are powers of ten, or 5 of the last digit. */
export function onGrid(value: number, step: string, round: "down" | "up" | "nearest"): string {
  const size = Number(step);
  const steps = value / size;
  const whole =
    round === "down" ? Math.floor(steps + 1e-9) : round === "up" ? Math.ceil(steps - 1e-9) : Math.round(steps);
  return (whole * size).toFixed(decimalsOf(step));
}

/**
 * Both sides of a book around `middle` (USD): quantities are differences of the cumulative depth, cut down to whole lots;
 * prices lie on the tick, away from the middle. Levels that fall on one tick are one; empty or worthless ones are left out.
 */
export function depthBook(rules: DepthRules, within10BpUsd: number, middle: number, grid: ContractGrid): DepthBook {
  const side = (sign: 1 | -1): DepthLevel[] => {
    const levels: [price: string, qty: number][] = [];
    let before = 0;
    for (const distance of levelDistancesBp) {
      const cumulative = cumulativeDepthUsd(rules, within10BpUsd, distance);
      const price = onGrid(middle * (1 + (sign * distance) / 10_000), grid.tick, sign > 0 ? "up" : "down");
      const qty = (cumulative - before) * grid.contractsPerUsd(middle);
      before = cumulative;
      if (Number(price) <= 0) break;
      const last = levels.at(-1);
      if (last?.[0] === price) last[1] += qty;
      else levels.push([price, qty]);
    }
    return levels
      .map(([price, qty]): DepthLevel => [price, onGrid(qty, grid.lot, "down")])
      .filter(([, qty]) => Number(qty) > 0);
  };
  return { bids: side(-1), asks: side(1) };
}

/** Adds up the warm-up of one market. */
export class CalmMeter {
  #usdPerMinute = 0;
  #rangeBp = 0;
  #count = 0;

  add(activity: Activity): void {
    this.#usdPerMinute += activity.usdPerMinute;
    this.#rangeBp += activity.rangeBp;
    this.#count += 1;
  }

  calm(): CalmMarket {
    const count = Math.max(1, this.#count);
    return { usdPerMinute: this.#usdPerMinute / count, rangeBp: this.#rangeBp / count };
  }
}
