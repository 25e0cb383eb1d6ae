import { KeptQueues } from "#libs/adapters/bullmq/index.ts";
import { connectRedis } from "#libs/adapters/redis/index.ts";
import { wait } from "#libs/process/backoff.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";

/** Wall time between ticks; a tick only looks, what is due is decided by the market's clock. */
export const ticks = { look: 250, alerts: 2_000, staleness: 10_000, reconcile: 60_000, upkeep: 60_000 } as const;
export type Job = keyof typeof ticks;
const jobs = Object.keys(ticks) as Job[];
const queueOf = (job: Job): string => `scheduler-${job}`;
const away = "no ticks while Redis is away";

const limits = {
  redisRetryMs: 1_000,
  watchMs: 250,
  /** A tick that is late by this is made without Redis, and its schedule is made again. */
  lateMs: 500,
  measureMs: 5_000,
} as const;

export interface TicksParts {
  readonly redisUrl: string;
  readonly namespace: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  readonly mayAct: () => boolean;
}

/**
 * Ticks come from BullMQ, so that each is made by whoever leads. Redis may lose them or be away: one that is late is made by this
 * process itself. One job never runs twice at a time, and running it twice changes nothing.
 */
export class Ticks {
  readonly #parts: TicksParts;
  readonly #work: Readonly<Record<Job, () => Promise<void>>>;
  readonly #warn: Logger["warn"];
  readonly #last = new Map<Job, number>();
  readonly #running = new Map<Job, Promise<void>>();
  readonly #queues: KeptQueues<null>;
  readonly #watching: Promise<void>;

  constructor(parts: TicksParts, work: Readonly<Record<Job, () => Promise<void>>>) {
    this.#parts = parts;
    this.#work = work;
    this.#warn = limited((fields, message) => parts.logger.warn(fields, message));
    for (const job of jobs) this.#last.set(job, Number.NEGATIVE_INFINITY);
    this.#queues = this.#keepOpen();
    this.#watching = this.#watch();
  }

  /** After the signal has aborted: when nothing runs any more. */
  async stopped(): Promise<void> {
    await Promise.all([this.#queues.stopped(), this.#watching]);
    await Promise.all(this.#running.values());
  }

  async #run(job: Job): Promise<void> {
    if (this.#running.has(job) || !this.#parts.mayAct()) return;
    this.#last.set(job, monotonicMs());
    const work = this.#work[job];
    const run = work()
      .catch((error: unknown) => this.#warn({ error, job }, "a tick failed"))
      .finally(() => this.#running.delete(job));
    this.#running.set(job, run);
    await run;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#parts;
    while (!signal.aborted) {
      await wait(limits.watchMs, signal);
      for (const job of jobs) {
        const lateMs = monotonicMs() - (this.#last.get(job) ?? 0) - ticks[job];
        if (lateMs < limits.lateMs || this.#running.has(job) || signal.aborted) continue;
        void this.#run(job);
        await this.#schedule(job).catch((error: unknown) => this.#warn({ error, job }, away));
      }
    }
  }

  async #schedule(job: Job): Promise<void> {
    await this.#queues.get(queueOf(job))?.upsertSchedule(job, ticks[job], null);
  }

  #keepOpen(): KeptQueues<null> {
    const { redisUrl: url, namespace, logger } = this.#parts;
    const { redisRetryMs: retryMs, measureMs } = limits;
    return new KeptQueues<null>(
      {
        ...this.#parts,
        connect: async (role) =>
          connectRedis({ url, name: "scheduler", namespace, role, logger, connectWithinMs: retryMs }),
        away,
        retryMs,
        measureMs,
        onOpen: async () => {
          for (const job of jobs) await this.#schedule(job);
        },
      },
      new Map(jobs.map((job) => [queueOf(job), { concurrency: 1, run: async () => this.#run(job) }])),
    );
  }
}
