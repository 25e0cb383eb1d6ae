import type { Entry, EntryBody } from "#libs/contracts/log.ts";
import { newTrace } from "#libs/telemetry/trace.ts";
import { confirmReplicated, count, only } from "./database.ts";
import type { Queryable } from "./database.ts";

/** An entry to be put into a shard's log by way of the database. */
export interface NewEntry {
  readonly source: string;
  readonly shard: string;
  /** What makes it the same entry when it is asked for again, unique per source and shard; at most 200 characters. */
  readonly key: string;
  readonly body: EntryBody;
  /** UTC ms, the market's clock. */
  readonly t: number;
  readonly trace?: string | undefined;
}

export interface OutboxEntry {
  readonly source: string;
  readonly shard: string;
  readonly sourceSeq: number;
  readonly key: string;
  /** With header: ready to be written into the log. */
  readonly entry: Entry;
  readonly published: boolean;
}

/**
 * Queues an entry and returns its number, gapless per source and shard; inside the caller's transaction if one is given, then its
 * number is only given away if that commits. The same key again changes nothing and returns the first number.
 */
export async function enqueueEntry(db: Queryable, entry: NewEntry): Promise<number> {
  const { source, shard, key, body, t, trace } = entry;
  const result = await db.query<{ seq: string }>({
    name: "outbox_enqueue",
    text: "SELECT enqueue_entry($1, $2, $3, $4, $5, $6) AS seq",
    values: [source, shard, key, JSON.stringify(body), t, trace ?? newTrace()],
  });
  return count(only(result).seq);
}

interface Columns {
  source: string;
  shard: string;
  seq: string;
  key: string;
  body: EntryBody;
  t: string;
  trace: string | null;
  published_at: Date | null;
}

const columns = "source, shard, seq, key, body, t, trace, published_at";

function entryOf(row: Columns): OutboxEntry {
  const { source, shard, key, trace } = row;
  const sourceSeq = count(row.seq);
  const entry: Entry = { ...row.body, t: count(row.t), source, sourceSeq, ...(trace === null ? {} : { trace }) };
  return { source, shard, sourceSeq, key, entry, published: row.published_at !== null };
}

/** How many wait to be published, by source. */
export async function countPending(db: Queryable): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.query<{ source: string; many: string }>({
    name: "outbox_count",
    text: "SELECT source, count(*) AS many FROM entry_outbox WHERE published_at IS NULL GROUP BY source",
  });
  return new Map(rows.map(({ source, many }) => [source, count(many)]));
}

export const pendingEntriesMax = 1_000;

/** Entries not yet marked as published, each shard's in order. A relay writes them one after the other. */
export async function pendingEntries(
  db: Queryable,
  options: { readonly source?: string; readonly shard?: string; readonly limit?: number } = {},
): Promise<OutboxEntry[]> {
  const { rows } = await db.query<Columns>({
    name: "outbox_pending",
    text: `SELECT ${columns} FROM entry_outbox WHERE published_at IS NULL
        AND ($1::text IS NULL OR source = $1) AND ($2::text IS NULL OR shard = $2)
      ORDER BY source, shard, seq LIMIT $3`,
    values: [
      options.source ?? null,
      options.shard ?? null,
      Math.min(options.limit ?? pendingEntriesMax, pendingEntriesMax),
    ],
  });
  if (rows.length > 0) await confirmReplicated(db);
  return rows.map(entryOf);
}

/** Notes that the log has stored it (at `logSeq`, where known). Again: nothing. */
export async function markPublished(
  db: Queryable,
  entry: {
    readonly source: string;
    readonly shard: string;
    readonly sourceSeq: number;
    readonly logSeq?: number | null;
  },
): Promise<void> {
  await db.query({
    name: "outbox_published",
    text: `UPDATE entry_outbox SET published_at = clock_timestamp(), log_seq = $4
      WHERE source = $1 AND shard = $2 AND seq = $3 AND published_at IS NULL`,
    values: [entry.source, entry.shard, entry.sourceSeq, entry.logSeq ?? null],
  });
}

/** One entry by its number: what a gap in the log is filled from. Null: no such number. */
export async function entryBySeq(
  db: Queryable,
  source: string,
  shard: string,
  sourceSeq: number,
): Promise<OutboxEntry | null> {
  const { rows } = await db.query<Columns>({
    name: "outbox_by_seq",
    text: `SELECT ${columns} FROM entry_outbox WHERE source = $1 AND shard = $2 AND seq = $3`,
    values: [source, shard, sourceSeq],
  });
  return rows[0] === undefined ? null : entryOf(rows[0]);
}

/** By its key, so that one who asked before finds what became of it. */
export async function entryByKey(
  db: Queryable,
  source: string,
  shard: string,
  key: string,
): Promise<OutboxEntry | null> {
  const { rows } = await db.query<Columns>({
    name: "outbox_by_key",
    text: `SELECT ${columns} FROM entry_outbox WHERE source = $1 AND shard = $2 AND key = $3`,
    values: [source, shard, key],
  });
  return rows[0] === undefined ? null : entryOf(rows[0]);
}

/** The last number given away; 0: none. */
export async function lastOutboxSeq(db: Queryable, source: string, shard: string): Promise<number> {
  const { rows } = await db.query<{ last: string }>({
    text: "SELECT last FROM source_counter WHERE source = $1 AND shard = $2",
    values: [source, shard],
  });
  return count(rows[0]?.last ?? 0);
}

/**
 * Removes entries that were published longer ago and that the shard has applied; their keys are forgotten with them. Returns
 * how many.
 */
export async function pruneOutbox(db: Queryable, olderThanMs: number, limit = 10_000): Promise<number> {
  const result = await db.query<{ pruned: string }>({
    text: `WITH gone AS (DELETE FROM entry_outbox WHERE (source, shard, seq) IN (
        SELECT old.source, old.shard, old.seq FROM entry_outbox AS old
        JOIN source_seq AS done ON done.source = old.source AND done.shard = old.shard AND done.seq >= old.seq
        WHERE old.published_at < clock_timestamp() - $1 * interval '1 ms' LIMIT $2) RETURNING 1)
      SELECT count(*) AS pruned FROM gone`,
    values: [olderThanMs, limit],
  });
  return count(only(result).pruned);
}
