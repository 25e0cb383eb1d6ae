import { ApiRefused } from "../http/refused.ts";
import { limits } from "../limits.ts";

/** One at a time, a bounded number waiting: for what costs much of the processor. */
export class OneByOne {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= limits.replaysWaiting) throw new ApiRefused("busy", { retryAfterMs: 1_000 });
    this.#waiting += 1;
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    return mine.finally(() => {
      this.#waiting -= 1;
    });
  }
}
