import { bucketAt, bucketCount } from "#libs/domain/limits/windows.ts";

/** LIM-09 for what never goes back in time: rings of buckets with their sums kept up, of orders and of their value in whole units. */
export class RateWindow {
  readonly windowMs: number;
  readonly #orders = new Float64Array(bucketCount);
  readonly #values: bigint[] = Array.from({ length: bucketCount }, () => 0n);
  /** The newest bucket. */
  #bucket = Number.NEGATIVE_INFINITY;
  #orderSum = 0;
  #valueSum = 0n;

  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  /** As of the last turn. */
  get orders(): number {
    return this.#orderSum;
  }
  get value(): bigint {
    return this.#valueSum;
  }
  get isEmpty(): boolean {
    return this.#orderSum === 0 && this.#valueSum === 0n;
  }

  /** Empties the buckets that have left the window by `now`. */
  turn(now: number): void {
    const bucket = bucketAt(now, this.windowMs);
    if (!(bucket > this.#bucket)) return;
    const passed = bucket - this.#bucket;
    this.#bucket = bucket;
    if (this.isEmpty) return;
    if (passed >= bucketCount) this.#clear();
    else for (let back = 0; back < passed; back += 1) this.#empty(place(bucket - back));
  }

  #clear(): void {
    this.#orders.fill(0);
    this.#values.fill(0n);
    this.#orderSum = 0;
    this.#valueSum = 0n;
  }

  #empty(at: number): void {
    this.#orderSum -= this.#orders[at] as number;
    this.#valueSum -= this.#values[at] as bigint;
    this.#orders[at] = 0;
    this.#values[at] = 0n;
  }

  /** Adds to the newest bucket; negative amounts take back what was added at the same `now`. */
  add(now: number, orders: number, value: bigint): void {
    this.turn(now);
    if (this.#bucket === Number.NEGATIVE_INFINITY) this.#bucket = 0;
    const at = place(this.#bucket);
    this.#orders[at] = (this.#orders[at] as number) + orders;
    this.#values[at] = (this.#values[at] as bigint) + value;
    this.#orderSum += orders;
    this.#valueSum += value;
  }
}

const place = (bucket: number): number => ((bucket % bucketCount) + bucketCount) % bucketCount;
