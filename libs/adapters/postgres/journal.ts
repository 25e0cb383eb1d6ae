import { count } from "./database.ts";
import type { Queryable } from "./database.ts";
import { Corrupt } from "./errors.ts";
import { chainHash, unpack } from "./hash.ts";

/** One committed batch as it was journaled. */
export interface JournalBatch {
  readonly shard: string;
  readonly firstEntry: number;
  readonly lastEntry: number;
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly epoch: number;
  /** Number of the newest fact after it. */
  readonly factSeq: number;
  /** Hex. */
  readonly prevHash: string;
  readonly chainHash: string;
  /** NDJSON, inflated. */
  readonly entries: Buffer;
  readonly facts: Buffer;
}

interface Columns {
  first_entry: string;
  last_entry: string;
  from_seq: string;
  to_seq: string;
  epoch: string;
  fact_seq: string;
  prev_hash: Buffer;
  chain_hash: Buffer;
  entries: Buffer;
  facts: Buffer;
}

export const journalPageMax = 500;

/**
 * The batches after `afterEntry`, the last entry of a batch (or 0), in order, at most `limit`. Each batch's own hash has been
 * recomputed and each follows the one before; throws `Corrupt` otherwise. That the first follows what the caller has is for the
 * caller to compare (`prevHash`), or use `journalPages`.
 */
export async function readJournal(
  db: Queryable,
  shard: string,
  afterEntry: number,
  limit: number,
): Promise<JournalBatch[]> {
  return readPage(db, shard, beyond(afterEntry), limit);
}

/** A batch's place: by its first entry, then by its last log position, since batches without entries share the former. */
interface Place {
  readonly firstEntry: number;
  readonly toSeq: number;
}

const beyond = (entry: number): Place => ({ firstEntry: entry, toSeq: Number.MAX_SAFE_INTEGER });

async function readPage(db: Queryable, shard: string, after: Place, limit: number): Promise<JournalBatch[]> {
  const { rows } = await db.query<Columns>({
    name: "journal_page",
    text: `SELECT first_entry, last_entry, from_seq, to_seq, epoch, fact_seq, prev_hash, chain_hash, entries, facts
      FROM journal WHERE shard = $1 AND first_entry >= $2 AND (first_entry, to_seq) > ($2, $3)
      ORDER BY first_entry, to_seq LIMIT $4`,
    values: [shard, after.firstEntry, after.toSeq, Math.min(limit, journalPageMax)],
  });
  const batches = rows.map((row) => batchOf(shard, row));
  for (const [at, batch] of batches.entries()) {
    const before = batches[at - 1];
    if (before !== undefined) follows(batch, before.chainHash, before.lastEntry);
  }
  return batches;
}

function batchOf(shard: string, row: Columns): JournalBatch {
  const batch = {
    shard,
    firstEntry: count(row.first_entry),
    lastEntry: count(row.last_entry),
    fromSeq: count(row.from_seq),
    toSeq: count(row.to_seq),
    epoch: count(row.epoch),
    factSeq: count(row.fact_seq),
    prevHash: row.prev_hash.toString("hex"),
    chainHash: row.chain_hash.toString("hex"),
  };
  const where = `journal of shard ${shard}, entries ${batch.firstEntry} to ${batch.lastEntry}`;
  let entries: Buffer;
  let facts: Buffer;
  try {
    entries = unpack(row.entries);
    facts = unpack(row.facts);
  } catch (error) {
    throw new Corrupt(`${where}: ${(error as Error).message}`);
  }
  if (chainHash(batch.prevHash, entries, facts) !== batch.chainHash) throw new Corrupt(`${where}: the hash differs`);
  return { ...batch, entries, facts };
}

function follows(batch: JournalBatch, hash: string, lastEntry: number): void {
  if (batch.prevHash === hash && batch.firstEntry === lastEntry + 1) return;
  throw new Corrupt(`journal of shard ${batch.shard}: entry ${batch.firstEntry} does not follow entry ${lastEntry}`);
}

/** Where the reader stands: what it has applied last, with the chain's hash there. */
export interface JournalStart {
  readonly afterEntry: number;
  readonly hash: string;
  readonly pageSize?: number;
}

const pageDefault = 50;

/**
 * Everything committed after a place, page by page: one page is held at a time. Ends where the journal ends at that moment. Throws `Corrupt` where the chain
 * breaks, at the very first batch too.
 */
export async function* journalPages(
  db: Queryable,
  shard: string,
  start: JournalStart,
): AsyncGenerator<readonly JournalBatch[], void, void> {
  let after = beyond(start.afterEntry);
  let lastEntry = start.afterEntry;
  let hash = start.hash;
  for (;;) {
    const page = await readPage(db, shard, after, start.pageSize ?? pageDefault);
    if (page.length === 0) return;
    const fresh = page.slice(emptyBefore(page, hash));
    const first = fresh[0];
    if (first !== undefined) follows(first, hash, lastEntry);
    const last = page.at(-1) as JournalBatch;
    after = last;
    if (fresh.length > 0) {
      ({ chainHash: hash, lastEntry } = last);
      yield fresh;
    }
  }
}

/** The batches that hold these entries, each once, in order; each one's own hash has been recomputed. */
export async function journalOfEntries(
  db: Queryable,
  shard: string,
  entries: readonly number[],
): Promise<JournalBatch[]> {
  const { rows } = await db.query<Columns>({
    name: "journal_entries",
    text: `SELECT DISTINCT ON (batch.first_entry, batch.to_seq) batch.first_entry, last_entry, from_seq, to_seq, epoch, fact_seq,
        prev_hash, chain_hash, entries, facts
      FROM unnest($2::bigint[]) AS wanted (entry) CROSS JOIN LATERAL (
        SELECT * FROM journal WHERE shard = $1 AND first_entry <= wanted.entry AND last_entry >= wanted.entry
        ORDER BY first_entry DESC LIMIT 1) AS batch
      ORDER BY batch.first_entry, batch.to_seq`,
    values: [shard, entries],
  });
  return rows.map((row) => batchOf(shard, row));
}

/** Where to begin with the batch that holds the first fact after `factSeq`; null: no such fact is committed. */
export async function journalStartOfFact(db: Queryable, shard: string, factSeq: number): Promise<JournalStart | null> {
  const { rows } = await db.query<Pick<Columns, "first_entry" | "prev_hash">>({
    name: "journal_fact",
    text: `SELECT first_entry, prev_hash FROM journal WHERE shard = $1 AND fact_seq > $2
      ORDER BY fact_seq, first_entry LIMIT 1`,
    values: [shard, factSeq],
  });
  const first = rows[0];
  if (first === undefined) return null;
  return { afterEntry: count(first.first_entry) - 1, hash: first.prev_hash.toString("hex") };
}

/** Batches without entries share their number with the next; those that the reader already counts in are passed over. */
function emptyBefore(page: readonly JournalBatch[], hash: string): number {
  let at = 0;
  for (let one = page[at]; one !== undefined && one.lastEntry < one.firstEntry && one.prevHash !== hash; one = page[at])
    at += 1;
  return at;
}
