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

/** Of one time that Redis was there. */
interface Opened<D> {
  readonly links: OwnLink[];
  readonly queues: Map<string, JobQueue<D>>;
  readonly workers: JobWorker[];
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
      for (const queue of this.#queues.values()) if (!signal.aborted) await queue.counts().catch(() => {});
      await wait(measureMs, signal);
    }
  }

  async #keepOpen(works: ReadonlyMap<string, QueueWork<D>>): Promise<void> {
    const { signal, away, retryMs } = this.#parts;
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    while (!signal.aborted) {
      const opened: Opened<D> = { links: [], queues: new Map(), workers: [] };
      try {
        // A worker's link that is lost while it is being opened waits until Redis is back, which nobody does who stops.
        await Promise.race([this.#open(works, opened), aborted]);
        await aborted;
      } catch (error) {
        this.#warn({ error }, away);
        await wait(retryMs, signal);
      } finally {
        this.#queues = new Map();
        const { links, queues, workers } = opened;
        for (const parts of [workers, [...queues.values()], links])
          await Promise.all(parts.map(async (part) => part.close().catch(() => {})));
      }
    }
  }

  async #open(works: ReadonlyMap<string, QueueWork<D>>, { links, queues, workers }: Opened<D>): Promise<void> {
    const { signal, logger, metrics, connect, onOpen } = this.#parts;
    const link = async (role: JobsLink["role"]): Promise<OwnLink> => {
      const made = await connect(role);
      links.push(made);
      return made;
    };
    const [producer, consumer] = [await link("producer"), await link("worker")];
    for (const [name, { concurrency, run }] of works) {
      if (signal.aborted) return;
      queues.set(name, await openQueue<D>(name, producer, { logger, metrics }));
      workers.push(await openWorker<D>(name, run, consumer, { logger, metrics, concurrency }));
    }
    this.#queues = queues;
    await onOpen?.();
  }
}
