import { backoff, wait } from "./backoff.ts";

/** A table of what is still to be published, in the order in which it must be. */
export interface Outbox<Item> {
  /** The oldest that are not published yet. */
  pending(limit: number): Promise<readonly Item[]>;
  /** Told again after a crash: publishing must be idempotent. */
  markPublished(items: readonly Item[]): Promise<void>;
}

export interface RelayOptions<Item> {
  readonly outbox: Outbox<Item>;
  /** Publishes all of them in order; resolves when they are stored, rejects when that is not known. */
  readonly write: (items: readonly Item[]) => Promise<void>;
  /** false: somebody else publishes now. */
  readonly mayWrite?: () => boolean;
  readonly onError?: (error: unknown) => void;
  readonly batchMax?: number;
  readonly pollMs?: number;
}

export const relayLimits = { batchMax: 500, pollMs: 250, retryFirstMs: 50, retryMaxMs: 1_000 } as const;

/**
 * Publishes what an outbox holds, in order, at least once: when `kick` says that something came, and every `pollMs`. What fails is
 * tried again from the oldest on, so nothing overtakes.
 */
export class Relay<Item> {
  readonly #options: RelayOptions<Item>;
  readonly #stopped = new AbortController();
  #wake = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: RelayOptions<Item>) {
    this.#options = options;
    this.#running = this.#run();
  }

  kick(): void {
    this.#wake.abort();
  }

  /** Resolves when the batch under way is done with. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#wake.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const pauses = backoff({ firstMs: relayLimits.retryFirstMs, maxMs: relayLimits.retryMaxMs });
    while (!this.#stopped.signal.aborted) {
      this.#wake = new AbortController();
      try {
        const full = await this.#batch();
        pauses.reset();
        if (full) continue;
      } catch (error) {
        this.#options.onError?.(error);
        await wait(pauses.next(), this.#stopped.signal);
        continue;
      }
      if (!this.#stopped.signal.aborted) await wait(this.#options.pollMs ?? relayLimits.pollMs, this.#wake.signal);
    }
  }

  /** True when there may be more. */
  async #batch(): Promise<boolean> {
    if (this.#options.mayWrite?.() === false) return false;
    const limit = this.#options.batchMax ?? relayLimits.batchMax;
    const items = await this.#options.outbox.pending(limit);
    if (items.length === 0 || this.#options.mayWrite?.() === false) return false;
    await this.#options.write(items);
    await this.#options.outbox.markPublished(items);
    return items.length >= limit;
  }
}
