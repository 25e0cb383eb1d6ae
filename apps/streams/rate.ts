/** So many a second, so many at once; then each has to wait for its turn. */
export class Rate {
  readonly #perMs: number;
  readonly #burst: number;
  #left: number;
  #at: number;

  constructor(perSecond: number, burst: number, now: number) {
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
    this.#left = burst;
    this.#at = now;
  }

  /** 0: go on; else how long to wait, ms. */
  take(now: number): number {
    this.#left = Math.min(this.#burst, this.#left + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#left < 1) return (1 - this.#left) / this.#perMs;
    this.#left -= 1;
    return 0;
  }
}
