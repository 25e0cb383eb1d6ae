/** What bounds alerts and their delivery; milliseconds of the wall. */
export const limits = {
  /** Of how much of a limit somebody looks at it, and looks at it soon. */
  yellowAbove: 0.5,
  orangeAbove: 0.75,
  /** A condition that has not been met for so long has ended. */
  endsAfterMs: 10_000,
  /** The same, begun again within so long of having been told, is not told again, unless it is worse. */
  quietMs: 300_000,
  /** A red one that nobody has acknowledged is told again. */
  repeatMs: 900_000,
  /** A shard or a follower that has not answered for so long is an alert of its own. */
  shardSilentMs: 10_000,
  followerSilentMs: 60_000,
  askMs: 1_000,
  /** So long a follower is asked for further accounts in one look. */
  followerBudgetMs: 250,
  /** Alarms of the last day are alerts, so many of them, and limits of accounts, the fullest. */
  alarmsSinceMs: 86_400_000,
  alarmsMost: 500,
  limitsMost: 300,
  /** Told to the streams in one look. */
  publishedAtOnce: 200,
  publishMs: 1_000,
  /** In one message, and how long its text may be: Telegram takes 4,096 characters. */
  alertsPerMessage: 20,
  textMax: 3_500,
  /** Messages of one run; the next look goes on. */
  messagesPerRun: 20,
  channelMs: 5_000,
  /** Before the second attempt; doubles up to the longest. After so many it is given up. */
  retryFirstMs: 1_000,
  retryMostMs: 300_000,
  attemptsMax: 30,
  /** The longest wait that a channel may ask for. */
  retryAfterMostMs: 600_000,
  redisRetryMs: 1_000,
  measureMs: 5_000,
  /** Ended alerts are kept for so long, seen or not: longer than an alarm counts, which would begin another one. */
  keptSeenMs: 2 * 86_400_000,
  keptUnseenMs: 7 * 86_400_000,
} as const;

/** How long after its latest attempt a delivery is made again; at once for the first. */
export function retryAfterMs(attempts: number): number {
  return attempts === 0 ? 0 : Math.min(limits.retryFirstMs * 2 ** (attempts - 1), limits.retryMostMs);
}
