import { setImmediate as immediately } from "node:timers/promises";
import { Corrupt, type Database, journalPages } from "#libs/adapters/postgres/index.ts";
import type { Engine } from "#libs/engine/index.ts";
import { ReplayDiffers, Replayer, type ReplayObserver, restoreNewest } from "#libs/journal/index.ts";
import { retry } from "#libs/process/backoff.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import { limits } from "./limits.ts";

export interface ReplicaParts {
  readonly db: Database;
  readonly shard: string;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** Told of every entry, of those of the start too. */
  readonly observe: ReplayObserver;
  /** A snapshot has been restored, and nothing been replayed after it. */
  readonly onRestored: (shard: string, engine: Engine) => Promise<void>;
  /** Everything that was committed when it looked has been applied. */
  readonly onAdvanced: (replica: Replica) => void;
}

/**
 * The committed book of a shard: its newest snapshot and the journal after it, replayed with every hash compared. What it shows is
 * committed, exact, and of a known place in the log; whatever is lost on the way here costs time alone.
 */
export class Replica {
  readonly shard: string;
  readonly #parts: ReplicaParts;
  #replayer: Replayer;
  #current = false;
  #due = false;
  #wake: () => void = () => {};

  constructor(parts: ReplicaParts) {
    this.shard = parts.shard;
    this.#parts = parts;
    this.#replayer = new Replayer(undefined, parts.observe);
  }

  /** Null until it has caught up for the first time. It does not change while nothing is awaited. */
  get engine(): Engine | null {
    return this.#current ? this.#replayer.engine : null;
  }
  /** Position in the log. */
  get seq(): number {
    return this.#replayer.seq;
  }
  get entries(): number {
    return this.#replayer.entries;
  }

  /** There may be more in the journal. */
  wake(): void {
    this.#due = true;
    this.#wake();
  }

  /** Follows until the signal. Rejects when the journal does not replay to what was committed: nothing may be shown of it any more. */
  async run(): Promise<void> {
    const { signal, logger } = this.#parts;
    const warn = limited((fields, message) => logger.warn(fields, message));
    await retry(async () => this.#restore(), {
      attempts: Number.POSITIVE_INFINITY,
      firstMs: limits.retryFirstMs,
      maxMs: limits.retryMostMs,
      signal,
      retryIf: () => !signal.aborted,
      onRetry: (error) => warn({ error }, "snapshots cannot be read yet"),
    }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    while (!signal.aborted) {
      this.#due = false;
      try {
        await this.#follow();
      } catch (error) {
        if (error instanceof ReplayDiffers || error instanceof Corrupt) throw error;
        warn({ error }, "the journal cannot be read");
      }
      await this.#rest();
    }
  }

  async #restore(): Promise<void> {
    const { db, shard, logger, observe, onRestored } = this.#parts;
    const restored = await restoreNewest(db, shard, {
      upTo: Number.MAX_SAFE_INTEGER,
      checked: false,
      observe,
      onSkipped: (fields, message) => logger.error(fields, message),
    });
    const engine = restored?.replayer.engine ?? null;
    if (restored !== null && engine !== null) {
      await onRestored(shard, engine);
      this.#replayer = restored.replayer;
    }
    logger.info({ shard, entry: restored?.entry ?? 0 }, "restored");
  }

  async #follow(): Promise<void> {
    const { db, shard, onAdvanced, signal, logger } = this.#parts;
    const start = { afterEntry: this.#replayer.entries, hash: this.#replayer.chain };
    for await (const page of journalPages(db, shard, start)) {
      for (const batch of page) {
        if (signal.aborted) return;
        this.#replayer.replay(batch);
        if (!this.#current) await immediately();
      }
      if (this.#current) {
        onAdvanced(this);
        await immediately();
      }
    }
    if (this.#replayer.engine === null || this.#current) return;
    this.#current = true;
    logger.info({ shard, entries: this.entries }, "current");
    onAdvanced(this);
  }

  async #rest(): Promise<void> {
    if (this.#due) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limits.pollMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }
}
