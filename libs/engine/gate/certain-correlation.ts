import { correlationOf, returnsMin, returnsOf, slotAt } from "#libs/domain/limits/correlation.ts";
import type { Machine } from "../machine.ts";

/** Returns of one asset while one slot lasts: all but the newest, which moves with the price. */
interface Series {
  readonly closed: readonly number[];
  newest: number;
}

/** Sums over the closed returns of a pair. */
interface Pair {
  readonly x: number;
  readonly y: number;
  readonly xy: number;
}

/** One part of a portfolio: an asset, and what is held of it, USD and signed. */
export interface Part {
  readonly asset: number;
  readonly usd: number;
}

/** No correlation of sums kept up is further from that of the rule (docs/float-bounds.md). */
const doubt = 1e-6;
/** What is left of a sum of squares after its mean is taken off must be more than this share of it, or digits have been lost. */
const leastShare = 1e-6;

/**
 * LIM-22 for the screen: sums per pair are made once a slot, and the newest return is added when they are asked for. One question of a
 * portfolio of k underlyings then costs k² steps, not k times all prices of a day.
 */
export class Correlations {
  readonly #machine: Machine;
  readonly #series = new Map<number, Series>();
  readonly #pairs = new Map<string, Pair>();
  #slot = -1;
  #at = -1;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Whether what is added certainly moves with the parts no more than a figure allows; `sign`: 1 bought, −1 sold. */
  below(asset: number, sign: number, parts: readonly Part[], figure: number): boolean {
    this.#turn();
    const own = this.#of(asset);
    if (own === null) return true;
    const held = parts.flatMap(({ asset: other, usd }) => {
      const series = this.#of(other);
      return series === null ? [] : [{ asset: other, usd, series }];
    });
    if (held.length === 0) return true;
    const lengths = [own, ...held.map((one) => one.series)].map((one) => one.closed.length + 1);
    const length = Math.min(...lengths);
    if (length < returnsMin) return true;
    // Returns of different length have other sums in common; that is left to the rule.
    if (lengths.some((one) => one !== length)) return false;
    const xx = this.#covariance(asset, own, asset, own, length);
    let [xy, yy] = [0, 0];
    for (const one of held) {
      xy += one.usd * this.#covariance(asset, own, one.asset, one.series, length);
      for (const other of held)
        yy += one.usd * other.usd * this.#covariance(one.asset, one.series, other.asset, other.series, length);
    }
    if (!(clear(xx, this.#square(asset, own)) && clear(yy, this.#most(held)))) return false;
    const found = (sign * xy) / Math.sqrt(xx * yy);
    return correlationOf(found + doubt) <= figure * (1 - doubt);
  }

  /** Prices move with the log, slots with its time. */
  #turn(): void {
    const { appliedSeq, t } = this.#machine;
    if (this.#at === appliedSeq) return;
    this.#at = appliedSeq;
    this.#series.clear();
    if (slotAt(t) === this.#slot) return;
    this.#slot = slotAt(t);
    this.#pairs.clear();
  }

  #of(asset: number): Series | null {
    const known = this.#series.get(asset);
    if (known !== undefined) return known;
    const closes = this.#machine.activity.closes.get(asset);
    if (closes === undefined) return null;
    const returns = returnsOf(closes, this.#machine.t);
    const series = { closed: returns.slice(0, -1), newest: returns.at(-1) ?? 0 };
    this.#series.set(asset, series);
    return series;
  }

  /** Σ (x − mean)(y − mean). */
  #covariance(left: number, x: Series, right: number, y: Series, length: number): number {
    const sums = this.#pair(left, x, right, y);
    return sums.xy + x.newest * y.newest - ((sums.x + x.newest) * (sums.y + y.newest)) / length;
  }

  #pair(left: number, x: Series, right: number, y: Series): Pair {
    const name = `${left} ${right}`;
    let known = this.#pairs.get(name);
    if (known !== undefined) return known;
    const sum = (some: readonly number[]): number => some.reduce((total, one) => total + one, 0);
    const xy = x.closed.reduce((total, one, at) => total + one * (y.closed[at] as number), 0);
    this.#pairs.set(name, (known = { x: sum(x.closed), y: sum(y.closed), xy }));
    return known;
  }

  /** Σ x². */
  #square(asset: number, series: Series): number {
    return this.#pair(asset, series, asset, series).xy + series.newest ** 2;
  }

  /** The most that the sum of squares of a portfolio's returns can be made of. */
  #most(held: readonly (Part & { readonly series: Series })[]): number {
    return held.reduce((sum, one) => sum + Math.abs(one.usd) * Math.sqrt(this.#square(one.asset, one.series)), 0) ** 2;
  }
}

const clear = (left: number, of: number): boolean => left > leastShare * of;
