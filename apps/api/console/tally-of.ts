import type { SagasData } from "#libs/contracts/stream/operators.ts";
import { add } from "./amounts.ts";

/** What was seen of liquidations since a view was opened. */
export interface Tally {
  readonly started: number;
  readonly ended: number;
  /** Stage → steps. */
  readonly steps: Readonly<Record<number, number>>;
  /** Asset → what the funds paid, exactly. */
  readonly paid: readonly (readonly [asset: string, amount: string])[];
}

export const nothingSeen: Tally = { started: 0, ended: 0, steps: {}, paid: [] };

type Event = SagasData["events"][number] & Readonly<Record<string, unknown>>;

/** With what else came. Pure. */
export function tallied(before: Tally, events: readonly Event[]): Tally {
  const steps: Record<number, number> = { ...before.steps };
  const paid = new Map(before.paid);
  let { started, ended } = before;
  for (const event of events) {
    const { fact } = event;
    if (fact === "liquidation.started") started += 1;
    if (fact === "liquidation.ended") ended += 1;
    const stage = fact === "adl.filled" ? 6 : fact === "liquidation.step" ? Number(event["stage"]) : null;
    if (stage !== null) steps[stage] = (steps[stage] ?? 0) + 1;
    const { asset, amount } = event;
    if (fact === "insurance.paid" && typeof asset === "string" && typeof amount === "string")
      paid.set(asset, add(paid.get(asset) ?? "0", amount));
  }
  return { started, ended, steps, paid: [...paid] };
}
