import { Queue } from "bullmq";
import type { Job } from "bullmq";
import { limited, silentLogger } from "#libs/telemetry/logger.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import type { Redis } from "ioredis";

/** What `connectRedis` gives. */
export interface JobsLink {
  readonly client: Redis;
  readonly prefix: string;
  readonly role: "producer" | "worker";
}

export interface JobsOptions {
  readonly logger?: Logger;
  readonly metrics?: Metrics;
}

export interface AddOptions {
  readonly delayMs?: number;
  /** Lower first, from 1. */
  readonly priority?: number;
  readonly attempts?: number;
  /** Before the second attempt; doubles with each further one. */
  readonly retryMs?: number;
}

/** Wake-ups, at least once. What has to be done stands in PostgreSQL: a lost job costs time, never money. */
export interface JobQueue<D> {
  readonly name: string;
  /** `present`: a job with that id waits or runs; nothing was added. Rejects at once while Redis is away. */
  add(id: string, data: D, options?: AddOptions): Promise<"added" | "present">;
  /** Which of these ids have no job of any state: they were never added, have long ended, or Redis has lost them. */
  missing(ids: readonly string[]): Promise<ReadonlySet<string>>;
  /** Takes a waiting or ended job away; false: it runs, or is not there. */
  remove(id: string): Promise<boolean>;
  /** A job every so often; the same id changes the one that is there. */
  upsertSchedule(id: string, everyMs: number, data: D): Promise<void>;
  removeSchedule(id: string): Promise<boolean>;
  /** By state; also written into the metrics. */
  counts(): Promise<Readonly<Record<JobState, number>>>;
  close(): Promise<void>;
}

export const jobStates = ["waiting", "prioritized", "active", "delayed", "completed", "failed"] as const;
export type JobState = (typeof jobStates)[number];

export const completedKept = 1_000;
export const failedKept = 5_000;
const attemptsDefault = 5;
const retryMsDefault = 200;
/** A job without a priority would run before all that have one. */
const priorityDefault = 100;
const schedulePattern = { everyMsMin: 10, everyMsMax: 86_400_000 };
const lookedUpAtOnce = 500;
const closeWithinMs = 500;

/** BullMQ takes no id with a colon and none of digits alone. */
export function checkJobId(id: string): string {
  if (!/^[A-Za-z0-9_-]{1,200}$/.test(id) || /^\d+$/.test(id)) {
    throw new RangeError("a job's id has letters, digits, _ and -, and not digits alone");
  }
  return id;
}

export async function openQueue<D>(name: string, link: JobsLink, options: JobsOptions = {}): Promise<JobQueue<D>> {
  const { logger = silentLogger, metrics } = options;
  const queue = new Queue(checkJobId(name), {
    connection: link.client,
    prefix: link.prefix,
    defaultJobOptions: { removeOnComplete: { count: completedKept }, removeOnFail: { count: failedKept } },
  });
  const report = limited((fields, message) => logger.warn(fields, message));
  queue.on("error", (error) => report({ error, queue: name }, "the queue reports an error"));
  await queue.waitUntilReady();
  return new BullQueue<D>(name, queue, link.client, metrics);
}

/** As `queue.upsertSchedule`. */
export async function upsertSchedule<D>(queue: JobQueue<D>, id: string, everyMs: number, data: D): Promise<void> {
  await queue.upsertSchedule(id, everyMs, data);
}

class BullQueue<D> implements JobQueue<D> {
  readonly name: string;
  readonly #queue: Queue;
  readonly #client: Redis;
  readonly #metrics: Metrics | undefined;

  constructor(name: string, queue: Queue, client: Redis, metrics: Metrics | undefined) {
    this.name = name;
    this.#queue = queue;
    this.#client = client;
    this.#metrics = metrics;
  }

  async add(id: string, data: D, options: AddOptions = {}): Promise<"added" | "present"> {
    const existing = await this.#find(checkJobId(id));
    // An ended job is kept for people to look at, but must not keep its successor out.
    if (existing !== null && !(await this.#removeEnded(existing))) return "present";
    await this.#queue.add(this.name, data, {
      jobId: id,
      delay: options.delayMs ?? 0,
      priority: options.priority ?? priorityDefault,
      attempts: options.attempts ?? attemptsDefault,
      backoff: { type: "exponential", delay: options.retryMs ?? retryMsDefault },
    });
    return "added";
  }

  async missing(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const missing = new Set<string>();
    for (let from = 0; from < ids.length; from += lookedUpAtOnce) {
      const some = ids.slice(from, from + lookedUpAtOnce);
      const asked = this.#client.pipeline();
      for (const id of some) asked.exists(this.#queue.toKey(checkJobId(id)));
      const found = (await asked.exec()) ?? [];
      some.forEach((id, at) => {
        const [error, exists] = found[at] ?? [new Error("no answer"), 0];
        if (error !== null) throw error;
        if (exists === 0) missing.add(id);
      });
    }
    return missing;
  }

  async remove(id: string): Promise<boolean> {
    return (await this.#queue.remove(checkJobId(id))) === 1;
  }

  async upsertSchedule(id: string, everyMs: number, data: D): Promise<void> {
    const { everyMsMin, everyMsMax } = schedulePattern;
    if (!Number.isSafeInteger(everyMs) || everyMs < everyMsMin || everyMs > everyMsMax) {
      throw new RangeError(`a schedule runs every ${everyMsMin} to ${everyMsMax} ms`);
    }
    const opts = { priority: priorityDefault, attempts: attemptsDefault };
    await this.#queue.upsertJobScheduler(checkJobId(id), { every: everyMs }, { name: this.name, data, opts });
  }

  async removeSchedule(id: string): Promise<boolean> {
    return this.#queue.removeJobScheduler(checkJobId(id));
  }

  async counts(): Promise<Readonly<Record<JobState, number>>> {
    const found = await this.#queue.getJobCounts(...jobStates);
    const counts = Object.fromEntries(jobStates.map((state) => [state, found[state] ?? 0]));
    for (const state of jobStates) this.#metrics?.bullmqJobs.with(this.name, state).set(counts[state] ?? 0);
    return counts as Record<JobState, number>;
  }

  async close(): Promise<void> {
    await within(closeWithinMs, this.#queue.close());
  }

  async #find(id: string): Promise<Job | null> {
    return ((await this.#queue.getJob(id)) as Job | undefined) ?? null;
  }

  /** false: it has not ended, so it stays. */
  async #removeEnded(job: Job): Promise<boolean> {
    const state = await job.getState();
    if (state !== "completed" && state !== "failed" && state !== "unknown") return false;
    await job.remove().catch(() => {});
    return true;
  }
}

/** Closing must end, whether Redis is there or not. */
export async function within(ms: number, closing: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const closed = closing.then(
    () => true,
    () => false,
  );
  return Promise.race([closed, late]).finally(() => clearTimeout(timer));
}
