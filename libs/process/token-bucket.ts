/** So many at once, then so many a second. Times are monotonic ms. */
export interface Pace {
  readonly burst: number;
  readonly perSecond: number;
}

/** Lets `burst` through at once, then `perSecond`; who is too fast has to wait for a turn. */
export class TokenBucket {
  readonly #pace: Pace;
  #tokens: number;
  #at: number;

  constructor(pace: Pace, now: number) {
    this.#pace = pace;
    this.#tokens = pace.burst;
    this.#at = now;
  }

  /** Takes one, or as many as are asked for (at most `burst`): 0, or in how many ms there will be enough. */
  take(now: number, count = 1): number {
    const { burst, perSecond } = this.#pace;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) * perSecond) / 1_000);
    this.#at = now;
    if (this.#tokens < count) return Math.ceil(((count - this.#tokens) * 1_000) / perSecond);
    this.#tokens -= count;
    return 0;
  }
}

/** A bucket for each name. Holds `kept` at most; whoever was seen longest ago begins anew, which gives nobody more than a burst. */
export class TokenBuckets {
  readonly #options: Pace & { readonly kept: number };
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(options: Pace & { readonly kept: number }) {
    this.#options = options;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one: 0, or in how many ms there will be one. */
  take(name: string, now: number): number {
    const bucket = this.#buckets.get(name) ?? new TokenBucket(this.#options, now);
    this.#buckets.delete(name);
    if (this.#buckets.size >= this.#options.kept) this.#buckets.delete(this.#buckets.keys().next().value as string);
    this.#buckets.set(name, bucket);
    return bucket.take(now);
  }
}
