import type { SagaRow } from "./batch.ts";
import { count } from "./database.ts";
import type { Queryable } from "./database.ts";

/** A liquidation of some shard as its row stands, without its body. */
export interface SagaOfShard extends Omit<SagaRow, "body"> {
  readonly shard: string;
}

/** How one ended. */
export interface SagaEnd {
  readonly outcome: string;
  /** The last stage that it entered. */
  readonly stage: number;
  /** UTC ms, the log's time. */
  readonly endedAt: number;
  /** The fact that says so. */
  readonly seq: number;
  /** What funds paid for it, USD at the index of each payment; decimal. */
  readonly fundUsd: string;
}

/** Where a page begins: behind this one in the list's own order. `key`: a saga of those that run, a fact of those that ended. */
export interface SagaPlace {
  readonly t: number;
  readonly shard: string;
  readonly key: string;
}

interface Page {
  readonly shards: readonly string[];
  readonly account: string | null;
  readonly stage: number | null;
  readonly before: SagaPlace | null;
  readonly limit: number;
}

interface Columns {
  shard: string;
  id: string;
  account: string;
  instrument: string | null;
  state: string;
  stage: number;
  step: number;
  started_at: string;
  ended: boolean;
}

const rowOf = (row: Columns): SagaOfShard => ({
  shard: row.shard,
  id: row.id,
  account: row.account,
  instrument: row.instrument,
  state: row.state,
  stage: row.stage,
  step: row.step,
  startedAt: count(row.started_at),
  ended: row.ended,
});

/** Those that run, the newest first. */
export async function runningSagas(db: Queryable, page: Page): Promise<SagaOfShard[]> {
  const { shards, account, stage, before, limit } = page;
  const { rows } = await db.query<Columns>({
    text: `SELECT shard, id, account, instrument, state, stage, step, started_at, ended FROM saga
      WHERE NOT ended AND shard = ANY ($1) AND ($2::text IS NULL OR account = $2) AND ($3::integer IS NULL OR stage = $3)
        AND ($4::bigint IS NULL OR (started_at, shard, id) < ($4, $5, $6))
      ORDER BY started_at DESC, shard DESC, id DESC LIMIT $7`,
    values: [shards, account, stage, before?.t ?? null, before?.shard ?? null, before?.key ?? null, limit],
  });
  return rows.map(rowOf);
}

interface EndColumns extends Columns {
  end_seq: string;
  end_t: string;
  outcome: string;
  fund_usd: string;
  end_stage: number;
}

/**
 * A statement's columns for an `ended` fact beside its saga. An array, since LIMIT 1 tempts the planner to search all facts by number; and the
 * fact's own text, since a saga's id has another collation than the index of facts by saga.
 */
const endColumns = `saga.shard, saga.id, saga.account, saga.instrument, saga.state, saga.stage, saga.step, saga.started_at, saga.ended,
  ended.seq AS end_seq, ended.t AS end_t, ended.body ->> 'outcome' AS outcome, ended.body ->> 'fundUsd' AS fund_usd,
  coalesce((SELECT (array_agg((body ->> 'stage')::integer ORDER BY seq DESC))[1] FROM fact
    WHERE shard = ended.shard AND body ? 'saga' AND body ->> 'saga' = ended.body ->> 'saga' AND fact = 'liquidation.stage'), 1)
    AS end_stage`;

const endOf = (row: EndColumns): SagaOfShard & { readonly end: SagaEnd } => ({
  ...rowOf(row),
  end: {
    outcome: row.outcome,
    stage: row.end_stage,
    endedAt: count(row.end_t),
    seq: count(row.end_seq),
    fundUsd: row.fund_usd,
  },
});

