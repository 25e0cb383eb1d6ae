import type { Effect } from "#libs/contracts/log.ts";
import { count, only } from "./database.ts";
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

const columns = `effect.shard, body, attempts, opened_seq, shard.epoch,
  (extract(epoch FROM clock_timestamp() - last_sent_at) * 1000)::bigint AS sent_ago,
  (extract(epoch FROM clock_timestamp() - opened_at) * 1000)::bigint AS open_for`;

interface Columns {
  shard: string;
  body: Effect;
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
});

/** Notes an attempt; returns its number from 1, or null where the effect is not open any more. Call it before sending. */
export async function markEffectSent(db: Queryable, shard: string, id: string): Promise<number | null> {
  const { rows } = await db.query<{ attempts: number }>({
    name: "effect_sent",
    text: `UPDATE effect SET attempts = attempts + 1, last_sent_at = clock_timestamp()
      WHERE shard = $1 AND id = $2 AND answered_seq IS NULL RETURNING attempts`,
    values: [shard, id],
  });
  return rows[0]?.attempts ?? null;
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
