import { textArray } from "./arrays.ts";
import type { Effect } from "#libs/contracts/log.ts";
import { confirmReplicated, count, only } from "./database.ts";
import type { Queryable } from "./database.ts";

export interface OpenEffect {
  readonly shard: string;
  readonly effect: Effect;
  /** How often it has been sent, and how long ago (ms, the database's clock); null: never. */
  readonly attempts: number;
  readonly sentAgoMs: number | null;
  readonly openForMs: number;
  /** Of the leader now. */
  readonly epoch: number;
  /** Log position after which it became known. */
  readonly openedSeq: number;
  /** Of the entry that opened it. */
  readonly trace?: string;
}

export const openEffectsMax = 1_000;

/** Effects without an outcome, oldest first; of one shard or of all. `sentBeforeMs`: only those not sent within that time. */
export async function openEffects(
  db: Queryable,
  options: { readonly shard?: string; readonly sentBeforeMs?: number; readonly limit?: number } = {},
): Promise<OpenEffect[]> {
  const { rows } = await db.query<Columns>({
    name: "effects_open",
    text: `SELECT ${columns} FROM effect JOIN shard ON shard.id = effect.shard
      WHERE answered_seq IS NULL AND ($1::text IS NULL OR effect.shard = $1)
        AND (last_sent_at IS NULL OR last_sent_at < clock_timestamp() - $2 * interval '1 ms')
      ORDER BY opened_at, effect.id LIMIT $3`,
    values: [
      options.shard ?? null,
      options.sentBeforeMs ?? 0,
      Math.min(options.limit ?? openEffectsMax, openEffectsMax),
    ],
  });
  // Whoever reads them carries them out.
  if (rows.length > 0) await confirmReplicated(db);
  return rows.map(effectOf);
}

/** Null: unknown, or answered. */
export async function openEffect(db: Queryable, shard: string, id: string): Promise<OpenEffect | null> {
  const { rows } = await db.query<Columns>({
    name: "effect_open",
    text: `SELECT ${columns} FROM effect JOIN shard ON shard.id = effect.shard
      WHERE effect.shard = $1 AND effect.id = $2 AND answered_seq IS NULL`,
    values: [shard, id],
  });
  return rows[0] === undefined ? null : effectOf(rows[0]);
}

const columns = `effect.shard, body - 'trace' AS body, body ->> 'trace' AS trace, attempts, opened_seq, shard.epoch,
  (extract(epoch FROM clock_timestamp() - last_sent_at) * 1000)::bigint AS sent_ago,
  (extract(epoch FROM clock_timestamp() - opened_at) * 1000)::bigint AS open_for`;

interface Columns {
  shard: string;
  body: Effect;
  trace: string | null;
  attempts: number;
  opened_seq: string;
  epoch: string;
  sent_ago: string | null;
  open_for: string;
}

const effectOf = (row: Columns): OpenEffect => ({
  shard: row.shard,
  effect: row.body,
  attempts: row.attempts,
  sentAgoMs: row.sent_ago === null ? null : count(row.sent_ago),
  openForMs: count(row.open_for),
  epoch: count(row.epoch),
  openedSeq: count(row.opened_seq),
  ...(row.trace === null ? {} : { trace: row.trace }),
});

/** Traces of open effects of a shard that have one, by the effect's id. */
export async function openEffectTraces(db: Queryable, shard: string): Promise<ReadonlyMap<string, string>> {
  const { rows } = await db.query<{ id: string; trace: string }>({
    text: `SELECT id, body ->> 'trace' AS trace FROM effect
      WHERE shard = $1 AND answered_seq IS NULL AND body ->> 'trace' IS NOT NULL`,
    values: [shard],
  });
  return new Map(rows.map(({ id, trace }) => [id, trace]));
}

export interface EffectName {
  readonly shard: string;
  readonly id: string;
}

/** Notes an attempt at each; returns how many of them are still open. */
export async function markEffectsSent(db: Queryable, effects: readonly EffectName[]): Promise<number> {
  if (effects.length === 0) return 0;
  const { rowCount } = await db.query({
    name: "effects_sent",
    text: `UPDATE effect SET attempts = attempts + 1, last_sent_at = clock_timestamp()
      FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[])) AS sent (shard, id)
      WHERE effect.shard = sent.shard AND effect.id = sent.id AND answered_seq IS NULL`,
    values: [textArray(effects.map(({ shard }) => shard)), textArray(effects.map(({ id }) => id))],
  });
  return rowCount ?? 0;
}

/** Removes what was answered longer ago; returns how many. */
export async function pruneEffects(db: Queryable, olderThanMs: number, limit = 10_000): Promise<number> {
  const result = await db.query<{ pruned: string }>({
    text: `WITH gone AS (DELETE FROM effect WHERE (shard, id) IN (SELECT shard, id FROM effect
        WHERE answered_at < clock_timestamp() - $1 * interval '1 ms' LIMIT $2) RETURNING 1)
      SELECT count(*) AS pruned FROM gone`,
    values: [olderThanMs, limit],
  });
  return count(only(result).pruned);
}
