import { count, only } from "./database.ts";
import type { Database, Queryable } from "./database.ts";
import { plain } from "./accounts.ts";

/** Σ of all legs of one account. `instrument` is "" for legs without one. */
export interface LedgerSum {
  readonly account: string;
  readonly asset: string;
  readonly leg: string;
  readonly instrument: string;
  readonly amount: string;
  readonly legs: number;
}

export interface LedgerCheck {
  readonly shard: string;
  /** As of this position; legs up to this entry are in the checkpoint now. */
  readonly appliedSeq: number;
  readonly entry: number;
  /** Legs added to the checkpoint by this run. */
  readonly added: number;
  readonly compared: number;
  readonly differences: readonly string[];
}

export const differencesMax = 100;
/** A checkpoint over very many legs takes longer than an ordinary statement may. */
const checkMs = 120_000;

/**
 * Adds the legs since the last run to the checkpoint's sums, then compares these with what the tables say, all in one snapshot:
 * Σ cash legs = balance, Σ margin legs = a position's margin, Σ cost legs = − its cost, Σ of all legs per asset = 0. Only new
 * legs are read. `rounding` may differ by less than 1e-18 per leg.
 */
export async function checkLedger(db: Database, shard: string): Promise<LedgerCheck> {
  return db.transaction(async (client) => {
    await client.query({ text: `SET LOCAL statement_timeout = ${checkMs}` });
    const added = await client.query<{ added: string; entry: string; applied_seq: string }>({
      text: "SELECT added, entry, applied_seq FROM advance_ledger_checkpoint($1)",
      values: [shard],
    });
    const row = only(added);
    const found = await client.query<{ compared: string; what: string | null }>({
      text: "SELECT compared, what FROM ledger_differences($1, $2)",
      values: [shard, differencesMax],
    });
    return {
      shard,
      appliedSeq: count(row.applied_seq),
      entry: count(row.entry),
      added: count(row.added),
      compared: count(found.rows[0]?.compared ?? 0),
      differences: found.rows.flatMap(({ what }) => (what === null ? [] : [what])),
    };
  }, "repeatable read");
}

/** The sums of some accounts (ids from, to: both included) as of the checkpoint. */
export async function ledgerSums(
  db: Queryable,
  shard: string,
  range: { readonly from: string; readonly to: string },
): Promise<{ readonly entry: number; readonly sums: readonly LedgerSum[] }> {
  const { rows } = await db.query<Omit<LedgerSum, "legs"> & { legs: string; entry: string }>({
    text: `SELECT sum.account, sum.asset, sum.leg, sum.instrument, sum.amount, sum.legs, point.entry
      FROM ledger_checkpoint AS point JOIN ledger_checkpoint_sum AS sum USING (shard)
      WHERE shard = $1 AND account >= $2 AND account <= $3 ORDER BY account, asset, leg, instrument`,
    values: [shard, range.from, range.to],
  });
  const sums = rows.map(({ account, asset, leg, instrument, amount, legs }) => {
    return { account, asset, leg, instrument, amount: plain(amount), legs: count(legs) };
  });
  return { entry: count(rows[0]?.entry ?? 0), sums };
}

/** Σ of the legs of some accounts (above `after`, up to `upTo`) up to an entry, read from the legs themselves. */
export async function sumLegs(
  db: Queryable,
  shard: string,
  range: { readonly after: string; readonly upTo: string; readonly entry: number },
): Promise<LedgerSum[]> {
  const { rows } = await db.query<Omit<LedgerSum, "legs"> & { legs: string }>({
    name: "ledger_leg_sums",
    text: `SELECT account, asset, leg, coalesce(instrument, '') AS instrument, sum(amount) AS amount, count(*) AS legs
      FROM ledger_leg WHERE shard = $1 AND account > $2 AND account <= $3 AND entry <= $4 GROUP BY 1, 2, 3, 4`,
    values: [shard, range.after, range.upTo, range.entry],
  });
  return rows.map((row) => ({ ...row, amount: plain(row.amount), legs: count(row.legs) }));
}

export interface LedgerLine {
  readonly shard: string;
  readonly entry: number;
  readonly number: number;
  readonly kind: string;
  /** UTC ms, the log's time of the batch that booked it. */
  readonly t: number;
  readonly account: string;
  readonly asset: string;
  readonly leg: string;
  readonly instrument: string | null;
  readonly amount: string;
}

export const ledgerPageMax = 1_000;

/** What was booked on an account before an entry (null: up to now), newest first. */
export async function ledgerOfAccount(
  db: Queryable,
  shard: string,
  account: string,
  page: { readonly before: number | null; readonly limit: number },
): Promise<LedgerLine[]> {
  const { rows } = await db.query<Omit<LedgerLine, "entry" | "t"> & { entry: string; t: string }>({
    name: "ledger_of_account",
    text: `SELECT shard, entry, number, kind, t, account, asset, leg, instrument, amount
      FROM ledger_leg AS line JOIN ledger_transaction USING (shard, entry, number)
      WHERE account = $2 AND shard = $1 AND entry < $3 ORDER BY entry DESC, number DESC LIMIT $4`,
    values: [shard, account, page.before ?? Number.MAX_SAFE_INTEGER, Math.min(page.limit, ledgerPageMax)],
  });
  return rows.map((row) => ({ ...row, entry: count(row.entry), t: count(row.t), amount: plain(row.amount) }));
}
