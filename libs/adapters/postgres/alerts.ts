import type { Alert } from "#libs/contracts/stream/alerts.ts";
import { count, only } from "./database.ts";
import type { Queryable } from "./database.ts";
import type { Alarm } from "./notices.ts";

/** Where alerts are told beside the console. */
export const alertChannels = ["telegram", "webhook"] as const;
export type AlertChannel = (typeof alertChannels)[number];
export type AlertLevel = Alert["level"];

/** An alert as it stands, and the level that the channels were told of last, with when (UTC ms); null: they have not been. */
export interface KeptAlert extends Alert {
  readonly told: { readonly level: AlertLevel; readonly at: number } | null;
}

/** Alerts that are kept in all; whoever makes more says so in one. */
export const alertsMax = 2_000;

interface Columns {
  id: string;
  code: string;
  level: AlertLevel;
  title: string;
  grouped: string;
  since: Date;
  until: Date | null;
  count: string;
  ack_by: string | null;
  ack_at: Date | null;
  detail: unknown;
  told_level: AlertLevel | null;
  told_at: Date | null;
}

const columns =
  "id, code, level, title, grouped, since, until, count, ack_by, ack_at, detail, told_level, told_at" as const;

function alertOf(row: Columns): Alert {
  const { id, code, level, title, grouped: group, since, until, ack_by: by, ack_at: at, detail } = row;
  const ack = by === null || at === null ? null : { by, at: at.getTime() };
  const place = { id, level, code, title, group, since: since.getTime(), until: until?.getTime() ?? null };
  return { ...place, count: count(row.count), ack, detail };
}

const keptOf = (row: Columns): KeptAlert => {
  const { told_level: level, told_at: at } = row;
  return { ...alertOf(row), told: level === null || at === null ? null : { level, at: at.getTime() } };
};

/** Those that hold, and those that ended and nobody has seen or that ended not long ago: the newest first, at most `alertsMax`. */
export async function readAlerts(db: Queryable): Promise<KeptAlert[]> {
  const { rows } = await db.query<Columns>({
    name: "alerts_read",
    text: `SELECT ${columns} FROM alert ORDER BY (until IS NULL) DESC, since DESC, id LIMIT $1`,
    values: [alertsMax],
  });
  return rows.map(keptOf);
}

/** Puts alerts in the place of those of the same id. Who has seen one is not overwritten but by `forget`: it holds anew. */
export async function keepAlerts(
  db: Queryable,
  alerts: readonly (KeptAlert & { readonly forget: boolean })[],
): Promise<void> {
  if (alerts.length === 0) return;
  const rows = alerts.map(({ id, code, level, title, group, since, until, count: met, detail, told, forget }) => ({
    id,
    code,
    level,
    title,
    count: met,
    detail,
    grouped: group,
    since_ms: since,
    until_ms: until,
    told_level: told?.level ?? null,
    told_ms: told?.at ?? null,
    forget,
  }));
  await db.query({
    name: "alerts_keep",
    text: `INSERT INTO alert AS kept (id, code, level, title, grouped, since, until, count, detail, told_level, told_at)
      SELECT id, code, level, title, grouped, to_timestamp(since_ms / 1000.0), to_timestamp(until_ms / 1000.0), count, detail,
        told_level, to_timestamp(told_ms / 1000.0)
      FROM jsonb_to_recordset($1::jsonb) AS row (id text, code text, level text, title text, grouped text, since_ms bigint,
        until_ms bigint, count bigint, detail jsonb, told_level text, told_ms bigint)
      ON CONFLICT (id) DO UPDATE SET level = excluded.level, title = excluded.title, grouped = excluded.grouped,
        since = excluded.since, until = excluded.until, count = excluded.count, detail = excluded.detail,
        told_level = excluded.told_level, told_at = excluded.told_at, revision = kept.revision + 1`,
    values: [JSON.stringify(rows)],
  });
  const anew = alerts.filter(({ forget }) => forget).map(({ id }) => id);
  if (anew.length > 0)
    await db.query({ text: "UPDATE alert SET ack_by = NULL, ack_at = NULL WHERE id = ANY($1)", values: [anew] });
}

/** Notes who has seen an alert; null: there is none of that id. Seen before: whoever was first stays. */
export async function acknowledgeAlert(db: Queryable, id: string, by: string): Promise<Alert | null> {
  await db.query({
    name: "alert_acknowledge",
    text: `UPDATE alert SET ack_by = $2, ack_at = clock_timestamp(), revision = revision + 1 WHERE id = $1 AND ack_by IS NULL`,
    values: [id, by],
  });
  const { rows } = await db.query<Columns>({ text: `SELECT ${columns} FROM alert WHERE id = $1`, values: [id] });
  return rows[0] === undefined ? null : alertOf(rows[0]);
}

/** Changed since they were told to the streams. */
export async function unpublishedAlerts(
  db: Queryable,
  limit: number,
): Promise<readonly { readonly alert: Alert; readonly revision: number }[]> {
  const { rows } = await db.query<Columns & { revision: string }>({
    name: "alerts_unpublished",
    text: `SELECT ${columns}, revision FROM alert WHERE published < revision ORDER BY id LIMIT $1`,
    values: [limit],
  });
  return rows.map((row) => ({ alert: alertOf(row), revision: count(row.revision) }));
}

export async function markAlertPublished(db: Queryable, id: string, revision: number): Promise<void> {
  await db.query({
    name: "alert_published",
    text: "UPDATE alert SET published = greatest(published, $2) WHERE id = $1",
    values: [id, revision],
  });
}

