import { wait } from "./backoff.ts";
import { monotonicMs } from "./clock.ts";

/** Where a lease is kept; its clock is the store's own. Every call may throw when the store cannot be reached. */
export interface LeaseStore {
  /** null: another holds it. */
  acquire(ttlMs: number): Promise<{ readonly epoch: number } | null>;
  /** false: another has taken it. */
  renew(epoch: number, ttlMs: number): Promise<boolean>;
  release(epoch: number): Promise<void>;
}

/** A crash of the holder is over for a standby within `ttlMs` and one `retryMs`. `safeMs` is less than `ttlMs` by what a write may take. */
export const leaseTimes = { ttlMs: 1_000, renewMs: 200, safeMs: 700, retryMs: 100 } as const;
export type LeaseTimes = { readonly [Key in keyof typeof leaseTimes]: number };

/** A lease that is held: renewed until it is released or somebody else has it. */
export interface Lease {
  readonly epoch: number;
  /** Aborts when it is lost or released. */
  readonly signal: AbortSignal;
  /** Whether by this process's monotonic time nobody else can hold it: asked before every effect on the outside. */
  holds(): boolean;
  /** Ends it, so that a standby need not wait for its time to run out; never throws. */
  release(): Promise<void>;
}

/** Waits until the lease is free and takes it; null when `signal` aborts first. Errors of the store are told and tried again. */
export async function waitForLease(
  store: LeaseStore,
  signal: AbortSignal,
  options: { readonly times?: LeaseTimes; readonly onError?: (error: unknown) => void } = {},
): Promise<Lease | null> {
  const times = options.times ?? leaseTimes;
  const tell = options.onError ?? ((): void => {});
  while (!signal.aborted) {
    const asked = monotonicMs();
    try {
      const taken = await store.acquire(times.ttlMs);
      if (taken !== null) return new HeldLease(store, taken.epoch, asked, times, tell);
    } catch (error) {
      tell(error);
    }
    await wait(times.retryMs, signal);
  }
  return null;
}

class HeldLease implements Lease {
  readonly epoch: number;
  readonly #store: LeaseStore;
  readonly #times: LeaseTimes;
  readonly #tell: (error: unknown) => void;
  readonly #ended = new AbortController();
  readonly #renewing: Promise<void>;
  #confirmed: number;

  constructor(store: LeaseStore, epoch: number, asked: number, times: LeaseTimes, tell: (error: unknown) => void) {
    this.#store = store;
    this.epoch = epoch;
    this.#confirmed = asked;
    this.#times = times;
    this.#tell = tell;
    this.#renewing = this.#renew();
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  holds(): boolean {
    return !this.#ended.signal.aborted && monotonicMs() - this.#confirmed < this.#times.safeMs;
  }

  async release(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    await this.#renewing;
    await this.#store.release(this.epoch).catch(this.#tell);
  }

  async #renew(): Promise<void> {
    for (;;) {
      await wait(this.#times.renewMs, this.#ended.signal);
      if (this.#ended.signal.aborted) return;
      const asked = monotonicMs();
      try {
        if (await this.#store.renew(this.epoch, this.#times.ttlMs)) this.#confirmed = asked;
        else this.#ended.abort();
      } catch (error) {
        // Unknown whether it was renewed: `holds` ends by itself if this goes on.
        this.#tell(error);
      }
    }
  }
}
