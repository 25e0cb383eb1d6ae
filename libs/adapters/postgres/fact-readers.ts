import type { Fact } from "#libs/contracts/log.ts";
import { count } from "./database.ts";
import type { Queryable } from "./database.ts";

/** Facts of some names after a place, and the place up to which there are no others. */
export interface FactPage {
  readonly facts: readonly Fact[];
  readonly upTo: number;
  /** There may be more at once. */
  readonly full: boolean;
}

/**
 * The next committed facts of these names. What lies between them is passed over for good: a shard that has long said nothing of the
 * kind is not searched from the same place again.
 */
export async function factsOfNames(
  db: Queryable,
  shard: string,
  after: number,
  names: readonly string[],
  limit: number,
): Promise<FactPage> {
  const committed = await db.query<{ fact_seq: string }>({
    name: "facts_committed",
    text: "SELECT fact_seq FROM shard WHERE id = $1",
    values: [shard],
  });
  const last = count(committed.rows[0]?.fact_seq ?? 0);
  if (last <= after) return { facts: [], upTo: after, full: false };
  const { rows } = await db.query<{ body: Fact }>({
    name: "facts_of_names",
    text: `SELECT body FROM fact WHERE shard = $1 AND seq > $2 AND seq <= $3 AND fact = ANY ($4::text[])
      ORDER BY seq LIMIT $5`,
    values: [shard, after, last, [...names], limit],
  });
  const facts = rows.map(({ body }) => body);
  const full = facts.length === limit;
  return { facts, upTo: full ? (facts.at(-1)?.seq ?? last) : last, full };
}

/** Shard → its newest committed fact. */
export async function committedFacts(db: Queryable): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.query<{ id: string; fact_seq: string }>({
    name: "facts_committed_all",
    text: "SELECT id, fact_seq FROM shard",
  });
  return new Map(rows.map(({ id, fact_seq }) => [id, count(fact_seq)]));
}

/** Up to which fact a reader has done its work; 0: it has not begun. */
export async function factCursor(db: Queryable, reader: string, shard: string): Promise<number> {
  const { rows } = await db.query<{ seq: string }>({
    name: "fact_cursor_read",
    text: "SELECT seq FROM fact_cursor WHERE reader = $1 AND shard = $2",
    values: [reader, shard],
  });
  return count(rows[0]?.seq ?? 0);
}

/** Moves a reader on, in the transaction that keeps what it made of the facts; never back. */
export async function moveFactCursor(db: Queryable, reader: string, shard: string, seq: number): Promise<void> {
  await db.query({
    name: "fact_cursor_move",
    text: `INSERT INTO fact_cursor AS kept VALUES ($1, $2, $3)
      ON CONFLICT (reader, shard) DO UPDATE SET seq = excluded.seq WHERE kept.seq < excluded.seq`,
    values: [reader, shard, seq],
  });
}
