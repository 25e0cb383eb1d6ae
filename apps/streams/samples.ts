import { limits } from "./limits.ts";

/** The newest measurements of one thing, ms. */
export class Samples {
  readonly #values: number[] = [];
  #count = 0;

  add(ms: number): void {
    this.#values[this.#count % limits.samples] = ms;
    this.#count += 1;
  }

  /** p50 and p99 of those that are kept; null: there are none. */
  read(): { readonly count: number; readonly p50Ms: number; readonly p99Ms: number } | null {
    if (this.#count === 0) return null;
    const sorted = Float64Array.from(this.#values).sort();
    const at = (share: number): number => Number((sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(3));
    return { count: this.#count, p50Ms: at(0.5), p99Ms: at(0.99) };
  }
}
