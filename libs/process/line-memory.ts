/** The last lines of a stream, and a wait for one that has come or will come. */
export interface LineMemory<T> {
  add(line: T): void;
  all(): readonly T[];
  /** Lines that were forgotten to keep the bound. */
  readonly forgotten: number;
  /** The first kept or coming line that fits; rejects after `withinMs` or when `end` is called. */
  when(fits: (line: T) => boolean, withinMs: number, what: string): Promise<T>;
  /** No more lines come: whoever waits is told why. */
  end(why: () => string): void;
}

interface Waiter<T> {
  readonly fits: (line: T) => boolean;
  readonly resolve: (line: T) => void;
  readonly reject: (error: Error) => void;
}

export function lineMemory<T>(limit: number): LineMemory<T> {
  const lines: T[] = [];
  const waiters = new Set<Waiter<T>>();
  let forgotten = 0;
  let ended: (() => string) | null = null;
  return {
    get forgotten() {
      return forgotten;
    },
    all: () => [...lines],
    add(line) {
      lines.push(line);
      if (lines.length > limit) {
        lines.shift();
        forgotten += 1;
      }
      for (const waiter of waiters) if (waiter.fits(line)) waiter.resolve(line);
    },
    async when(fits, withinMs, what) {
      const found = lines.find(fits);
      if (found !== undefined) return found;
      if (ended !== null) throw new Error(`${what} never came: ${ended()}`);
      return new Promise<T>((resolve, reject) => {
        const waiter: Waiter<T> = {
          fits,
          resolve: (line) => leave(() => resolve(line)),
          reject: (error) => leave(() => reject(error)),
        };
        const timer = setTimeout(() => waiter.reject(new Error(`${what} did not come in ${withinMs} ms`)), withinMs);
        const leave = (tell: () => void): void => {
          clearTimeout(timer);
          waiters.delete(waiter);
          tell();
        };
        waiters.add(waiter);
      });
    },
    end(why) {
      ended = why;
      for (const waiter of waiters) waiter.reject(new Error(`what was waited for never came: ${why()}`));
    },
  };
}
