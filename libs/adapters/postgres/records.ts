import type { Fact } from "#libs/contracts/log.ts";
import type { DeadLetter, HaltRow, SagaRow } from "./batch.ts";
import { count, only } from "./database.ts";
import type { Queryable } from "./database.ts";

/** Facts of an account (or all: null) before one, newest first; `fill` facts are in the journal alone. */
export async function readFacts(
  db: Queryable,
  shard: string,
  options: {
    readonly account?: string;
    readonly fact?: string;
    readonly before?: number;
    readonly limit?: number;
  } = {},
): Promise<Fact[]> {
  const { rows } = await db.query<{ body: Fact }>({
    text: `SELECT body FROM fact WHERE shard = $1 AND ($2::text IS NULL OR account = $2) AND ($3::text IS NULL OR fact = $3)
      AND seq < $4 ORDER BY seq DESC LIMIT $5`,
    values: [
      shard,
      options.account ?? null,
      options.fact ?? null,
      options.before ?? Number.MAX_SAFE_INTEGER,
      Math.min(options.limit ?? pageMax, pageMax),
    ],
  });
  return rows.map((row) => row.body);
}

const pageMax = 1_000;

/** Facts whose field `saga` is this one, in order. */
export async function readFactsOfSaga(db: Queryable, shard: string, saga: string): Promise<Fact[]> {
  const { rows } = await db.query<{ body: Fact }>({
    text: "SELECT body FROM fact WHERE shard = $1 AND body ? 'saga' AND body ->> 'saga' = $2 ORDER BY seq LIMIT $3",
    values: [shard, saga, pageMax],
  });
  return rows.map((row) => row.body);
}

export async function readHalts(db: Queryable, shard: string): Promise<HaltRow[]> {
  const { rows } = await db.query<Omit<HaltRow, "since" | "until"> & { since: string; until: string | null }>({
    text: `SELECT scope, id, state, reason, manual, since, until FROM halt WHERE shard = $1 ORDER BY scope, id`,
    values: [shard],
  });
  return rows.map((row) => ({
    ...row,
    since: count(row.since),
    until: row.until === null ? null : count(row.until),
  }));
}

/** Sagas that have not ended, or the newest ones whether ended or not. */
export async function readSagas(
  db: Queryable,
  shard: string,
  options: { readonly open: boolean; readonly limit?: number },
): Promise<SagaRow[]> {
  const { rows } = await db.query<Omit<SagaRow, "startedAt"> & { started_at: string }>({
    text: `SELECT id, account, instrument, state, stage, step, started_at, ended, body FROM saga
      WHERE shard = $1 AND (NOT $2::boolean OR NOT ended) ORDER BY started_at DESC, id LIMIT $3`,
    values: [shard, options.open, Math.min(options.limit ?? pageMax, pageMax)],
  });
  return rows.map(({ started_at, ...row }) => ({ ...row, startedAt: count(started_at) }));
}

export async function readRuleVersion(
  db: Queryable,
  shard: string,
  version: number | null,
): Promise<{ readonly version: number; readonly t: number; readonly document: unknown } | null> {
  const { rows } = await db.query<{ version: string; t: string; document: unknown }>({
    text: `SELECT version, t, document FROM rule_version WHERE shard = $1 AND ($2::bigint IS NULL OR version = $2)
      ORDER BY version DESC LIMIT 1`,
    values: [shard, version],
  });
  const row = rows[0];
  return row === undefined ? null : { version: count(row.version), t: count(row.t), document: row.document };
}

