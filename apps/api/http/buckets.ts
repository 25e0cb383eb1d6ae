/** Token buckets by name: `burst` at once, then `perSecond`. Holds a bounded number; whoever was seen longest ago begins anew. */
export class Buckets {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #kept: number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(options: { readonly burst: number; readonly perSecond: number; readonly kept: number }) {
    this.#burst = options.burst;
    this.#perSecond = options.perSecond;
    this.#kept = options.kept;
  }

  /** Takes one at `now` (monotonic ms): 0, or in how many ms there will be one. */
  take(name: string, now: number): number {
    const found = this.#buckets.get(name) ?? { tokens: this.#burst, at: now };
    const tokens = Math.min(this.#burst, found.tokens + ((now - found.at) * this.#perSecond) / 1_000);
    this.#buckets.delete(name);
    if (this.#buckets.size >= this.#kept) this.#buckets.delete(this.#buckets.keys().next().value as string);
    const left = tokens >= 1 ? tokens - 1 : tokens;
    this.#buckets.set(name, { tokens: left, at: now });
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) * 1_000) / this.#perSecond);
  }

  get size(): number {
    return this.#buckets.size;
  }
}
