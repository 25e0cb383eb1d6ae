import { count } from "./database.ts";
import type { Queryable } from "./database.ts";

export type FillKind = "taker" | "maker" | "liquidation";

/** Fills of one account, instrument and kind on one day of UTC against the marks of their decisions. Amounts as text, USD. */
export interface SlippageRow {
  readonly shard: string;
  /** `2026-01-31`. */
  readonly day: string;
  readonly account: string;
  readonly instrument: string;
  readonly kind: FillKind;
  readonly fills: number;
  readonly notionalUsd: string;
  readonly costUsd: string;
  /** Largest share of the mark that a fill went against who traded. */
  readonly worst: string;
  /** Fills beyond the limit of the rules. */
  readonly beyond: number;
}

export const slippageRowsMax = 5_000;

/** Adds to what is kept; each account, instrument, kind and day once among the rows. */
export async function addSlippage(db: Queryable, rows: readonly SlippageRow[]): Promise<void> {
  if (rows.length === 0) return;
  if (rows.length > slippageRowsMax) throw new RangeError(`${rows.length} rows of slippage at once`);
  await db.query({
    name: "slippage_add",
    text: `INSERT INTO fill_slippage AS kept
        (shard, day, account, instrument, kind, fills, notional_usd, cost_usd, worst, beyond)
      SELECT row.* FROM jsonb_to_recordset($1::jsonb) AS row (shard text, day date, account text, instrument text, kind text,
        fills bigint, "notionalUsd" numeric, "costUsd" numeric, worst numeric, beyond bigint)
      ON CONFLICT (shard, day, account, instrument, kind) DO UPDATE SET fills = kept.fills + excluded.fills,
        notional_usd = kept.notional_usd + excluded.notional_usd, cost_usd = kept.cost_usd + excluded.cost_usd,
        worst = greatest(kept.worst, excluded.worst), beyond = kept.beyond + excluded.beyond`,
    values: [JSON.stringify(rows)],
  });
}

/** The fills of some days together. */
export interface SlippageSum extends Omit<SlippageRow, "shard" | "day"> {
  /** Cost over notional. */
  readonly average: string;
}

/** Accounts, instruments and kinds whose fills cost most in the last so many days, by the database's clock. */
export async function reviewSlippage(db: Queryable, days: number, limit: number): Promise<SlippageSum[]> {
  const { rows } = await db.query<{
    account: string;
    instrument: string;
    kind: FillKind;
    fills: string;
    notional_usd: string;
    cost_usd: string;
    worst: string;
    beyond: string;
    average: string;
  }>({
    text: `SELECT account, instrument, kind, sum(fills) AS fills, sum(notional_usd)::text AS notional_usd,
        sum(cost_usd)::text AS cost_usd, max(worst)::text AS worst, sum(beyond) AS beyond,
        trim_scale(round(coalesce(sum(cost_usd) / nullif(sum(notional_usd), 0), 0), 8))::text AS average
      FROM fill_slippage WHERE day > (clock_timestamp() AT TIME ZONE 'UTC')::date - $1::integer
      GROUP BY account, instrument, kind ORDER BY sum(cost_usd) DESC, account, instrument, kind LIMIT $2`,
    values: [days, limit],
  });
  return rows.map(({ fills, notional_usd, cost_usd, beyond, ...row }) => ({
    ...row,
    fills: count(fills),
    notionalUsd: notional_usd,
    costUsd: cost_usd,
    beyond: count(beyond),
  }));
}
