import { monotonicMs } from "#libs/process/clock.ts";

/** Accounts whose buckets are remembered: a full bucket is forgotten first, which gives nobody more than a burst. */
const bucketsMax = 10_000;

interface Bucket {
  tokens: number;
  at: number;
}

/** A bucket of tokens for each account: `burst` at once, `perSecond` in the long run. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  /** false: too fast. */
  take(account: string): boolean {
    const now = monotonicMs();
    const bucket = this.#buckets.get(account) ?? { tokens: this.#burst, at: now };
    bucket.tokens = Math.min(this.#burst, bucket.tokens + ((now - bucket.at) / 1_000) * this.#perSecond);
    bucket.at = now;
    this.#buckets.delete(account);
    this.#buckets.set(account, bucket);
    if (this.#buckets.size > bucketsMax) this.#buckets.delete(this.#buckets.keys().next().value as string);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}
