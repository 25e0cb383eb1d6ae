import { type Bus, firstSince, streamState, trimLog } from "#libs/adapters/nats/index.ts";
import { type Database, readShard } from "#libs/adapters/postgres/index.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import { limits } from "./limits.ts";

export interface LogTrimmerParts {
  readonly bus: Bus;
  readonly db: Database;
  readonly shard: string;
  readonly logger: Logger;
  /** Entries younger than this stay, whatever covers them. */
  readonly keptMs: number;
}

/**
 * Keeps the log from filling: what is committed and covered by a verified snapshot goes when nobody who has been away for a while can
 * still be reading it. A log that is nearly full goes down to the snapshot, since a full one takes no fill.
 */
export class LogTrimmer {
  readonly #parts: LogTrimmerParts;

  constructor(parts: LogTrimmerParts) {
    this.#parts = parts;
  }

  /** `covered`: the log position of a snapshot that has been read back and checked. Returns how many entries went. */
  async trim(covered: number): Promise<number> {
    const { bus, db, shard, logger, keptMs } = this.#parts;
    const row = await readShard(db, shard);
    const stream = await streamState(bus, shard);
    // Another stream than the one that was read: its positions mean something else.
    if (row === null || row.streamCreated !== stream.created) return 0;
    const safe = Math.min(covered, row.appliedSeq);
    const full = stream.bytesMax > 0 && stream.bytes > stream.bytesMax * limits.logPressure;
    const { bytes, bytesMax } = stream;
    if (full) logger.error({ bytes, bytesMax }, "the log is nearly full: what the snapshot covers goes at once");
    // The entry at the place itself stays: a start compares it.
    const before = full ? safe : Math.min(safe, await firstSince(bus, shard, keptMs));
    if (before <= stream.firstSeq) return 0;
    const gone = await trimLog(bus, shard, before);
    logger.info({ before, gone, covered, appliedSeq: row.appliedSeq }, "the log was trimmed");
    return gone;
  }
}
