import { nullableTextArray, numberArray, textArray } from "./arrays.ts";
import { confirmReplicated, count } from "./database.ts";
import type { Queryable } from "./database.ts";

/** Who is told: the account itself, the one it was deleveraged against, the provider that took over, people who operate. */
export const noticeChannels = ["account", "counterparty", "takeover", "operator"] as const;
export type NoticeChannel = (typeof noticeChannels)[number];

/** What is told to the outside about one fact, once per channel. */
export interface FactNotice {
  readonly shard: string;
  readonly factSeq: number;
  readonly channel: Exclude<NoticeChannel, "operator">;
  readonly account: string;
  readonly body: unknown;
}

/** Something that a person has to look at. */
export interface Alarm {
  /** The same thing again is the same alarm: letters, digits, _ and -. */
  readonly id: string;
  /** null: of no shard in particular. */
  readonly shard: string | null;
  /** A code in lower_snake_case; one sentence in English; what a person needs to look it up. */
  readonly code: string;
  readonly text: string;
  readonly detail?: unknown;
}

/** The same wherever the notice is sent again: what receivers tell copies by. */
export const noticeId = ({ shard, factSeq, channel }: Pick<FactNotice, "shard" | "factSeq" | "channel">): string =>
  `${shard}-${factSeq}-${channel}`;

/** Records notices that are new; returns how many were. */
export async function recordNotices(db: Queryable, notices: readonly FactNotice[]): Promise<number> {
  if (notices.length === 0) return 0;
  const { rowCount } = await db.query({
    name: "notices_record",
    text: `INSERT INTO notice (id, shard, fact_seq, channel, account, body)
      SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::jsonb[]) ON CONFLICT DO NOTHING`,
    values: [
      textArray(notices.map(noticeId)),
      textArray(notices.map(({ shard }) => shard)),
      numberArray(notices.map(({ factSeq }) => factSeq)),
      textArray(notices.map(({ channel }) => channel)),
      nullableTextArray(notices.map(({ account }) => account)),
      textArray(notices.map(({ body }) => JSON.stringify(body))),
    ],
  });
  return rowCount ?? 0;
}

const idMax = 180;

/** Records what a person has to look at, to be told by the notices; true: it is new. Any process may do it. */
export async function raiseAlarm(db: Queryable, alarm: Alarm): Promise<boolean> {
  const { id, shard, ...body } = alarm;
  const named = `alarm-${id.replaceAll(/[^A-Za-z0-9_-]/g, "_")}`.slice(0, idMax);
  const { rowCount } = await db.query({
    name: "alarm_raise",
    text: `INSERT INTO notice (id, shard, channel, body) VALUES ($1, $2, 'operator', $3) ON CONFLICT DO NOTHING`,
    values: [named, shard, JSON.stringify(body)],
  });
  return rowCount === 1;
}

/** One that the stream of notices has not acknowledged. */
export interface UnsentNotice {
  readonly id: string;
  readonly shard: string | null;
  readonly channel: NoticeChannel;
  readonly account: string | null;
  readonly body: unknown;
  /** How often it was tried, and how long ago (ms, the database's clock); null: never. */
  readonly attempts: number;
  readonly triedAgoMs: number | null;
  readonly openForMs: number;
  /** UTC ms, the database's clock. */
  readonly recordedAt: number;
}

interface Columns {
  id: string;
  shard: string | null;
  channel: NoticeChannel;
  account: string | null;
  body: unknown;
  attempts: number;
  tried_ago: string | null;
  open_for: string;
  recorded_at: Date;
}

const columns = `id, shard, channel, account, body, attempts, recorded_at,
  (extract(epoch FROM clock_timestamp() - tried_at) * 1000)::bigint AS tried_ago,
  (extract(epoch FROM clock_timestamp() - recorded_at) * 1000)::bigint AS open_for`;

const unsentOf = ({ tried_ago, open_for, recorded_at, ...row }: Columns): UnsentNotice => ({
  ...row,
  triedAgoMs: tried_ago === null ? null : count(tried_ago),
  openForMs: count(open_for),
  recordedAt: recorded_at.getTime(),
});

export const unsentMax = 1_000;

/** Recorded and not yet sent, oldest first; of one channel. */
export async function unsentNotices(db: Queryable, channel: NoticeChannel, limit = unsentMax): Promise<UnsentNotice[]> {
  const { rows } = await db.query<Columns>({
    name: "notices_unsent",
    text: `SELECT ${columns} FROM notice WHERE channel = $1 AND sent_at IS NULL ORDER BY recorded_at, id LIMIT $2`,
    values: [channel, Math.min(limit, unsentMax)],
  });
  if (rows.length > 0) await confirmReplicated(db);
  return rows.map(unsentOf);
}

/** How many of each channel wait, and for how long the oldest (ms). */
export async function noticesWaiting(
  db: Queryable,
): Promise<readonly { readonly channel: NoticeChannel; readonly waiting: number; readonly oldestMs: number }[]> {
  const { rows } = await db.query<{ channel: NoticeChannel; waiting: string; oldest: string }>({
    name: "notices_waiting",
    text: `SELECT channel, count(*) AS waiting,
        (extract(epoch FROM clock_timestamp() - min(recorded_at)) * 1000)::bigint AS oldest
      FROM notice WHERE sent_at IS NULL GROUP BY channel`,
  });
  return rows.map(({ channel, waiting, oldest }) => ({ channel, waiting: count(waiting), oldestMs: count(oldest) }));
}

/** Notes an attempt that failed. */
export async function markNoticeTried(db: Queryable, id: string): Promise<void> {
  await db.query({
    name: "notice_tried",
    text: `UPDATE notice SET attempts = attempts + 1, tried_at = clock_timestamp() WHERE id = $1 AND sent_at IS NULL`,
    values: [id],
  });
}

/** Notes that the stream has acknowledged them. Again: nothing. */
export async function markNoticesSent(db: Queryable, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await db.query({
    name: "notices_sent",
    text: `UPDATE notice SET attempts = attempts + 1, tried_at = clock_timestamp(), sent_at = clock_timestamp()
      WHERE id = ANY($1::text[]) AND sent_at IS NULL`,
    values: [textArray(ids)],
  });
}

/** Alarms raised, newest first: for people, and for tests. */
export async function readAlarms(db: Queryable, limit = unsentMax): Promise<(Alarm & { readonly sent: boolean })[]> {
  const { rows } = await db.query<{
    id: string;
    shard: string | null;
    body: Omit<Alarm, "id" | "shard">;
    sent: boolean;
  }>({
    text: `SELECT id, shard, body, sent_at IS NOT NULL AS sent FROM notice WHERE channel = 'operator'
        ORDER BY recorded_at DESC, id LIMIT $1`,
    values: [Math.min(limit, unsentMax)],
  });
  return rows.map(({ id, shard, body, sent }) => ({ id, shard, ...body, sent }));
}