/** Removes what ended before: at once where somebody has seen it, later where nobody has. Returns how many. */
export async function pruneAlerts(db: Queryable, seenMs: number, unseenMs: number): Promise<number> {
  const result = await db.query<{ pruned: string }>({
    text: `WITH gone AS (DELETE FROM alert WHERE until < clock_timestamp() - $2 * interval '1 ms'
          OR ack_by IS NOT NULL AND until < clock_timestamp() - $1 * interval '1 ms' RETURNING 1)
      SELECT count(*) AS pruned FROM gone`,
    values: [seenMs, unseenMs],
  });
  return count(only(result).pruned);
}

/** What one channel has to tell, oldest first. `idleMs`: since its latest attempt, or since it was recorded. */
export interface AlertDelivery {
  readonly id: number;
  readonly alert: Alert;
  readonly attempts: number;
  readonly idleMs: number;
}

/** Deliveries of a channel that may wait; beyond, the oldest are given up for the newest. */
export const deliveriesMax = 1_000;

/** Records that channels are to be told; how many older ones were given up for them. */
export async function recordDeliveries(
  db: Queryable,
  channels: readonly AlertChannel[],
  alerts: readonly Alert[],
): Promise<number> {
  if (channels.length === 0 || alerts.length === 0) return 0;
  await db.query({
    name: "alert_deliveries",
    text: `INSERT INTO alert_delivery (channel, body)
      SELECT channel, body FROM jsonb_array_elements($2::jsonb) AS body CROSS JOIN unnest($1::text[]) AS channel`,
    values: [[...channels], JSON.stringify(alerts)],
  });
  const result = await db.query<{ dropped: string }>({
    name: "alert_deliveries_bound",
    text: `WITH gone AS (UPDATE alert_delivery SET outcome = 'given_up', ended_at = clock_timestamp()
        WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY channel ORDER BY id DESC) AS place
          FROM alert_delivery WHERE outcome IS NULL) AS open WHERE place > $1) RETURNING 1)
      SELECT count(*) AS dropped FROM gone`,
    values: [deliveriesMax],
  });
  return count(only(result).dropped);
}

export async function openDeliveries(db: Queryable, channel: AlertChannel, limit: number): Promise<AlertDelivery[]> {
  const { rows } = await db.query<{ id: string; body: Alert; attempts: number; idle: string }>({
    name: "alert_deliveries_open",
    text: `SELECT id, body, attempts,
        (extract(epoch FROM clock_timestamp() - coalesce(tried_at, recorded_at)) * 1000)::bigint AS idle
      FROM alert_delivery WHERE channel = $1 AND outcome IS NULL ORDER BY id LIMIT $2`,
    values: [channel, limit],
  });
  return rows.map(({ id, body, attempts, idle }) => ({ id: count(id), alert: body, attempts, idleMs: count(idle) }));
}

/** `sent`: the channel has taken them. `failed`: one attempt more; those with `attemptsMax` are given up. Returns how many were. */
export async function markDeliveries(
  db: Queryable,
  ids: readonly number[],
  outcome: "sent" | "failed",
  attemptsMax: number,
): Promise<number> {
  if (ids.length === 0) return 0;
  const result = await db.query<{ dropped: string }>({
    name: "alert_deliveries_mark",
    text: `WITH marked AS (UPDATE alert_delivery SET attempts = attempts + 1, tried_at = clock_timestamp(),
          outcome = CASE WHEN $2 THEN 'sent' WHEN attempts + 1 >= $3 THEN 'given_up' END,
          ended_at = CASE WHEN $2 OR attempts + 1 >= $3 THEN clock_timestamp() END
        WHERE id = ANY($1::bigint[]) AND outcome IS NULL RETURNING outcome)
      SELECT count(*) FILTER (WHERE outcome = 'given_up') AS dropped FROM marked`,
    values: [[...ids], outcome === "sent", attemptsMax],
  });
  return count(only(result).dropped);
}

/** How many of each channel wait, and for how long the oldest (ms). */
export async function deliveriesWaiting(
  db: Queryable,
): Promise<ReadonlyMap<AlertChannel, { readonly waiting: number; readonly oldestMs: number }>> {
  const { rows } = await db.query<{ channel: AlertChannel; waiting: string; oldest: string }>({
    name: "alert_deliveries_waiting",
    text: `SELECT channel, count(*) AS waiting,
        (extract(epoch FROM clock_timestamp() - min(recorded_at)) * 1000)::bigint AS oldest
      FROM alert_delivery WHERE outcome IS NULL GROUP BY channel`,
  });
  return new Map(rows.map((row) => [row.channel, { waiting: count(row.waiting), oldestMs: count(row.oldest) }]));
}

/** Alarms of the last so many ms, oldest first, at most `limit`: each with when it was raised, UTC ms of the database. */
export async function recentAlarms(
  db: Queryable,
  sinceMs: number,
  limit: number,
): Promise<readonly (Alarm & { readonly at: number })[]> {
  const { rows } = await db.query<{
    id: string;
    shard: string | null;
    body: Omit<Alarm, "id" | "shard">;
    recorded_at: Date;
  }>({
    name: "alarms_recent",
    text: `SELECT id, shard, body, recorded_at FROM (SELECT id, shard, body, recorded_at FROM notice
        WHERE channel = 'operator' AND recorded_at > clock_timestamp() - $1 * interval '1 ms'
        ORDER BY recorded_at DESC, id LIMIT $2) AS newest ORDER BY recorded_at, id`,
    values: [sinceMs, limit],
  });
  return rows.map(({ id, shard, body, recorded_at: at }) => ({ id, shard, ...body, at: at.getTime() }));
}
