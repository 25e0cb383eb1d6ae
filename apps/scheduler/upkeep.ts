import { dropDaysBefore, ensurePartitions, pruneRecords } from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";

const dayMs = 86_400_000;

/** How long records are kept. Journal and ledger are kept for ever. */
export const retention = {
  gateDecisionDays: 30,
  markInputDays: 30,
  noticeMs: 30 * dayMs,
  reconciliationMs: 30 * dayMs,
  atOnce: 10_000,
} as const;

/** Makes partitions ahead and removes what is past its time; safe to run at any time, again and by several. */
export async function upkeep(db: Database): Promise<{ readonly made: number; readonly removed: number }> {
  const made = await ensurePartitions(db);
  const days = [
    ...(await dropDaysBefore(db, "gate_decision", retention.gateDecisionDays)),
    ...(await dropDaysBefore(db, "mark_input", retention.markInputDays)),
  ];
  const notices = await pruneRecords(db, "notice", retention.noticeMs, retention.atOnce);
  const runs = await pruneRecords(db, "reconciliation", retention.reconciliationMs, retention.atOnce);
  return { made, removed: days.length + notices + runs };
}
