import { bucketAt, bucketCount } from "#libs/domain/limits/windows.ts";

/** LIM-09 for what never goes back in time: a ring of buckets with their sum kept up. Amounts in whole units. */
export class RateWindow {
  readonly windowMs: number;
  readonly #buckets: bigint[] = Array.from({ length: bucketCount }, () => 0n);
  /** The newest bucket. */
  #bucket = Number.NEGATIVE_INFINITY;
  #sum = 0n;

  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  /** Empties the buckets that have left the window by `now`. */
  #turn(now: number): void {
    const bucket = bucketAt(now, this.windowMs);
    if (!(bucket > this.#bucket)) return;
    const passed = bucket - this.#bucket;
    if (passed >= bucketCount) {
      this.#buckets.fill(0n);
      this.#sum = 0n;
    } else for (let back = 0; back < passed; back += 1) this.#set(bucket - back, 0n);
    this.#bucket = bucket;
  }

  #set(bucket: number, amount: bigint): void {
    const at = ((bucket % bucketCount) + bucketCount) % bucketCount;
    this.#sum += amount - (this.#buckets[at] as bigint);
    this.#buckets[at] = amount;
  }

  /** Adds to the newest bucket; a negative amount takes back what was added at the same `now`. */
  add(now: number, amount: bigint): void {
    this.#turn(now);
    if (this.#bucket === Number.NEGATIVE_INFINITY) this.#bucket = 0;
    const at = ((this.#bucket % bucketCount) + bucketCount) % bucketCount;
    this.#set(this.#bucket, (this.#buckets[at] as bigint) + amount);
  }

  sum(now: number): bigint {
    this.#turn(now);
    return this.#sum;
  }
}
