import { count } from "./database.ts";
import type { Queryable } from "./database.ts";

/** An account was seen with a value, of which this is a keyed sha256, hex. */
export interface EvidenceRow {
  readonly account: string;
  readonly kind: string;
  readonly hash: string;
  /** UTC ms. */
  readonly from: number;
  readonly until: number;
}

export const evidenceRowsMax = 5_000;

/** Keeps what was seen; of what is known the times are widened. The database refuses what is no account, kind or hash, all rows with it. */
export async function recordEvidence(db: Queryable, rows: readonly EvidenceRow[]): Promise<void> {
  if (rows.length === 0) return;
  if (rows.length > evidenceRowsMax) throw new RangeError(`${rows.length} rows of evidence at once`);
  await db.query({
    name: "evidence_record",
    text: `INSERT INTO entity_evidence AS kept (account, kind, hash, first_seen, last_seen)
      SELECT account, kind, decode(hash, 'hex'), min("from"), max("until")
      FROM jsonb_to_recordset($1::jsonb) AS row (account text, kind text, hash text, "from" bigint, "until" bigint)
      GROUP BY account, kind, decode(hash, 'hex')
      ON CONFLICT (kind, hash, account) DO UPDATE SET first_seen = least(kept.first_seen, excluded.first_seen),
        last_seen = greatest(kept.last_seen, excluded.last_seen)`,
    values: [JSON.stringify(rows)],
  });
}

/**
 * What at least two accounts share and at most `commonAbove`, seen at `since` or later; at most `limit` rows. What is the most common
 * would be read and dropped: an exchange's hot wallet has as many rows as the exchange has customers.
 */
export async function sharedEvidence(
  db: Queryable,
  commonAbove: number,
  since: number,
  limit: number,
): Promise<EvidenceRow[]> {
  const { rows } = await db.query<{
    account: string;
    kind: string;
    hash: string;
    first_seen: string;
    last_seen: string;
  }>({
    name: "evidence_shared",
    text: `SELECT account, kind, encode(hash, 'hex') AS hash, first_seen, last_seen
      FROM entity_evidence JOIN (
        SELECT kind, hash, count(*) AS holders FROM entity_evidence WHERE last_seen >= $2
        GROUP BY kind, hash HAVING count(*) BETWEEN 2 AND $1
      ) AS shared USING (kind, hash)
      WHERE last_seen >= $2 ORDER BY holders, kind, hash, account LIMIT $3`,
    values: [commonAbove, since, limit],
  });
  return rows.map(({ account, kind, hash, first_seen, last_seen }) => ({
    account,
    kind,
    hash,
    from: count(first_seen),
    until: count(last_seen),
  }));
}
