import { type Bus, lastEntry, openLogReader } from "#libs/adapters/nats/index.ts";
import { count, type Queryable } from "#libs/adapters/postgres/index.ts";
import type { Entry } from "#libs/contracts/log.ts";
import type { PriceFrames } from "#libs/domain/collateral/price-frames.ts";
import { limits } from "./limits.ts";

const readAtOnce = 1_000;

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

/** Lets the prices know of every frame after `from` and up to the last one; returns how many there were. */
export async function catchUp(bus: Bus, shard: string, prices: PriceFrames, from: number, to: number): Promise<number> {
  if (to <= from) return 0;
  const first = Math.max(from + 1, to - limits.catchUpEntries);
  const reader = await openLogReader(bus, shard, { from: first });
  const subject = bus.names.subjects.entry(shard, "frame");
  let frames = 0;
  try {
    for (let at = first - 1; at < to;) {
      const messages = await reader.next(readAtOnce, limits.readWaitMs);
      for (const message of messages) {
        at = message.seq;
        if (message.subject !== subject || message.seq > to) continue;
        const entry = JSON.parse(new TextDecoder().decode(message.data)) as Extract<Entry, { k: "frame" }>;
        prices.absorb(entry, entry.t);
        frames += 1;
      }
      if (messages.length === 0 && reader.nextSeq > to) break;
    }
  } finally {
    await reader.stop();
  }
  return frames;
}
