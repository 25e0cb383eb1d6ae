import {
  type Batch,
  chainHash,
  commitBatch,
  type Database,
  DatabaseDown,
  Deposed,
} from "#libs/adapters/postgres/index.ts";
import { packed } from "#libs/journal/index.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import type { ClosedBatch } from "./batch.ts";
import type { Leadership } from "./leadership.ts";
import { limits } from "./limits.ts";
import { insist, monotonic, Signal } from "./waiting.ts";

export interface CommitterEvents {
  /** Called in order, once for each batch that is durable; the next one waits for it. */
  readonly committed: (batch: ClosedBatch) => void | Promise<void>;
  /** The database refused what may never be refused: the shard stops. */
  readonly broken: (error: unknown) => void;
}

export interface CommittedPlace {
  readonly seq: number;
  readonly chainHash: string;
}

/** Commits batches one after the other, each until it is durable: an unknown outcome is resolved by committing it again. */
export class Committer {
  readonly #db: Database;
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
    parts: { db: Database; leadership: Leadership; logger: Logger; metrics: Metrics },
    place: CommittedPlace,
    events: CommitterEvents,
  ) {
    this.#db = parts.db;
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

  submit(batch: ClosedBatch): void {
    this.#queue.push(batch);
    this.#uncommitted += batch.rows.entryCount;
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
        this.#uncommitted -= batch.rows.entryCount;
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
    }
  }

  async #commit(closed: ClosedBatch): Promise<void> {
    const hash = chainHash(this.#place.chainHash, closed.journal, closed.facts);
    const [journal, factsBlob] = await Promise.all([packed(closed.journal), packed(closed.facts)]);
    const batch: Batch = {
      ...closed.rows,
      deadLetters: closed.deadLetters,
      epoch: this.#leadership.epoch,
      fromSeq: this.#place.seq,
      chainHash: hash,
      journal,
      factsBlob,
    };
    await insist(
      async () => this.#once(batch),
      () => this.#stopped || this.#leadership.over !== null,
      (error) => {
        // Only a database that is away is waited for; the same batch again is nothing new to it.
        if (!(error instanceof DatabaseDown)) throw error;
        this.#logger.warn({ error: error.message, toSeq: batch.toSeq }, "a commit failed and is tried again");
      },
    );
    if (this.#stopped || this.#leadership.over !== null) return this.stop();
    this.#place = { seq: batch.toSeq, chainHash: hash };
    this.#metrics.shardAppliedSeq.set(batch.toSeq);
    this.#metrics.shardBatchEntries.observe(batch.entryCount);
    this.#metrics.shardCommitLag.observe((monotonic() - closed.openedAt) / 1000);
  }

  async #once(batch: Batch): Promise<void> {
    const askedAt = monotonic();
    await commitBatch(this.#db, batch);
    this.#leadership.confirm(askedAt);
    this.#metrics.shardCommit.observe((monotonic() - askedAt) / 1000);
  }
}
