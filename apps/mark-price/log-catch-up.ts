import { type Bus, lastEntry, nextEntry } from "#libs/adapters/nats/index.ts";
import { count, type Queryable } from "#libs/adapters/postgres/index.ts";
import type { Entry } from "#libs/contracts/log.ts";
import type { PriceFrames } from "#libs/domain/collateral/price-frames.ts";
import { limits } from "./limits.ts";

export interface LastFrame {
  readonly logSeq: number;
  readonly sourceSeq: number;
}

/** The newest frame of a shard's log; zeros: none. */
export async function lastFrame(bus: Bus, shard: string): Promise<LastFrame> {
  const found = await lastEntry(bus, shard, "frame");
  const sourceSeq = (found?.entry as { sourceSeq?: unknown } | undefined)?.sourceSeq;
  return { logSeq: found?.seq ?? 0, sourceSeq: typeof sourceSeq === "number" ? sourceSeq : 0 };
}

/** The last number of a source that a shard has committed; 0: none. */
export async function committedSeq(db: Queryable, shard: string, source: string): Promise<number> {
  const { rows } = await db.query<{ seq: string }>({
    text: "SELECT seq FROM source_seq WHERE shard = $1 AND source = $2",
    values: [shard, source],
  });
  return count(rows[0]?.seq ?? 0);
}

/**
 * Lets the prices know of every frame after `from` and up to the last one; returns how many there were. They are asked for one by one:
 * what was kept last is at most seconds old.
 */
export async function catchUp(bus: Bus, shard: string, prices: PriceFrames, from: number, to: number): Promise<number> {
  let frames = 0;
  for (let at = Math.max(from, to - limits.catchUpEntries); at < to;) {
    const found = await nextEntry(bus, shard, "frame", at + 1);
    if (found === null || found.seq > to) break;
    const entry = found.entry as Extract<Entry, { k: "frame" }>;
    prices.absorb(entry, entry.t);
    frames += 1;
    at = found.seq;
  }
  return frames;
}
