export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly factor?: number;
}

export interface Backoff {
  /** The next wait, ms: grows by `factor` up to `maxMs`; a random part of up to half keeps many clients apart. */
  next(): number;
  reset(): void;
}

export function backoff({ firstMs, maxMs, factor = 2 }: BackoffOptions): Backoff {
  let wait = firstMs;
  return {
    next() {
      const bounded = Math.min(wait, maxMs);
      wait = Math.min(wait * factor, maxMs);
      return bounded * (0.5 + Math.random() / 2);
    },
    reset() {
      wait = firstMs;
    },
  };
}

/** Resolves after `ms`, or at once when the signal aborts; never rejects. */
export async function wait(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}

export interface RetryOptions extends BackoffOptions {
  /** At most this many calls. */
  readonly attempts: number;
  /** No new call once this much time has passed, ms. */
  readonly withinMs?: number;
  readonly signal?: AbortSignal;
  /** false: the error is final. */
  readonly retryIf?: (error: unknown) => boolean;
  readonly onRetry?: (error: unknown, attempt: number) => void;
}

/** Calls until it succeeds; throws the last error when attempts, time or the caller's patience end. */
export async function retry<T>(call: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const waits = backoff(options);
  const until = options.withinMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + options.withinMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(attempt);
    } catch (error) {
      const pause = waits.next();
      const over = attempt >= options.attempts || performance.now() + pause > until;
      if (over || options.signal?.aborted === true || options.retryIf?.(error) === false) throw error;
      options.onRetry?.(error, attempt);
      await wait(pause, options.signal);
    }
  }
}
