import { type JobQueue, type JobWorker, openQueue, openWorker } from "#libs/adapters/bullmq/index.ts";
import { connectRedis, type RedisLink } from "#libs/adapters/redis/index.ts";
import { wait } from "#libs/process/backoff.ts";
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
  readonly #parts: WakeQueuesParts;
  readonly #warn: Logger["warn"];
  #queues: ReadonlyMap<string, JobQueue<Due>> = new Map();
  readonly #running: Promise<unknown>;

  constructor(parts: WakeQueuesParts, handlers: ReadonlyMap<string, WakeHandler>) {
    this.#parts = parts;
    this.#warn = limited((fields, message) => parts.logger.warn(fields, message));
    this.#running = Promise.all([this.#keepOpen(handlers), this.#measure()]);
  }

  async stopped(): Promise<void> {
    await this.#running;
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

  async #measure(): Promise<void> {
    const { signal } = this.#parts;
    while (!signal.aborted) {
      for (const queue of this.#queues.values()) await queue.counts().catch(() => {});
      await wait(limits.measureMs, signal);
    }
  }

  async #keepOpen(handlers: ReadonlyMap<string, WakeHandler>): Promise<void> {
    const { signal } = this.#parts;
    while (!signal.aborted) {
      const links: RedisLink[] = [];
      const queues = new Map<string, JobQueue<Due>>();
      const workers: JobWorker[] = [];
      try {
        const [producer, consumer] = [await this.#link("producer", links), await this.#link("worker", links)];
        for (const [name, { concurrency, wake }] of handlers) {
          queues.set(name, await openQueue<Due>(name, producer, this.#parts));
          const run = async ({ data }: { readonly data: Due }): Promise<void> => wake(data.row);
          workers.push(await openWorker<Due>(name, run, consumer, { ...this.#parts, concurrency }));
        }
        this.#queues = queues;
        await new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          else signal.addEventListener("abort", () => resolve(), { once: true });
        });
      } catch (error) {
        this.#warn({ error }, "no wake-ups while Redis is away");
        await wait(limits.redisRetryMs, signal);
      } finally {
        this.#queues = new Map();
        for (const parts of [workers, [...queues.values()], links])
          await Promise.all(parts.map(async (part) => part.close().catch(() => {})));
      }
    }
  }

  async #link(role: "producer" | "worker", links: RedisLink[]): Promise<RedisLink> {
    const { redisUrl: url, namespace, logger } = this.#parts;
    const connectWithinMs = limits.redisRetryMs;
    const link = await connectRedis({ url, name: "liquidation", namespace, role, logger, connectWithinMs });
    links.push(link);
    return link;
  }
}
