import { wait } from "#libs/process/backoff.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import { limits } from "./limits.ts";
import type { WakeHandler, WakeQueues } from "./wake-queues.ts";

/** What is known of an open row: when it was last attended to, and how urgent it is. */
export interface Duty {
  readonly row: string;
  readonly attempts: number;
  /** Since the latest attempt, or since it was opened. */
  readonly idleMs: number;
  /** BullMQ's: lower first, never 0. */
  readonly priority: number;
}

/** One kind of row that stays open until it has been done. */
export interface Office<Item> {
  /** Of its queue; also in the ids of its jobs. */
  readonly name: string;
  /** Jobs run at once. */
  readonly concurrency: number;
  /** Rows attended to at once without a job, while Redis is away. */
  readonly atOnceMax: number;
  /** Open rows, in PostgreSQL: the truth. */
  readonly open: () => Promise<readonly Item[]>;
  /** Null: not open any more. */
  readonly find: (row: string) => Promise<Item | null>;
  readonly duty: (item: Item) => Duty;
  /** Makes one attempt; how many there have been where it stays open, null: it is done, or the next wake-up is planned elsewhere. */
  readonly attend: (item: Item) => Promise<number | null>;
  /** How long after its latest attempt (counted from 1; 0: none yet) a row is attended to again. */
  readonly wakeAfterMs: (attempts: number) => number;
}

export interface OverseerParts {
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly mayAct: () => boolean;
}

/**
 * Sees to it that open rows are attended to. Jobs in Redis say when; twice a second the rows themselves are looked through: a wake-up
 * that Redis has lost is made again, and where Redis is away or too late the row is attended to without one, most urgent first.
 */
export class Overseer<Item> {
  readonly handler: WakeHandler;
  readonly #office: Office<Item>;
  readonly #parts: OverseerParts;
  readonly #warn: Logger["warn"];
  readonly #underWay = new Map<string, Promise<void>>();
  #hurry: AbortController | null = null;
  #hurried = false;

  constructor(office: Office<Item>, parts: OverseerParts) {
    this.#office = office;
    this.#parts = parts;
    this.#warn = limited((fields, message) => parts.logger.warn({ office: office.name, ...fields }, message));
    this.handler = { concurrency: office.concurrency, wake: async (row) => this.#wake(row) };
  }

  /** Until the signal aborts; resolves when nothing is under way any more. */
  async run(queues: WakeQueues): Promise<void> {
    const { signal } = this.#parts;
    while (!signal.aborted) {
      try {
        if (this.#parts.mayAct()) await this.#pass(queues);
      } catch (error) {
        this.#warn({ error }, "open rows could not be looked through");
      }
      await this.#pause();
    }
    await Promise.all(this.#underWay.values());
  }

  /**
   * Something has been opened or attended to: look through the rows soon. Most of what is opened is done by then, and needs no wake-up
   * at all.
   */
  soon(): void {
    this.#hurry?.abort();
    this.#hurried = true;
  }

  async #pause(): Promise<void> {
    const { signal } = this.#parts;
    await wait(limits.soonMs, signal);
    if (this.#hurried || signal.aborted) {
      this.#hurried = false;
      return;
    }
    const hurry = new AbortController();
    const stop = (): void => hurry.abort();
    signal.addEventListener("abort", stop, { once: true });
    this.#hurry = hurry;
    await wait(limits.reconcileMs - limits.soonMs, hurry.signal);
    this.#hurry = null;
    signal.removeEventListener("abort", stop);
    // What has just been opened is given the time in which most is done.
    if (this.#hurried) await wait(limits.soonMs, signal);
    this.#hurried = false;
  }

  async #wake(row: string): Promise<void> {
    const item = await this.#office.find(row);
    if (item === null) return;
    const { attempts, idleMs } = this.#office.duty(item);
    // Somebody has attended to it since this wake-up was made, and has planned another.
    if (this.#office.wakeAfterMs(attempts) - idleMs > limits.lateMs) return;
    await this.#attend(item);
  }

  async #pass(queues: WakeQueues): Promise<void> {
    const { name, wakeAfterMs } = this.#office;
    const open = (await this.#office.open()).map((item) => ({ item, duty: this.#office.duty(item) }));
    const ahead: { readonly duty: Duty; readonly id: string; readonly delayMs: number }[] = [];
    for (const { item, duty } of open.toSorted((left, right) => left.duty.priority - right.duty.priority)) {
      if (this.#underWay.has(duty.row)) continue;
      const delayMs = wakeAfterMs(duty.attempts) - duty.idleMs;
      const id = jobId(duty.row, duty.attempts);
      if (delayMs > -limits.lateMs) ahead.push({ duty, id, delayMs: Math.max(0, delayMs) });
      else if (delayMs > -limits.lostMs && (await queues.add(name, id, duty.row, { ...duty, delayMs: 0 }))) continue;
      else if (this.#underWay.size < this.#office.atOnceMax) void this.#attend(item);
    }
    const ids = ahead.map(({ id }) => id);
    const missing = await queues.missing(name, ids);
    for (const { duty, id, delayMs } of ahead)
      if (missing?.has(id) === true) await queues.add(name, id, duty.row, { delayMs, priority: duty.priority });
  }

  async #attend(item: Item): Promise<void> {
    const { row } = this.#office.duty(item);
    if (this.#underWay.has(row) || !this.#parts.mayAct()) return;
    const attempt = (async () => {
      const attempts = await this.#office.attend(item);
      if (attempts !== null) this.soon();
    })()
      .catch((error: unknown) => this.#warn({ error, row }, "an attempt failed"))
      .finally(() => this.#underWay.delete(row));
    this.#underWay.set(row, attempt);
    await attempt;
  }
}

/** The attempts are part of the id: the job under way has to end before its own id is free. */
const jobId = (row: string, attempts: number): string => `${row.replaceAll("/", "-")}-${attempts}`;
