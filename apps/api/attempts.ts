import type { AuditRecord } from "#libs/adapters/postgres/index.ts";
import { backoff, wait } from "#libs/process/backoff.ts";
import { limited, type Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { limits } from "./limits.ts";

/** A try at something privileged that was refused. */
export interface Attempt {
  /** The principal, or `key:<id>` where only the key is known. */
  readonly actor: string;
  /** A key that is only said to be theirs: looked up before anything is recorded of it. */
  readonly key: string | null;
  /** Whether it is them, and not somebody who says so. */
  readonly verified: boolean;
  readonly action: string;
  readonly code: string;
  /** Read only where it is recorded by itself. */
  readonly detail: () => object;
}

export interface AttemptsOptions {
  readonly append: (record: AuditRecord) => Promise<unknown>;
  readonly keyExists: (id: string) => Promise<boolean>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** UTC ms. */
  readonly now?: () => number;
}

interface Tally {
  /** Recorded one by one since the window began. */
  own: number;
  /** The others, by what they were. */
  readonly more: Map<string, number>;
  readonly key: string | null;
  since: number;
}

type Waiting = AuditRecord & { readonly key: string | null };

/** Those of whom nothing is remembered by themselves, because there are too many. No principal can have such a name. */
const others = "(others)";
const unverified = "(not verified)";

/**
 * Refused attempts on their way into the audit. Whoever was refused does not wait for it, and cannot flood it: of each actor some are recorded
 * one by one in a minute, all others as one sum at its end. What the database does not take stays until it does.
 */
export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #now: () => number;
  readonly #tallies = new Map<string, Tally>();
  readonly #waiting: Waiting[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #stopped = new AbortController();
  readonly #log: (fields: object, message: string) => void;
  #strangers = 0;
  #writing: Promise<void> | null = null;

  constructor(options: AttemptsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#log = limited((fields, message) => options.logger.warn(fields, message));
    this.#timer = setInterval(() => this.sum(), limits.attemptWindowMs);
    this.#timer.unref();
  }

  /** Takes note and returns at once; never throws. */
  note(attempt: Attempt): void {
    const { actor, action, code, key } = attempt;
    this.#log({ actor, action, code, verified: attempt.verified }, "attempt refused");
    this.#options.metrics.apiAttempts.with(code).inc();
    const [name, tally] = this.#tallyOf(attempt);
    if (name === actor && tally.own < limits.attemptsEach && this.#waiting.length < limits.attemptsWaiting) {
      tally.own += 1;
      this.#write({ actor, action, detail: attempt.detail(), key });
    } else {
      const what = `${action} ${code}`;
      tally.more.set(what, (tally.more.get(what) ?? 0) + 1);
    }
  }

  /** The end of a window: what was not recorded one by one is, as a sum. What finds no room stays for the next. */
  sum(): void {
    for (const [actor, { more, since, key }] of this.#tallies) {
      if (more.size > 0) {
        if (this.#waiting.length >= limits.attemptsWaiting) continue;
        const count = [...more.values()].reduce((all, one) => all + one, 0);
        const detail = { count, since, until: this.#now(), of: Object.fromEntries(more) };
        this.#write({ actor, action: "attempts.summed", detail, key });
      }
      this.#tallies.delete(actor);
    }
    this.#strangers = [...this.#tallies.values()].filter(({ key }) => key !== null).length;
  }

  /** Waits until everything is written, sums and all, or the database has had its last chance. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopped.abort();
    do {
      await this.#writing;
      if (this.#waiting.length === 0) this.sum();
    } while (this.#writing !== null);
    const left = { records: this.#waiting, sums: [...this.#tallies.keys()] };
    if (left.records.length + left.sums.length > 0) this.#options.logger.error(left, "attempts were not recorded");
  }

  #tallyOf({ actor, key }: Attempt): readonly [name: string, tally: Tally] {
    const known = this.#tallies.get(actor);
    if (known !== undefined) return [actor, known];
    // Keys that may not exist have a room of their own, so that strangers leave none of the others' out.
    const full =
      key === null
        ? this.#tallies.size - this.#strangers >= limits.attemptActors
        : this.#strangers >= limits.attemptStrangers;
    const name = full ? (key === null ? others : unverified) : actor;
    const tally = this.#tallies.get(name) ?? {
      own: 0,
      more: new Map<string, number>(),
      key: full ? null : key,
      since: this.#now(),
    };
    this.#tallies.set(name, tally);
    if (tally.key !== null) this.#strangers += 1;
    return [name, tally];
  }

  #write(record: Waiting): void {
    this.#waiting.push(record);
    this.#writing ??= this.#drain();
  }

  async #drain(): Promise<void> {
    const { append, keyExists, logger } = this.#options;
    const waits = backoff(limits.attemptRetry);
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      try {
        const { key, ...record } = first;
        if (key === null || (await keyExists(key))) await append(record);
        this.#waiting.shift();
        waits.reset();
      } catch (error) {
        logger.error({ error, waiting: this.#waiting.length }, "an attempt was not recorded yet");
        if (this.#stopped.signal.aborted) break;
        await wait(waits.next(), this.#stopped.signal);
      }
    }
    // In the turn in which the last one was written: whoever is noted from now on begins anew.
    this.#writing = null;
  }
}
