import { type Database, journalPages, loadSnapshots, saveSnapshot } from "#libs/adapters/postgres/index.ts";
import { ReplayDiffers, Replayer } from "#libs/journal/index.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { limits } from "./limits.ts";
import { breathe, insist, monotonic, pause } from "./waiting.ts";

export interface FollowerParts {
  readonly db: Database;
  readonly shard: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const format = "plimsoll-state-1";

/** Replays the journal behind the leader, holds every batch to its hash, and writes the snapshots that a start begins with. */
export class Follower {
  readonly #parts: FollowerParts;
  #replayer = new Replayer();
  #stopped = false;
  #differs: string | null = null;
  #running: Promise<void> = Promise.resolve();
  #saved = 0;
  #savedAt = monotonic();

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  get ready(): { readonly ready: boolean; readonly detail: unknown } {
    const { entries, seq } = this.#replayer;
    return { ready: this.#differs === null, detail: { entries, seq, snapshot: this.#saved, differs: this.#differs } };
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
        if (error instanceof ReplayDiffers || (error as Error).name === "Corrupt") this.#halt(error as Error);
        else logger.warn({ error }, "the journal cannot be read");
      }
      await pause(limits.followMs);
    }
  }

  async #begin(): Promise<void> {
    const { db, shard } = this.#parts;
    const { snapshot } = await loadSnapshots(db, shard);
    if (snapshot === null) return;
    const { entry, seq, chainHash } = snapshot;
    this.#replayer = Replayer.fromSnapshot(snapshot.bytes, { entries: entry, seq, chainHash });
    this.#saved = entry;
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
    const { engine, entries, seq, chain } = this.#replayer;
    const fresh = entries - this.#saved;
    const due = fresh >= limits.snapshotEntries || (fresh > 0 && monotonic() - this.#savedAt >= limits.snapshotMs);
    if (engine === null || !due) return;
    const { db, shard, logger } = this.#parts;
    const bytes = engine.snapshot();
    const hashes = { chainHash: chain, stateHash: engine.stateHash() };
    await saveSnapshot(db, { shard, entry: entries, seq, factSeq: engine.machine.factSeq, ...hashes, format, bytes });
    this.#saved = entries;
    this.#savedAt = monotonic();
    logger.info({ entries, bytes: bytes.length, ...hashes }, "snapshot written");
  }

  #halt(error: Error): void {
    this.#differs = error.message;
    this.#parts.logger.fatal({ error }, "the journal does not replay to what was committed");
  }
}
