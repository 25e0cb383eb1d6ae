import {
  dropDaysBefore,
  ensurePartitions,
  pruneEffects,
  pruneOutbox,
  pruneRecords,
} from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";

const dayMs = 86_400_000;

/** How long records are kept. Journal, ledger, facts, sagas, rule versions and the audit chain are kept for ever. */
export const retention = {
  gateDecisionDays: 30,
  markInputDays: 30,
  noticeMs: 30 * dayMs,
  reconciliationMs: 30 * dayMs,
  deadLetterMs: 90 * dayMs,
  providerCallMs: 90 * dayMs,
  slippageMs: 90 * dayMs,
  alertDeliveryMs: 30 * dayMs,
  /** Since it was last seen: it is about people. */
  evidenceMs: 365 * dayMs,
  /** Effects that are answered; entries that are published and applied, with their keys. */
  effectMs: 7 * dayMs,
  outboxMs: 7 * dayMs,
  atOnce: 10_000,
  /** Rounds of one run; the rest waits for the next. */
  roundsMax: 20,
} as const;

export interface Upkeep {
  readonly made: number;
  readonly removed: number;
}

/** Makes partitions ahead and removes what is past its time; safe to run at any time, again and by several. */
export async function upkeep(db: Database): Promise<Upkeep> {
  const made = await ensurePartitions(db);
  const days = [
    ...(await dropDaysBefore(db, "gate_decision", retention.gateDecisionDays)),
    ...(await dropDaysBefore(db, "mark_input", retention.markInputDays)),
  ];
  let removed = days.length;
  const { atOnce } = retention;
  for (const prune of [
    async () => pruneRecords(db, "notice", retention.noticeMs, atOnce),
    async () => pruneRecords(db, "reconciliation", retention.reconciliationMs, atOnce),
    async () => pruneRecords(db, "dead_letter", retention.deadLetterMs, atOnce),
    async () => pruneRecords(db, "provider_call", retention.providerCallMs, atOnce),
    async () => pruneRecords(db, "fill_slippage", retention.slippageMs, atOnce),
    async () => pruneRecords(db, "alert_delivery", retention.alertDeliveryMs, atOnce),
    async () => pruneRecords(db, "entity_evidence", retention.evidenceMs, atOnce),
    async () => pruneEffects(db, retention.effectMs, atOnce),
    async () => pruneOutbox(db, retention.outboxMs, atOnce),
  ])
    removed += await untilNone(prune);
  return { made, removed };
}

async function untilNone(prune: () => Promise<number>): Promise<number> {
  let removed = 0;
  for (let round = 0; round < retention.roundsMax; round += 1) {
    const some = await prune();
    removed += some;
    if (some < retention.atOnce) break;
  }
  return removed;
}
