import type { GateMode } from "#libs/engine/gate/index.ts";
import { limits } from "./limits.ts";

export interface GateConditions {
  readonly ready: boolean;
  readonly answers: boolean;
  /** Monotonic ms. */
  readonly now: number;
  /** Since when the oldest entry waits for its commit; null: none does. */
  readonly waitingSince: number | null;
  readonly lastFrameAt: number;
}

/** What the gate may do now. Closed: nothing is answered but `recovering`. */
export function gateMode(conditions: GateConditions): { readonly mode: GateMode; readonly reason: string } {
  const { ready, answers, now, waitingSince, lastFrameAt } = conditions;
  if (!ready) return { mode: "closed", reason: "not_ready" };
  if (!answers) return { mode: "closed", reason: "lease" };
  if (waitingSince !== null && now - waitingSince > limits.commitLagMs)
    return { mode: "reduce_only", reason: "commit_lag" };
  if (now - lastFrameAt > limits.markAgeMs) return { mode: "reduce_only", reason: "old_marks" };
  return { mode: "open", reason: "" };
}
