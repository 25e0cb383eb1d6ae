/** First in, first out, never more than `limit` items. One side puts, the other takes, each may wait for the other. */
export class BoundedQueue<T> {
  readonly limit: number;
  #items: T[] = [];
  /** Items before this place are taken; cutting them off in blocks keeps taking cheap. */
  #head = 0;
  #closed = false;
  #wakeTakers: (() => void)[] = [];
  #wakePutters: (() => void)[] = [];

  constructor(limit: number) {
    if (!Number.isSafeInteger(limit) || limit < 1) throw new RangeError("a queue holds at least one item");
    this.limit = limit;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** false: full or closed, the item is not taken. */
  offer(item: T): boolean {
    if (this.#closed || this.size >= this.limit) return false;
    this.#items.push(item);
    wakeAll(this.#wakeTakers);
    return true;
  }

  /** Waits for room. false: closed before there was any. */
  async put(item: T): Promise<boolean> {
    while (!this.#closed && this.size >= this.limit) await sleepIn(this.#wakePutters);
    return this.offer(item);
  }

  /** Up to `max` items that are there now. */
  takeNow(max: number): T[] {
    const taken = this.#items.slice(this.#head, this.#head + max);
    this.#head += taken.length;
    if (this.#head >= this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > this.limit) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    if (taken.length > 0) wakeAll(this.#wakePutters);
    return taken;
  }

  /** Resolves as soon as anything is there, with up to `max` items; with none after `waitMs`, or once closed and empty. */
  async take(max: number, waitMs: number): Promise<T[]> {
    if (this.size === 0 && !this.#closed && waitMs > 0) await sleepIn(this.#wakeTakers, waitMs);
    return this.takeNow(max);
  }

  /** No more items come in; those inside can still be taken. */
  close(): void {
    this.#closed = true;
    wakeAll(this.#wakeTakers);
    wakeAll(this.#wakePutters);
  }
}

function wakeAll(sleepers: (() => void)[]): void {
  if (sleepers.length > 0) for (const wake of sleepers.splice(0)) wake();
}

async function sleepIn(sleepers: (() => void)[], ms?: number): Promise<void> {
  await new Promise<void>((resolve) => {
    if (ms === undefined) {
      sleepers.push(resolve);
      return;
    }
    const wake = (): void => {
      clearTimeout(timer);
      const at = sleepers.indexOf(wake);
      if (at >= 0) sleepers.splice(at, 1);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    sleepers.push(wake);
  });
}