/** Those that ended, the newest end first; of every stage, since that is known by looking at each. */
export async function endedSagas(
  db: Queryable,
  page: Omit<Page, "stage"> & { readonly outcome: string | null },
): Promise<(SagaOfShard & { readonly end: SagaEnd })[]> {
  const { shards, account, outcome, before, limit } = page;
  const { rows } = await db.query<EndColumns>({
    text: `SELECT ${endColumns} FROM (
        SELECT shard, seq, t, body FROM fact WHERE fact = 'liquidation.ended' AND shard = ANY ($1)
          AND ($2::text IS NULL OR account = $2) AND ($3::text IS NULL OR body ->> 'outcome' = $3)
          AND ($4::bigint IS NULL OR (t, shard, seq) < ($4, $5, $6::bigint))
        ORDER BY t DESC, shard DESC, seq DESC LIMIT $7) AS ended
      JOIN saga ON saga.shard = ended.shard AND saga.id = ended.body ->> 'saga'
      ORDER BY ended.t DESC, ended.shard DESC, ended.seq DESC`,
    values: [shards, account, outcome, before?.t ?? null, before?.shard ?? null, before?.key ?? null, limit],
  });
  return rows.map(endOf);
}

/** How one liquidation ended; null: it runs, or what was said of it is not kept any more. */
export async function endOfSaga(db: Queryable, shard: string, id: string): Promise<SagaEnd | null> {
  const { rows } = await db.query<EndColumns>({
    text: `SELECT ${endColumns} FROM fact AS ended JOIN saga ON saga.shard = ended.shard AND saga.id = $2
      WHERE ended.shard = $1 AND ended.body ? 'saga' AND ended.body ->> 'saga' = $2 AND ended.fact = 'liquidation.ended'`,
    values: [shard, id],
  });
  return rows[0] === undefined ? null : endOf(rows[0]).end;
}

/** What the facts of one name, instrument and asset of a saga come to; decimal. */
export interface SagaSum {
  readonly saga: string;
  readonly fact: string;
  readonly instrument: string | null;
  readonly asset: string | null;
  /** Σ quantity · price, exact, and Σ quantity / price, each rounded, in units of 1e-36: of one the contract's kind makes the notional. */
  readonly products: string;
  readonly quotients: string;
  readonly notional: string;
  readonly realised: string;
  readonly amount: string;
  readonly taker: string;
  readonly liquidation: string;
}

/** The facts by which money moves in a liquidation. */
const moneyFacts = [
  "liquidation.step",
  "adl.filled",
  "liquidation.fees",
  "insurance.paid",
  "loss.shared",
  "debt.parked",
];

/** The money of liquidations of a shard, summed by the database. */
export async function sumsOfSagas(db: Queryable, shard: string, ids: readonly string[]): Promise<SagaSum[]> {
  const sum = (field: string): string =>
    `trim_scale(coalesce(sum((body ->> '${field}')::numeric), 0))::text AS ${field}`;
  const traded = (by: string): string =>
    `trunc(coalesce(sum(round((body ->> 'qty')::numeric, 36) ${by}), 0) * 1e36)::text`;
  const { rows } = await db.query<SagaSum & Record<string, unknown>>({
    text: `SELECT body ->> 'saga' AS saga, fact, body ->> 'instrument' AS instrument, body ->> 'asset' AS asset,
        ${traded("* (body ->> 'price')::numeric")} AS products, ${traded("/ nullif((body ->> 'price')::numeric, 0)")} AS quotients,
        ${["notional", "realised", "amount", "taker", "liquidation"].map(sum).join(", ")}
      FROM fact WHERE shard = $1 AND body ? 'saga' AND body ->> 'saga' = ANY ($2) AND fact = ANY ($3)
      GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`,
    values: [shard, ids, moneyFacts],
  });
  return rows;
}

/** An instrument as the newest rules that list it have it; null: none ever did. */
export async function lastTermsOf(db: Queryable, shard: string, instrument: string): Promise<unknown> {
  const { rows } = await db.query<{ terms: unknown }>({
    text: `SELECT terms FROM rule_version, jsonb_array_elements(document -> 'instruments') AS terms
      WHERE shard = $1 AND terms ->> 'id' = $2 ORDER BY version DESC LIMIT 1`,
    values: [shard, instrument],
  });
  return rows[0]?.terms ?? null;
}
