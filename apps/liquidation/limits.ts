/** What bounds the liquidation process; milliseconds. */
export const limits = {
  /** How long the matching engine may take to answer; after it the outcome is unknown. */
  commandMs: 250,
  /** Commands under way at once; of one account, one. */
  concurrency: 64,
  /** Effects that wait here; more are left to the reconciler, which reads them from PostgreSQL. */
  waitingMax: 20_000,
  /** Attempts are noted this much later at most. */
  attemptsMs: 50,
  firstWakeMs: 250,
  wakeMaxMs: 5_000,
  attemptsMax: 20,
  escalatedMs: 30_000,
  reconcileMs: 500,
  /** Between two looks at open rows, or at facts that somebody is told of, at least. */
  soonMs: 100,
  /** A wake-up that is late by this is made again; one late by more is not waited for any longer. */
  lateMs: 250,
  lostMs: 750,
  redisRetryMs: 1_000,
  wakeConcurrency: 8,
  noticesPollMs: 500,
  factsAtOnce: 500,
  noticeAckMs: 1_000,
  /** Of each channel. */
  noticeConcurrency: 16,
  /** How long a provider may take to answer one attempt. */
  providerMs: 1_000,
  providerAttemptsMax: 20,
  /** One provider that does not answer must not hold up the others. */
  providerConcurrency: 32,
  measureMs: 5_000,
  outboxPollMs: 250,
} as const;

export const leaseName = "liquidation";

/** How long after its latest attempt (counted from 1; 0: none yet) an open effect is looked after again. */
export function wakeAfterMs(attempts: number): number {
  if (attempts >= limits.attemptsMax) return limits.escalatedMs;
  return Math.min(limits.firstWakeMs * 2 ** Math.max(0, attempts - 1), limits.wakeMaxMs);
}

/** The same of notices and of calls of providers, the first attempt of which is made by a job. */
export const retryAfterMs = (attempts: number): number => (attempts === 0 ? 0 : wakeAfterMs(attempts));

/** BullMQ's priority, lower first and never 0: the pool with the smallest ratio before all others. */
export function priorityOf(ratio: string | null): number {
  const value = ratio === null ? Number.NaN : Number(ratio);
  if (!Number.isFinite(value)) return 500_000;
  return 1 + Math.floor(Math.min(Math.max(value, 0), 2) * 500_000);
}
