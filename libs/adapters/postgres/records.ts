import type { Effect, Fact } from "#libs/contracts/log.ts";
import type { DeadLetter, HaltRow, SagaRow } from "./batch.ts";
import { count, only } from "./database.ts";
import type { Queryable } from "./database.ts";
import { readSourceSeqs } from "./shard.ts";

/** Facts of an account (or all: null) before one, newest first; `fill` facts are in the journal alone. */
export async function readFacts(
  db: Queryable,
  shard: string,
  options: {
    readonly account?: string;
    readonly fact?: string;
    /** Of these names alone. */
    readonly facts?: readonly string[];
    readonly before?: number;
    readonly limit?: number;
  } = {},
): Promise<Fact[]> {
  const { rows } = await db.query<{ body: Fact }>({
    text: `SELECT body FROM fact WHERE shard = $1 AND ($2::text IS NULL OR account = $2) AND ($3::text IS NULL OR fact = $3)
      AND ($6::text[] IS NULL OR fact = ANY ($6)) AND seq < $4 ORDER BY seq DESC LIMIT $5`,
    values: [
      shard,
      options.account ?? null,
      options.fact ?? null,
      options.before ?? Number.MAX_SAFE_INTEGER,
      Math.min(options.limit ?? pageMax, pageMax),
      options.facts ?? null,
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

export async function readSaga(db: Queryable, shard: string, id: string): Promise<SagaRow | null> {
  const { rows } = await db.query<Omit<SagaRow, "startedAt"> & { started_at: string }>({
    text: `SELECT id, account, instrument, state, stage, step, started_at, ended, body FROM saga WHERE shard = $1 AND id = $2`,
    values: [shard, id],
  });
  const row = rows[0];
  if (row === undefined) return null;
  const { started_at, ...saga } = row;
  return { ...saga, startedAt: count(started_at) };
}

/** Newest first. */
export async function listRuleVersions(
  db: Queryable,
  shard: string,
  limit: number,
): Promise<{ readonly version: number; readonly t: number }[]> {
  const { rows } = await db.query<{ version: string; t: string }>({
    text: "SELECT version, t FROM rule_version WHERE shard = $1 ORDER BY version DESC LIMIT $2",
    values: [shard, Math.min(limit, pageMax)],
  });
  return rows.map(({ version, t }) => ({ version: count(version), t: count(t) }));
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

/** Everything of a shard that is open or in force, without limit: for a comparison, not for a page. */
export interface EveryRecord {
  readonly sagas: readonly Omit<SagaRow, "body">[];
  readonly effects: readonly Effect[];
  readonly sources: ReadonlyMap<string, number>;
  readonly halts: readonly HaltRow[];
  readonly rules: readonly { readonly version: number; readonly document: unknown }[];
}

export async function readEveryRecord(db: Queryable, shard: string): Promise<EveryRecord> {
  const sagas = await db.query<Omit<SagaRow, "startedAt" | "body"> & { started_at: string }>({
    text: `SELECT id, account, instrument, state, stage, step, started_at, ended FROM saga WHERE shard = $1 AND NOT ended`,
    values: [shard],
  });
  const effects = await db.query<{ body: Effect }>({
    text: "SELECT body - 'trace' AS body FROM effect WHERE shard = $1 AND answered_seq IS NULL",
    values: [shard],
  });
  const rules = await db.query<{ version: string; document: unknown }>({
    text: "SELECT version, document FROM rule_version WHERE shard = $1",
    values: [shard],
  });
  return {
    sagas: sagas.rows.map(({ started_at, ...row }) => ({ ...row, startedAt: count(started_at) })),
    effects: effects.rows.map((row) => row.body),
    sources: await readSourceSeqs(db, shard),
    halts: await readHalts(db, shard),
    rules: rules.rows.map(({ version, document }) => ({ version: count(version), document })),
  };
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

export interface Reconciliation {
  readonly shard: string;
  /** What was compared: `memory`, `ledger`, `venue` … */
  readonly kind: string;
  readonly appliedSeq: number;
  readonly compared: number;
  readonly differences: readonly string[];
}

/** Its number, and how many differences the run of the same kind and shard before it had found; null: it is the first. */
export interface RecordedRun {
  readonly run: number;
  readonly before: number | null;
}

export async function recordReconciliation(db: Queryable, run: Reconciliation): Promise<RecordedRun> {
  const result = await db.query<{ run: string; before: number | null }>({
    name: "reconciliation_record",
    text: `INSERT INTO reconciliation (shard, kind, applied_seq, compared, differing, differences)
      VALUES ($1, $2, $3, $4, $5, $6) RETURNING id AS run,
        (SELECT differing FROM reconciliation WHERE shard = $1 AND kind = $2 ORDER BY id DESC LIMIT 1) AS before`,
    values: [
      run.shard,
      run.kind,
      run.appliedSeq,
      run.compared,
      run.differences.length,
      JSON.stringify(run.differences),
    ],
  });
  const row = only(result);
  return { run: count(row.run), before: row.before };
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

export type PrunedTable = keyof typeof prunable;

/** What is past its age and needs nothing more: notices that were not sent and calls without an outcome are kept. */
const prunable = {
  notice: "sent_at",
  reconciliation: "at",
  dead_letter: "recorded_at",
  provider_call: "answered_at",
  fill_slippage: "day",
  alert_delivery: "ended_at",
  entity_evidence: "to_timestamp(last_seen / 1000.0)",
} as const;

/** Removes what is older; returns how many, at most `limit`: call it again while it returns that. */
export async function pruneRecords(
  db: Queryable,
  table: PrunedTable,
  olderThanMs: number,
  limit = 10_000,
): Promise<number> {
  const result = await db.query<{ pruned: string }>({
    text: `WITH gone AS (DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table}
        WHERE ${prunable[table]} < clock_timestamp() - $1 * interval '1 ms' LIMIT $2)) RETURNING 1)
      SELECT count(*) AS pruned FROM gone`,
    values: [olderThanMs, limit],
  });
  return count(only(result).pruned);
}
