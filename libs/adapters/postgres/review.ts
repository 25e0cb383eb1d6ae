import { count, only } from "./database.ts";
import type { Queryable } from "./database.ts";

/** What the gate decided in a span of days. */
export interface ReviewTotals {
  readonly accepted: number;
  readonly rejected: number;
  readonly accounts: number;
}

/** A reason of refusal over a span of days. */
export interface ReviewedCode {
  readonly code: string;
  readonly decisions: number;
  readonly accounts: number;
  /** Refused for this alone, by not more than a twentieth of its bound. */
  readonly near: number;
  /** Refused, and an order at least as large of the same account, instrument and side passed within a minute. */
  readonly passedSoon: number;
  /** Newest requests that were near or passed soon, for `explain`. */
  readonly candidates: readonly string[];
}

export interface ShadowedCode {
  readonly code: string;
  readonly decisions: number;
  readonly accounts: number;
}

const nearShare = "0.05";
const soonMs = 60_000;
const candidatesMost = 3;

/** Decisions recorded in the last so many days, by the database's clock. */
const recent = "recorded_at >= clock_timestamp() - $1 * interval '1 day'";

export async function reviewTotals(db: Queryable, days: number): Promise<ReviewTotals> {
  const result = await db.query<{ accepted: string; rejected: string; accounts: string }>({
    text: `SELECT count(*) FILTER (WHERE accepted) AS accepted, count(*) FILTER (WHERE NOT accepted) AS rejected,
      count(DISTINCT account) AS accounts FROM gate_decision WHERE ${recent}`,
    values: [days],
  });
  const { accepted, rejected, accounts } = only(result);
  return { accepted: count(accepted), rejected: count(rejected), accounts: count(accounts) };
}

/**
 * The reasons that refused most, with those refusals that may have been in vain. A number counts where it is one: some bounds are
 * states. One pass over the days, sorted once by account, instrument and side.
 */
export async function reviewCodes(db: Queryable, days: number, limit: number): Promise<ReviewedCode[]> {
  const { rows } = await db.query<{
    code: string;
    decisions: string;
    accounts: string;
    near: string;
    soon: string;
    candidates: string[] | null;
  }>({
    text: `WITH seen AS (
        SELECT recorded_at, request, account, accepted, codes, body -> 'answer' -> 'numbers' AS numbers,
          lead(accepted) OVER next AS next_accepted, lead(recorded_at) OVER next AS next_at,
          (body #>> '{asked,order,qty}')::numeric AS qty, lead((body #>> '{asked,order,qty}')::numeric) OVER next AS next_qty
        FROM gate_decision WHERE ${recent} AND verb = 'check'
        WINDOW next AS (PARTITION BY shard, account, body #>> '{asked,order,instrument}', body #>> '{asked,order,side}'
          ORDER BY recorded_at, request)
      ), refused AS (
        SELECT recorded_at, request, account, code, codes = code AND coalesce(CASE
            WHEN concat(numbers #>> ARRAY[code, 'value'], ' ', numbers #>> ARRAY[code, 'bound'])
              ~ '^-?[0-9]+(\\.[0-9]+)? -?[0-9]+(\\.[0-9]+)?$'
            THEN abs((numbers #>> ARRAY[code, 'value'])::numeric - (numbers #>> ARRAY[code, 'bound'])::numeric)
              <= ${nearShare} * abs((numbers #>> ARRAY[code, 'bound'])::numeric)
          END, false) AS near,
          coalesce(next_accepted AND next_qty >= qty AND next_at <= recorded_at + $3 * interval '1 ms', false) AS soon
        FROM seen, unnest(string_to_array(codes, ',')) AS code WHERE NOT accepted
      ), others AS (
        SELECT account, code FROM gate_decision, unnest(string_to_array(codes, ',')) AS code
        WHERE ${recent} AND verb <> 'check' AND NOT accepted
      ), counted AS (
        SELECT code, count(*) FILTER (WHERE near) AS near, count(*) FILTER (WHERE soon) AS soon,
          (array_agg(request ORDER BY recorded_at DESC) FILTER (WHERE near OR soon))[1:${candidatesMost}] AS candidates
        FROM refused GROUP BY code
      )
      SELECT code, count(*) AS decisions, count(DISTINCT account) AS accounts, coalesce(max(near), 0) AS near,
        coalesce(max(soon), 0) AS soon, max(candidates) AS candidates
      FROM (SELECT account, code FROM refused UNION ALL SELECT account, code FROM others) AS every
        LEFT JOIN counted USING (code)
      GROUP BY code ORDER BY decisions DESC, code LIMIT $2`,
    values: [days, limit, soonMs],
  });
  return rows.map(({ code, decisions, accounts, near, soon, candidates }) => ({
    code,
    decisions: count(decisions),
    accounts: count(accounts),
    near: count(near),
    passedSoon: count(soon),
    candidates: candidates ?? [],
  }));
}

/** Checks in shadow that would have refused. */
export async function reviewShadow(db: Queryable, days: number, limit: number): Promise<ShadowedCode[]> {
  const { rows } = await db.query<{ code: string; decisions: string; accounts: string }>({
    text: `SELECT code, count(*) AS decisions, count(DISTINCT account) AS accounts
      FROM gate_decision, jsonb_array_elements_text(body -> 'answer' -> 'shadow') AS code
      WHERE ${recent} AND jsonb_typeof(body -> 'answer' -> 'shadow') = 'array'
      GROUP BY code ORDER BY decisions DESC, code LIMIT $2`,
    values: [days, limit],
  });
  return rows.map(({ code, decisions, accounts }) => ({
    code,
    decisions: count(decisions),
    accounts: count(accounts),
  }));
}

/** The fullest that decisions found a window of velocity: its name, orders, and their value in 1e-8 USD. */
export interface ReviewedWindow {
  readonly shard: string;
  readonly window: string;
  readonly orders: bigint;
  readonly valueUsd: bigint;
}

/** Windows with most orders first, at most so many. */
const windowsMost = 50_000;

export async function reviewWindows(db: Queryable, days: number): Promise<ReviewedWindow[]> {
  const { rows } = await db.query<{ shard: string; name: string; orders: string; value: string }>({
    text: `SELECT shard, seen.key AS name, max((seen.value ->> 0)::numeric) AS orders, max((seen.value ->> 1)::numeric) AS value
      FROM gate_decision, jsonb_each(body #> '{overlay,rates}') AS seen
      WHERE ${recent} AND jsonb_typeof(body #> '{overlay,rates}') = 'object'
      GROUP BY shard, seen.key ORDER BY orders DESC, shard, name LIMIT $2`,
    values: [days, windowsMost],
  });
  return rows.map(({ shard, name, orders, value }) => ({
    shard,
    window: name,
    orders: BigInt(orders),
    valueUsd: BigInt(value),
  }));
}
