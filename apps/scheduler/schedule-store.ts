import { enqueueEntry, loadMarkState, saveMarkState } from "#libs/adapters/postgres/index.ts";
import type { Database, Queryable } from "#libs/adapters/postgres/index.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { emptySchedule } from "./plan.ts";
import type { Plan, ScheduleState } from "./plan.ts";

/** Of the lease, and of what is kept under it. */
export const scheduleName = "scheduler";

export async function loadSchedule(db: Queryable): Promise<ScheduleState> {
  const kept = await loadMarkState(db, scheduleName);
  if (kept === null) return emptySchedule;
  return { ...emptySchedule, ...(JSON.parse(kept.bytes.toString("utf8")) as ScheduleState) };
}

/**
 * Keeps a plan: its entries and the state that takes them as done, together or not at all. Throws `Deposed` when the lease of
 * `epoch` is over.
 */
export async function keepPlan(db: Database, epoch: number, plan: Plan, t: number): Promise<void> {
  await db.transaction(async (client) => {
    // First, because it locks the lease's row: two holders cannot interleave.
    await saveMarkState(client, scheduleName, epoch, Buffer.from(JSON.stringify(plan.state)));
    for (const { shard, key, body } of plan.entries)
      await enqueueEntry(client, { source: sources.scheduler, shard, key, body, t });
  });
}
