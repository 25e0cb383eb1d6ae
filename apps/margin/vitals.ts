import type { TimeEntry } from "#libs/contracts/log.ts";
import { limits } from "./limits.ts";
import { monotonic } from "./waiting.ts";

export type VitalSigns = Omit<TimeEntry, "k">;

/** What this process sees of itself, for the log's clock to tell: breakers judge it there, at one place of the log for everybody. */
export class Vitals {
  readonly #committing: { readonly waitingSince: number | null };
  readonly #applying: { readonly lateMs: number };
  /** By what was needed: whether the latest attempts failed, the oldest first. */
  readonly #attempts = new Map<string, boolean[]>();

  constructor(committing: { readonly waitingSince: number | null }, applying: { readonly lateMs: number }) {
    this.#committing = committing;
    this.#applying = applying;
  }

  attempted(dependency: string, failed: boolean): void {
    const latest = this.#attempts.get(dependency) ?? [];
    latest.push(failed);
    if (latest.length > limits.attemptsJudged) latest.shift();
    this.#attempts.set(dependency, latest);
  }

  read(): VitalSigns {
    const { waitingSince } = this.#committing;
    const commitMs = waitingSince === null ? 0 : monotonic() - waitingSince;
    const engineMs = this.#applying.lateMs;
    const errors: Record<string, string> = {};
    for (const [dependency, latest] of this.#attempts) {
      const failed = latest.filter(Boolean).length;
      if (failed > 0) errors[dependency] = String(failed / limits.attemptsJudged);
    }
    const late = commitMs >= limits.lagToldMs || engineMs >= limits.lagToldMs;
    return {
      ...(late ? { lag: { commitMs: Math.round(commitMs), engineMs: Math.round(engineMs) } } : {}),
      ...(Object.keys(errors).length > 0 ? { errors } : {}),
    };
  }
}
