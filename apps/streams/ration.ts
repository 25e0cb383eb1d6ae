/** Lets work be done for no more than a share of the time: what has taken a while is followed by a pause in proportion. */
export class Ration {
  readonly #now: () => number;
  readonly #pause: number;
  #closedUntil = Number.NEGATIVE_INFINITY;

  /** `now`: monotonic ms; `pause`: how many times as long as the work. */
  constructor(now: () => number, pause: number) {
    this.#now = now;
    this.#pause = pause;
  }

  get open(): boolean {
    return this.#now() >= this.#closedUntil;
  }

  /** Does it, and counts how long that took. */
  spend<Result>(work: () => Result): Result {
    const from = this.#now();
    const result = work();
    const to = this.#now();
    this.#closedUntil = to + (to - from) * this.#pause;
    return result;
  }
}
