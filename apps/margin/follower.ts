import { Corrupt, type Database, journalPages, saveSnapshot } from "#libs/adapters/postgres/index.ts";
import type { Engine } from "#libs/engine/index.ts";
import { ReplayDiffers, Replayer, type Restored, restoreNewest, snapshotFormat } from "#libs/journal/index.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import type { BookCopy } from "./dry-runs.ts";
import { limits } from "./limits.ts";
import type { LogTrimmer } from "./log-trimmer.ts";
import { breathe, insist, monotonic, pause } from "./waiting.ts";

export interface FollowerParts {
  readonly db: Database;
  readonly shard: string;
  readonly trimmer: LogTrimmer;
  readonly snapshotMs: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * Replays the journal behind the leader, holds every batch to its hash, and writes the snapshots that a start begins with. Each is read
 * back and restored to its state hash before it counts; then what it covers may leave the log.
 */
export class Follower {
  readonly #parts: FollowerParts;
  #replayer = new Replayer();
  #stopped = false;
  #differs: string | null = null;
  #running: Promise<void> = Promise.resolve();
  /** Entry of the newest snapshot that was verified. */
  #saved = 0;
  #savedAt = monotonic();

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  get ready(): { readonly ready: boolean; readonly detail: unknown } {
    const { entries, seq } = this.#replayer;
    return { ready: this.#differs === null, detail: { entries, seq, snapshot: this.#saved, differs: this.#differs } };
  }

  /** The book as it stands between two batches; null before the genesis, and once it differs from what was committed. */
  copy(): BookCopy | null {
    const { engine, seq } = this.#replayer;
    return engine === null || this.#differs !== null ? null : { bytes: engine.snapshot(), seq };
  }

  /** The same for what only looks, before anything else is replayed. */
  get book(): { readonly engine: Engine; readonly seq: number } | null {
    const { engine, seq } = this.#replayer;
    return engine === null || this.#differs !== null ? null : { engine, seq };
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger } = this.#parts;
    await insist(
      async () => this.#begin(),
      () => this.#stopped,
      (error) => logger.warn({ error }, "snapshots cannot be read yet"),
    );
    logger.info({ entries: this.#replayer.entries }, "ready");
    while (!this.#stopped && this.#differs === null) {
      try {
        await this.#follow();
      } catch (error) {
        if (error instanceof ReplayDiffers || error instanceof Corrupt) this.#halt(error);
        else logger.warn({ error }, "the journal cannot be read");
      }
      await pause(limits.followMs);
    }
  }

  async #begin(): Promise<void> {
    const restored = await this.#restored(Number.MAX_SAFE_INTEGER);
    if (restored === null) return;
    this.#replayer = restored.replayer;
    this.#saved = restored.entry;
  }

  async #restored(upTo: number): Promise<Restored | null> {
    const { db, shard, logger } = this.#parts;
    return restoreNewest(db, shard, {
      upTo,
      checked: true,
      onSkipped: (fields, message) => logger.error(fields, message),
    });
  }

  async #follow(): Promise<void> {
    const { db, shard, metrics } = this.#parts;
    const start = { afterEntry: this.#replayer.entries, hash: this.#replayer.chain };
    for await (const page of journalPages(db, shard, start)) {
      for (const batch of page) {
        if (this.#stopped) return;
        this.#replayer.replay(batch);
        await breathe();
      }
      metrics.shardAppliedSeq.set(this.#replayer.seq);
      await this.#saveIfDue();
    }
    await this.#saveIfDue();
  }

  async #saveIfDue(): Promise<void> {
    const { entries } = this.#replayer;
    const { snapshotMs } = this.#parts;
    const fresh = entries - this.#saved;
    const due = fresh >= limits.snapshotEntries || (fresh > 0 && monotonic() - this.#savedAt >= snapshotMs);
    if (due) await this.#save();
  }

  async #save(): Promise<void> {
    const { engine, entries, seq, chain } = this.#replayer;
    if (engine === null) return;
    const { db, shard, logger, trimmer } = this.#parts;
    const bytes = engine.snapshot();
    const hashes = { chainHash: chain, stateHash: engine.stateHash() };
    const place = { shard, entry: entries, seq, factSeq: engine.machine.factSeq };
    await saveSnapshot(db, { ...place, ...hashes, format: snapshotFormat, bytes });
    const restored = await this.#restored(entries);
    if (restored?.entry !== entries) throw new ReplayDiffers(`the snapshot of entry ${entries} does not restore`);
    this.#saved = entries;
    this.#savedAt = monotonic();
    logger.info({ entries, bytes: bytes.length, ...hashes }, "snapshot written");
    await trimmer
      .trim(seq)
      .catch((error: unknown) => logger.warn({ error }, "the log could not be trimmed: after the next snapshot"));
  }

  #halt(error: Error): void {
    this.#differs = error.message;
    this.#parts.logger.fatal({ error }, "the journal does not replay to what was committed");
  }
}
