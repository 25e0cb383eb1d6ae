import { wait } from "#libs/process/backoff.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { type JobQueue, type JobsLink, openQueue } from "./queue.ts";
import { type Job, type JobWorker, openWorker } from "./worker.ts";

/** A link that its user closes. */
export type OwnLink = JobsLink & { close(): Promise<void> };

export interface KeptQueuesParts {
  /** Rejects while Redis is away. */
  readonly connect: (role: JobsLink["role"]) => Promise<OwnLink>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  /** Said, not too often, while Redis is away. */
  readonly away: string;
  readonly retryMs: number;
  readonly measureMs: number;
  /** Whenever the queues are open (again). A rejection closes them, and they are opened anew. */
  readonly onOpen?: () => Promise<void>;
}

/** What is done with the jobs of a queue. */
export interface QueueWork<D> {
  readonly concurrency: number;
  readonly run: (job: Job<D>) => Promise<void>;
}

/** Queues in Redis and their workers, kept open until a signal aborts, however long Redis is away. */
export class KeptQueues<D> {
  readonly #parts: KeptQueuesParts;
  readonly #warn: Logger["warn"];
  readonly #running: Promise<unknown>;
  #queues: ReadonlyMap<string, JobQueue<D>> = new Map();

  constructor(parts: KeptQueuesParts, works: ReadonlyMap<string, QueueWork<D>>) {
    this.#parts = parts;
    this.#warn = limited((fields, message) => parts.logger.warn(fields, message));
    this.#running = Promise.all([this.#keepOpen(works), this.#measure()]);
  }

  /** Undefined: Redis is away. */
  get(name: string): JobQueue<D> | undefined {
    return this.#queues.get(name);
  }

  /** After the signal has aborted: when everything is closed. */
  async stopped(): Promise<void> {
    await this.#running;
  }

  async #measure(): Promise<void> {
    const { signal, measureMs } = this.#parts;
    while (!signal.aborted) {
      for (const queue of this.#queues.values()) await queue.counts().catch(() => {});
      await wait(measureMs, signal);
    }
  }

  async #keepOpen(works: ReadonlyMap<string, QueueWork<D>>): Promise<void> {
    const { signal, logger, metrics, onOpen, away, retryMs } = this.#parts;
    while (!signal.aborted) {
      const links: OwnLink[] = [];
      const queues = new Map<string, JobQueue<D>>();
      const workers: JobWorker[] = [];
      try {
        const [producer, consumer] = [await this.#link("producer", links), await this.#link("worker", links)];
        for (const [name, { concurrency, run }] of works) {
          queues.set(name, await openQueue<D>(name, producer, { logger, metrics }));
          workers.push(await openWorker<D>(name, run, consumer, { logger, metrics, concurrency }));
        }
        this.#queues = queues;
        await onOpen?.();
        await new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          else signal.addEventListener("abort", () => resolve(), { once: true });
        });
      } catch (error) {
        this.#warn({ error }, away);
        await wait(retryMs, signal);
      } finally {
        this.#queues = new Map();
        for (const parts of [workers, [...queues.values()], links])
          await Promise.all(parts.map(async (part) => part.close().catch(() => {})));
      }
    }
  }

  async #link(role: JobsLink["role"], links: OwnLink[]): Promise<OwnLink> {
    const link = await this.#parts.connect(role);
    links.push(link);
    return link;
  }
}
