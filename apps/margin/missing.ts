import type { Bus } from "#libs/adapters/nats/index.ts";
import { type Database, entryBySeq } from "#libs/adapters/postgres/index.ts";
import { readLiveEntry } from "#libs/contracts/live/door.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { type Resend, type ResendReply, resendMax } from "#libs/contracts/live/venue.ts";
import type { Entry } from "#libs/contracts/log.ts";
import { faultOf } from "./applier.ts";
import { limits } from "./limits.ts";

/** Numbers of one source that the log has not brought, both ends included. */
export interface Missing {
  readonly source: string;
  readonly from: number;
  readonly to: number;
}

/** The first of the missing entries, in order, from whoever numbered them. Throws where they cannot be had (yet). */
export async function fetchMissing(bus: Bus, db: Database, shard: string, missing: Missing): Promise<readonly Entry[]> {
  const entries =
    missing.source === sources.venue ? await fromVenue(bus, shard, missing) : await fromOutbox(db, shard, missing);
  for (const [at, entry] of entries.entries()) {
    const expected = missing.from + at;
    const read = readLiveEntry(JSON.stringify(entry));
    if (!read.ok)
      throw new Error(`entry ${expected} of ${missing.source} is unreadable: ${faultOf(read.problems).what}`);
    if (entry.source !== missing.source || entry.sourceSeq !== expected)
      throw new Error(`${missing.source} gave entry ${entry.sourceSeq ?? "?"} for ${expected}`);
  }
  if (entries.length === 0) throw new Error(`${missing.source} does not have entry ${missing.from}`);
  return entries;
}

async function fromVenue(bus: Bus, shard: string, { from, to }: Missing): Promise<readonly Entry[]> {
  const asked: Resend = { shard, from, to: Math.min(to, from + resendMax - 1) };
  const reply = await bus.request<ResendReply>(bus.names.subjects.venue("resend"), asked, {
    timeoutMs: limits.resendMs,
  });
  return reply.entries;
}

async function fromOutbox(db: Database, shard: string, { source, from }: Missing): Promise<readonly Entry[]> {
  const row = await entryBySeq(db, source, shard, from);
  return row === null ? [] : [row.entry];
}
