import { Worker } from "bullmq";
import type { Job as BullJob } from "bullmq";
import { limited, silentLogger } from "#libs/telemetry/logger.ts";
import { checkJobId, completedKept, failedKept, within } from "./queue.ts";
import type { JobsLink, JobsOptions } from "./queue.ts";

export interface Job<D> {
  readonly id: string;
  readonly data: D;
  /** From 1. */
  readonly attempt: number;
}

export interface JobFailure {
  readonly id: string | null;
  readonly error: Error;
  /** true: no further attempt will be made. */
  readonly final: boolean;
}

export interface WorkerOptions extends JobsOptions {
  readonly concurrency?: number;
  /** A job whose worker has not renewed its lock for so long runs again elsewhere, ms. */
  readonly lockMs?: number;
  /** Every failed attempt, and every job that its worker lost. */
  readonly onFailure?: (failure: JobFailure) => void;
}

export interface JobWorker {
  readonly running: boolean;
  /**
   * Takes no more jobs, waits a bounded time for those under way. While Redis is away it waits for nothing: it could not be told how they
   * ended, so they begin again elsewhere, as after a crash; whoever must know that their work here is over asks those that do it.
   */
  close(): Promise<void>;
}

export const concurrencyDefault = 8;
export const lockMsDefault = 5_000;
/** A worker may be killed so often while it has the same job; then the job fails, and whoever wants it adds it again. */
const stalledMax = 10;
const retryMs = 200;
const closeWithinMs = 5_000;
const answerWithinMs = 500;

/**
 * Runs the jobs of a queue, each at least once: the handler must look up whether its work is still to be done, and fence what it
 * writes. `link` must have the role `worker`.
 */
export async function openWorker<D>(
  name: string,
  handler: (job: Job<D>) => Promise<void>,
  link: JobsLink,
  options: WorkerOptions = {},
): Promise<JobWorker> {
  if (link.role !== "worker") throw new TypeError("a worker needs a link of the role worker");
  const { logger = silentLogger, metrics, onFailure, lockMs = lockMsDefault } = options;
  const run = async (job: BullJob<D>): Promise<void> => {
    await handler({ id: job.id ?? "", data: job.data, attempt: job.attemptsMade + 1 });
  };
  const worker = new Worker<D, void>(checkJobId(name), run, {
    connection: link.client,
    prefix: link.prefix,
    concurrency: options.concurrency ?? concurrencyDefault,
    lockDuration: lockMs,
    stalledInterval: lockMs,
    maxStalledCount: stalledMax,
    // BullMQ's own wait after a connection error is 15 s.
    runRetryDelay: retryMs,
    removeOnComplete: { count: completedKept },
    removeOnFail: { count: failedKept },
  });
  const report = limited((fields, message) => logger.warn(fields, message));
  const fail = (failure: JobFailure, message: string): void => {
    metrics?.bullmqFailures.with(name).inc();
    report({ ...failure, queue: name }, message);
    onFailure?.(failure);
  };
  worker.on("failed", (job, error) => {
    fail({ id: job?.id ?? null, error, final: job?.finishedOn !== undefined }, "a job failed");
  });
  worker.on("stalled", (id) => {
    fail({ id, error: new Error("its worker was lost"), final: false }, "a job begins again");
  });
  worker.on("error", (error) => report({ error, queue: name }, "the worker reports an error"));
  await worker.waitUntilReady();
  return {
    get running() {
      return worker.isRunning();
    },
    async close() {
      // Asked first, since BullMQ goes on with what it has begun: a close that waits for Redis cannot be forced afterwards.
      const there = await within(answerWithinMs, link.client.ping());
      await within(there ? closeWithinMs : answerWithinMs, worker.close(!there));
    },
  };
}
