import { Unanswered } from "#libs/adapters/nats/index.ts";
import { type Database, Deposed, releaseShard, renewShard } from "#libs/adapters/postgres/index.ts";
import { limits } from "./limits.ts";
import { monotonic } from "./waiting.ts";

export interface LeadershipEvents {
  readonly deposed: (why: string) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * The lease of a shard. Confirmed renewals count from when they were asked for, so that this process always believes in a
 * shorter lease than the database does.
 */
export class Leadership {
  readonly epoch: number;
  readonly #db: Database;
  readonly #shard: string;
  readonly #events: LeadershipEvents;
  #confirmedAt: number;
  #over: string | null = null;
  #stopped = false;
  #timer: NodeJS.Timeout | null = null;
  #beats: NodeJS.Timeout | null = null;
  #beatAt = monotonic();
  /** When this process last went on after it had been stopped. */
  #wokeAt = Number.NEGATIVE_INFINITY;
  /** When the newest renewal that has ended, well or not, was asked for. */
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(db: Database, shard: string, epoch: number, askedAt: number, events: LeadershipEvents) {
    this.#db = db;
    this.#shard = shard;
    this.epoch = epoch;
    this.#confirmedAt = askedAt;
    this.#events = events;
  }

  /** Whether this process may still answer for the shard. */
  get answers(): boolean {
    return this.#over === null && monotonic() - this.#confirmedAt < limits.answerMs;
  }

  /** Whether nobody else can lead yet: what is committed may be published. */
  get holds(): boolean {
    return this.#over === null && monotonic() - this.#confirmedAt < limits.leaseMs;
  }

  /**
   * Throws `Unanswered` where another leads, or may: this process was stopped until its lease was over and has not asked for it since.
   * What it would say might come before the other's answer, so it says nothing; where only the database does not answer, it refuses.
   */
  assertHeard(): void {
    this.#beat();
    if (this.#over !== null || (!this.holds && this.#wokeAt > this.#askedAt))
      throw new Unanswered("another process may lead");
  }

  get over(): string | null {
    return this.#over;
  }

  /** A statement sent at `askedAt` has renewed the lease. */
  confirm(askedAt: number): void {
    this.#confirmedAt = Math.max(this.#confirmedAt, askedAt);
  }

  depose(why: string): void {
    if (this.#over !== null || this.#stopped) return;
    this.#over = why;
    this.#events.deposed(why);
  }

  start(): void {
    this.#beats = setInterval(() => this.#beat(), limits.renewMs);
    this.#next();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#beats !== null) clearInterval(this.#beats);
    if (this.#over === null) await releaseShard(this.#db, this.#shard, this.epoch);
  }

  async #tick(): Promise<void> {
    if (monotonic() - this.#confirmedAt >= limits.renewMs) await this.#renew();
    if (!this.#stopped && this.#over === null) this.#next();
  }

  #next(): void {
    this.#timer = setTimeout(() => void this.#tick(), limits.renewMs);
  }

  #beat(): void {
    const now = monotonic();
    if (now - this.#beatAt >= limits.stoppedMs) this.#wokeAt = now;
    this.#beatAt = now;
  }

  async #renew(): Promise<void> {
    const askedAt = monotonic();
    try {
      await renewShard(this.#db, this.#shard, this.epoch, limits.leaseMs);
      this.confirm(askedAt);
    } catch (error) {
      if (error instanceof Deposed) this.depose(error.message);
      else this.#events.failed(error);
    }
    this.#askedAt = askedAt;
  }
}
