import { setImmediate as immediately, setTimeout as after } from "node:timers/promises";
import { limits } from "./limits.ts";

/** ms of the monotonic clock. */
export const monotonic = (): number => performance.now();

/** Lets sockets be read and questions be answered. */
export async function breathe(): Promise<void> {
  await immediately();
}

export async function pause(ms: number): Promise<void> {
  await after(ms);
}

/** Runs `work` until it succeeds or `stopped()`; waits longer after each failure. Null: stopped. */
export async function insist<T>(
  work: () => Promise<T>,
  stopped: () => boolean,
  failed: (error: unknown) => void,
): Promise<T | null> {
  let wait: number = limits.retryFirstMs;
  while (!stopped()) {
    try {
      return await work();
    } catch (error) {
      failed(error);
      await pause(wait);
      wait = Math.min(limits.retryMostMs, wait * 2);
    }
  }
  return null;
}

/** A gate that is open while a condition holds; waiters are let through when it comes to hold. */
export class Signal {
  #waiting: (() => void)[] = [];

  notify(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) one();
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
