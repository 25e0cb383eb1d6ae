import { signal } from "@preact/signals";

/** Ms of this page's own clock, renewed once a second: what is said of ages goes on while nothing comes. */
export const now = signal(performance.now());

const everyMs = 1_000;

export function startTicking(): void {
  setInterval(() => (now.value = performance.now()), everyMs);
}
