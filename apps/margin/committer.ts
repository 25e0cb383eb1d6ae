import { DatabaseDown, Deposed } from "#libs/adapters/postgres/index.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import type { ClosedBatch } from "./batch.ts";
import type { Leadership } from "./leadership.ts";
import { limits } from "./limits.ts";
import { insist, monotonic, Signal } from "./waiting.ts";
import type { Writer } from "./writer.ts";

export interface CommitterEvents {
  /** After each attempt to commit. */
  readonly attempted: (failed: boolean) => void;
  /** Called in order, once for each batch that is durable; the next one waits for it. */
  readonly committed: (batch: ClosedBatch) => void | Promise<void>;
  /** Nothing waits for its commit any more. */
  readonly idle: () => void;
  /** The database refused what may never be refused: the shard stops. */
  readonly broken: (error: unknown) => void;
}

export interface CommittedPlace {
  readonly seq: number;
  readonly chainHash: string;
}

/** Commits batches one after the other, each until it is durable: an unknown outcome is resolved by committing it again. */
export class Committer {
  readonly #writer: Writer;
  readonly #leadership: Leadership;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #events: CommitterEvents;
  readonly #queue: ClosedBatch[] = [];
  readonly #moved = new Signal();
  #place: CommittedPlace;
  #running = false;
  #stopped = false;
  #uncommitted = 0;

  constructor(
    parts: { writer: Writer; leadership: Leadership; logger: Logger; metrics: Metrics },
    place: CommittedPlace,
    events: CommitterEvents,
  ) {
    this.#writer = parts.writer;
    this.#leadership = parts.leadership;
    this.#logger = parts.logger;
    this.#metrics = parts.metrics;
    this.#place = place;
    this.#events = events;
  }

  get seq(): number {
    return this.#place.seq;
  }
  /** Entries handed over and not durable yet. */
  get uncommitted(): number {
    return this.#uncommitted;
  }
  get idle(): boolean {
    return !this.#running;
  }
  /** Since when the oldest entry waits, monotonic ms; null: none does. */
  get waitingSince(): number | null {
    return this.#queue[0]?.openedAt ?? null;
  }

  /** Market time of the oldest entry of the matching engine that waits; null: none does. */
  get venueSince(): number | null {
    return this.#queue.find((batch) => batch.venueSince !== null)?.venueSince ?? null;
  }

  submit(batch: ClosedBatch): void {
    this.#queue.push(batch);
    this.#uncommitted += batch.entryCount;
    if (!this.#running) void this.#run();
  }

  /** Resolves when fewer entries than the limit wait, or nothing more will be committed. */
  async room(): Promise<void> {
    await this.#moved.until(() => this.#stopped || this.#uncommitted < limits.uncommittedEntries);
  }

  /** Resolves when everything is durable. */
  async drained(): Promise<void> {
    await this.#moved.until(() => this.#stopped || (!this.#running && this.#queue.length === 0));
  }

  stop(): void {
    this.#stopped = true;
    this.#moved.notify();
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      for (let batch = this.#queue[0]; batch !== undefined && !this.#stopped; batch = this.#queue[0]) {
        await this.#commit(batch);
        if (this.#stopped) return;
        this.#queue.shift();
        this.#uncommitted -= batch.entryCount;
        await this.#events.committed(batch);
        this.#moved.notify();
      }
    } catch (error) {
      this.stop();
      if (error instanceof Deposed) this.#leadership.depose(error.message);
      else this.#events.broken(error);
    } finally {
      this.#running = false;
      this.#moved.notify();
      if (!this.#stopped) this.#events.idle();
    }
  }

  async #commit(batch: ClosedBatch): Promise<void> {
    const hash = await insist(
      async () => this.#once(batch),
      () => this.#stopped || this.#leadership.over !== null,
      (error) => {
        // Only a database that is away is waited for; the same batch again is nothing new to it.
        if (!(error instanceof DatabaseDown)) throw error;
        this.#logger.warn({ error: error.message, toSeq: batch.toSeq }, "a commit failed and is tried again");
      },
    );
    if (hash === null || this.#stopped || this.#leadership.over !== null) return this.stop();
    this.#place = { seq: batch.toSeq, chainHash: hash };
    this.#metrics.shardAppliedSeq.set(batch.toSeq);
    this.#metrics.shardBatchEntries.observe(batch.entryCount);
    this.#metrics.shardCommitLag.observe((monotonic() - batch.openedAt) / 1000);
  }

  async #once({ content, journal, facts }: ClosedBatch): Promise<string> {
    const askedAt = monotonic();
    const { seq, chainHash } = this.#place;
    const { epoch } = this.#leadership;
    const asked = this.#writer.commit({ epoch, fromSeq: seq, chainHash, content, journal, facts });
    const hash = await asked.catch((error: unknown) => {
      this.#events.attempted(true);
      throw error;
    });
    this.#events.attempted(false);
    this.#leadership.confirm(askedAt);
    this.#metrics.shardCommit.observe((monotonic() - askedAt) / 1000);
    return hash;
  }
}
