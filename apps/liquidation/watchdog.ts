import { type JobQueue, type JobWorker, openQueue, openWorker } from "#libs/adapters/bullmq/index.ts";
import { type Database, openEffect, type OpenEffect, openEffects } from "#libs/adapters/postgres/index.ts";
import { connectRedis, type RedisLink } from "#libs/adapters/redis/index.ts";
import type { Effect } from "#libs/contracts/log.ts";
import { wait } from "#libs/process/backoff.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import type { Dispatched } from "./dispatcher.ts";
import { limits, priorityOf, wakeAfterMs } from "./limits.ts";

interface WakeUp {
  readonly shard: string;
  readonly effect: string;
}

export interface WatchdogParts {
  readonly redisUrl: string;
  readonly namespace: string;
  readonly db: Database;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  readonly mayAct: () => boolean;
  readonly resend: (one: Dispatched) => boolean;
  /** The latest ratio known of a saga's pool; null: none. */
  readonly ratioOf: (saga: string) => string | null;
  readonly escalate: (one: OpenEffect) => void;
}

/**
 * Looks after effects that stay open. PostgreSQL says which do and when each was sent last; the jobs in Redis only say when to look, so
 * losing them costs until the next reconciliation, and while Redis is away the reconciliation sends by itself.
 */
export class Watchdog {
  readonly #parts: WatchdogParts;
  readonly #warn: Logger["warn"];
  #queue: JobQueue<WakeUp> | null = null;
  readonly #running: Promise<unknown>;

  constructor(parts: WatchdogParts) {
    this.#parts = parts;
    this.#warn = limited((fields, message) => parts.logger.warn(fields, message));
    this.#running = Promise.all([this.#work(), this.#reconcile()]);
  }

  async stopped(): Promise<void> {
    await this.#running;
  }

  /** Makes the wake-up that follows an attempt; a failure is left to the reconciliation. */
  plan(one: Dispatched): void {
    void this.#add(one.shard, one.effect, one.attempt, wakeAfterMs(one.attempt));
  }

  async #add(shard: string, effect: Effect, attempts: number, delayMs: number): Promise<boolean> {
    if (this.#queue === null) return false;
    const priority = priorityOf("saga" in effect ? this.#parts.ratioOf(effect.saga) : null);
    // The attempt is part of the id: the job under way has to end before its own id is free.
    const id = `${shard}-${effect.id}-${attempts}`;
    try {
      await this.#queue.add(id, { shard, effect: effect.id }, { delayMs, priority, attempts: 1 });
      return true;
    } catch (error) {
      this.#warn({ error }, "no wake-up could be made");
      return false;
    }
  }

  async #wake({ shard, effect }: WakeUp): Promise<void> {
    this.#parts.metrics.watchdogWakeups.inc();
    const open = await openEffect(this.#parts.db, shard, effect);
    if (open === null) return;
    const dueInMs = wakeAfterMs(open.attempts) - (open.sentAgoMs ?? open.openForMs);
    if (dueInMs > limits.lateMs) return;
    this.#send(open);
  }

  #send(open: OpenEffect): void {
    if (!this.#parts.mayAct()) return;
    const { shard, epoch, effect, attempts } = open;
    if (attempts >= limits.attemptsMax) this.#parts.escalate(open);
    this.#parts.resend({ shard, epoch, effect, attempt: attempts + 1 });
  }

  /** Keeps a queue and a worker open for as long as this process leads, however long Redis is away at first. */
  async #work(): Promise<void> {
    const { signal } = this.#parts;
    while (!signal.aborted) {
      const open: { close(): Promise<void> }[] = [];
      try {
        const queue = await openQueue<WakeUp>("watchdog", await this.#link("producer", open), this.#parts);
        open.push(queue);
        const worker: JobWorker = await openWorker<WakeUp>(
          "watchdog",
          async ({ data }) => this.#wake(data),
          await this.#link("worker", open),
          this.#parts,
        );
        open.push(worker);
        this.#queue = queue;
        await new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          else signal.addEventListener("abort", () => resolve(), { once: true });
        });
      } catch (error) {
        this.#warn({ error }, "no wake-ups while Redis is away");
        await wait(limits.redisRetryMs, signal);
      } finally {
        this.#queue = null;
        for (const part of open.reverse()) await part.close().catch(() => {});
      }
    }
  }

  async #link(role: "producer" | "worker", open: { close(): Promise<void> }[]): Promise<RedisLink> {
    const { redisUrl: url, namespace, logger } = this.#parts;
    const connectWithinMs = limits.redisRetryMs;
    const link = await connectRedis({ url, name: "liquidation", namespace, role, logger, connectWithinMs });
    open.push(link);
    return link;
  }

  async #reconcile(): Promise<void> {
    const { signal, db } = this.#parts;
    while (!signal.aborted) {
      await wait(limits.reconcileMs, signal);
      if (signal.aborted) return;
      try {
        const open = await openEffects(db);
        this.#count(open);
        for (const one of open) await this.#lookAt(one);
      } catch (error) {
        this.#warn({ error }, "open effects could not be read");
      }
    }
  }

  /** A wake-up that is late is made again; one that is lost for good, or that nobody ever made, is not waited for. */
  async #lookAt(one: OpenEffect): Promise<void> {
    const overdueMs = (one.sentAgoMs ?? one.openForMs) - wakeAfterMs(one.attempts);
    if (overdueMs < limits.lateMs) return;
    const made = overdueMs < limits.lostMs && (await this.#add(one.shard, one.effect, one.attempts, 0));
    if (!made) this.#send(one);
  }

  #count(open: readonly OpenEffect[]): void {
    const kinds = { block: 0, close: 0, cancel: 0, resume: 0, withdraw: 0 };
    for (const { effect } of open) kinds[effect.effect] += 1;
    for (const [kind, many] of Object.entries(kinds)) this.#parts.metrics.effectsOpen.with(kind).set(many);
  }
}