/** One that no batch carries: of another border than the log. */
export async function insertDeadLetter(db: Queryable, shard: string | null, letter: DeadLetter): Promise<void> {
  await db.query({
    name: "dead_letter_insert",
    text: `INSERT INTO dead_letter (shard, border, code, what, payload, subject, log_seq, source, source_seq)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    values: [
      shard,
      letter.border,
      letter.code,
      letter.what,
      Buffer.from(letter.payload),
      letter.subject ?? null,
      letter.logSeq ?? null,
      letter.source ?? null,
      letter.sourceSeq ?? null,
    ],
  });
}

/** What is told to the outside, once per shard, fact and channel. */
export interface Notice {
  readonly shard: string;
  readonly factSeq: number;
  readonly channel: string;
  readonly account: string;
  readonly body: unknown;
}

/** True: it is new and is to be sent; false: it has been recorded before. */
export async function recordNotice(db: Queryable, notice: Notice): Promise<boolean> {
  const { rowCount } = await db.query({
    name: "notice_record",
    text: `INSERT INTO notice (shard, fact_seq, channel, account, body) VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT DO NOTHING`,
    values: [notice.shard, notice.factSeq, notice.channel, notice.account, JSON.stringify(notice.body)],
  });
  return rowCount === 1;
}

export async function markNoticeSent(
  db: Queryable,
  notice: Pick<Notice, "shard" | "factSeq" | "channel">,
): Promise<void> {
  await db.query({
    name: "notice_sent",
    text: `UPDATE notice SET sent_at = clock_timestamp(), attempts = attempts + 1
      WHERE shard = $1 AND fact_seq = $2 AND channel = $3`,
    values: [notice.shard, notice.factSeq, notice.channel],
  });
}

/** Recorded and not yet sent, oldest first. */
export async function unsentNotices(db: Queryable, limit = pageMax): Promise<Notice[]> {
  const { rows } = await db.query<Omit<Notice, "factSeq"> & { fact_seq: string }>({
    name: "notice_unsent",
    text: `SELECT shard, fact_seq, channel, account, body FROM notice WHERE sent_at IS NULL ORDER BY recorded_at LIMIT $1`,
    values: [Math.min(limit, pageMax)],
  });
  return rows.map(({ fact_seq, ...row }) => ({ ...row, factSeq: count(fact_seq) }));
}

export interface Reconciliation {
  readonly shard: string;
  /** What was compared: `memory`, `ledger`, `venue`. */
  readonly kind: string;
  readonly appliedSeq: number;
  readonly compared: number;
  readonly differences: readonly string[];
}

export async function recordReconciliation(db: Queryable, run: Reconciliation): Promise<void> {
  await db.query({
    name: "reconciliation_record",
    text: `INSERT INTO reconciliation (shard, kind, applied_seq, compared, differing, differences)
      VALUES ($1, $2, $3, $4, $5, $6)`,
    values: [
      run.shard,
      run.kind,
      run.appliedSeq,
      run.compared,
      run.differences.length,
      JSON.stringify(run.differences),
    ],
  });
}

/** Newest first; `at`: UTC ms, the database's clock. */
export async function readReconciliations(
  db: Queryable,
  shard: string,
  limit = 20,
): Promise<(Reconciliation & { readonly at: number })[]> {
  const { rows } = await db.query<Omit<Reconciliation, "appliedSeq"> & { applied_seq: string; at: Date }>({
    text: `SELECT shard, kind, applied_seq, compared, differences, at FROM reconciliation
      WHERE shard = $1 ORDER BY id DESC LIMIT $2`,
    values: [shard, Math.min(limit, pageMax)],
  });
  return rows.map(({ applied_seq, compared, at, ...row }) => ({
    ...row,
    compared: count(compared),
    appliedSeq: count(applied_seq),
    at: at.getTime(),
  }));
}

export type PrunedTable = "notice" | "reconciliation" | "dead_letter";

const ageColumn = { notice: "recorded_at", reconciliation: "at", dead_letter: "recorded_at" } as const;

/** Removes what is older; returns how many, at most `limit`: call it again while it returns that. */
export async function pruneRecords(
  db: Queryable,
  table: PrunedTable,
  olderThanMs: number,
  limit = 10_000,
): Promise<number> {
  const result = await db.query<{ pruned: string }>({
    text: `WITH gone AS (DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table}
        WHERE ${ageColumn[table]} < clock_timestamp() - $1 * interval '1 ms' LIMIT $2)) RETURNING 1)
      SELECT count(*) AS pruned FROM gone`,
    values: [olderThanMs, limit],
  });
  return count(only(result).pruned);
}
