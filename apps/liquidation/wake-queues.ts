import { KeptQueues } from "#libs/adapters/bullmq/index.ts";
import { connectRedis } from "#libs/adapters/redis/index.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { limits } from "./limits.ts";

/** What is done when a job of a queue is due: it looks up in PostgreSQL whether there is still something to do. */
export interface WakeHandler {
  readonly concurrency: number;
  readonly wake: (id: string) => Promise<void>;
}

export interface WakeQueuesParts {
  readonly redisUrl: string;
  readonly namespace: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

interface Due {
  /** Of the row in PostgreSQL that it is about. */
  readonly row: string;
}

/**
 * The queues in Redis and their workers, kept open for as long as a process leads, however long Redis is away. A job only says when to
 * look at which row, so losing all of them costs time until the next reconciliation.
 */
export class WakeQueues {
  readonly #warn: Logger["warn"];
  readonly #queues: KeptQueues<Due>;

  constructor(parts: WakeQueuesParts, handlers: ReadonlyMap<string, WakeHandler>) {
    const { redisUrl: url, namespace, logger } = parts;
    const { redisRetryMs: retryMs, measureMs } = limits;
    this.#warn = limited((fields, message) => logger.warn(fields, message));
    this.#queues = new KeptQueues<Due>(
      {
        ...parts,
        connect: async (role) =>
          connectRedis({ url, name: "liquidation", namespace, role, logger, connectWithinMs: retryMs }),
        away: "no wake-ups while Redis is away",
        retryMs,
        measureMs,
      },
      new Map(
        [...handlers].map(([name, { concurrency, wake }]) => [
          name,
          { concurrency, run: async ({ data }) => wake(data.row) },
        ]),
      ),
    );
  }

  async stopped(): Promise<void> {
    await this.#queues.stopped();
  }

  /** False: Redis is away. */
  async add(
    queue: string,
    id: string,
    row: string,
    when: { readonly delayMs: number; readonly priority: number },
  ): Promise<boolean> {
    const open = this.#queues.get(queue);
    if (open === undefined) return false;
    try {
      // One attempt: what fails is looked after by the row's own number of attempts.
      await open.add(id, { row }, { ...when, attempts: 1 });
      return true;
    } catch (error) {
      this.#warn({ error, queue }, "no wake-up could be made");
      return false;
    }
  }

  /** Which of these jobs are not there; null: Redis is away. */
  async missing(queue: string, ids: readonly string[]): Promise<ReadonlySet<string> | null> {
    const open = this.#queues.get(queue);
    if (open === undefined) return null;
    try {
      return await open.missing(ids);
    } catch (error) {
      this.#warn({ error, queue }, "wake-ups could not be looked up");
      return null;
    }
  }
}
