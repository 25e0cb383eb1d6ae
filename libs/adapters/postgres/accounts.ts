import type { BalanceRow, PositionRow } from "./batch.ts";
import { count, only } from "./database.ts";
import type { Database, Queryable } from "./database.ts";

/** Rows of some accounts, all as of one log position. */
export interface AccountRows {
  readonly appliedSeq: number;
  readonly entries: number;
  /** The accounts looked at, in order of their ids' characters. */
  readonly accounts: readonly string[];
  /** By account, then asset or instrument. */
  readonly balances: readonly BalanceRow[];
  readonly positions: readonly PositionRow[];
  /** The next call's `after`; null: that was the last account. */
  readonly next: string | null;
}

export const accountPageMax = 5_000;

/** Balances and positions of the next accounts after one (null: from the first), read in one snapshot of the database. */
export async function readAccounts(
  db: Database,
  shard: string,
  range: { readonly after: string | null; readonly limit: number },
): Promise<AccountRows> {
  const limit = Math.min(range.limit, accountPageMax);
  return db.transaction(async (client) => {
    const place = await client.query<{ applied_seq: string; entries: string }>({
      text: "SELECT applied_seq, entries FROM shard WHERE id = $1",
      values: [shard],
    });
    const { applied_seq, entries } = only(place);
    const found = await client.query<{ account: string }>({
      text: `SELECT account FROM (
          (SELECT DISTINCT account FROM balance WHERE shard = $1 AND account > $2 ORDER BY account LIMIT $3)
          UNION (SELECT DISTINCT account FROM position WHERE shard = $1 AND account > $2 ORDER BY account LIMIT $3)
        ) AS known ORDER BY account LIMIT $3`,
      values: [shard, range.after ?? "", limit],
    });
    const accounts = found.rows.map((row) => row.account);
    const between = { from: accounts[0] ?? "", to: accounts.at(-1) ?? "" };
    return {
      appliedSeq: count(applied_seq),
      entries: count(entries),
      accounts,
      balances: await readBalances(client, shard, between),
      positions: await readPositions(client, shard, between),
      next: accounts.length < limit ? null : between.to,
    };
  }, "repeatable read read only");
}

/** Accounts that hold or held something, of all shards, by id after one; `among`: of these alone, null: all. System accounts are none. */
export async function listAccounts(
  db: Queryable,
  page: { readonly after: string; readonly limit: number; readonly among: readonly string[] | null },
): Promise<{ readonly account: string; readonly shard: string }[]> {
  const { rows } = await db.query<{ account: string; shard: string }>({
    text: `SELECT account, min(shard) AS shard FROM (
        (SELECT DISTINCT account, shard FROM balance WHERE account > $1 AND ($3::text[] IS NULL OR account = ANY ($3))
          AND account <> ALL ($4) ORDER BY account LIMIT $2)
        UNION (SELECT DISTINCT account, shard FROM position WHERE account > $1 AND ($3::text[] IS NULL OR account = ANY ($3))
          AND account <> ALL ($4) ORDER BY account LIMIT $2)
      ) AS known GROUP BY account ORDER BY account LIMIT $2`,
    values: [page.after, page.limit, page.among, systemAccounts],
  });
  return rows;
}

const systemAccounts = ["insurance", "fees", "house", "rounding", "bad_debt", "clearing", "market"];

/** Account ids, both included. */
export interface AccountRange {
  readonly from: string;
  readonly to: string;
}

export async function readBalances(db: Queryable, shard: string, range: AccountRange): Promise<BalanceRow[]> {
  const { rows } = await db.query<BalanceRow & Record<string, unknown>>({
    name: "balances",
    text: `SELECT account, asset, amount FROM balance
      WHERE shard = $1 AND account >= $2 AND account <= $3 ORDER BY account, asset`,
    values: [shard, range.from, range.to],
  });
  return rows.map(({ account, asset, amount }) => ({ account, asset, amount: plain(amount) }));
}

interface PositionColumns {
  account: string;
  instrument: string;
  qty: string;
  cost: string;
  margin: string;
  mode: "cross" | "isolated";
  leverage: string | null;
  funding_epoch: string;
}

export async function readPositions(db: Queryable, shard: string, range: AccountRange): Promise<PositionRow[]> {
  const { rows } = await db.query<PositionColumns>({
    name: "positions",
    text: `SELECT account, instrument, qty, cost, margin, mode, leverage, funding_epoch FROM position
      WHERE shard = $1 AND account >= $2 AND account <= $3 ORDER BY account, instrument`,
    values: [shard, range.from, range.to],
  });
  return rows.map(({ funding_epoch, qty, cost, margin, leverage, ...row }) => ({
    ...row,
    qty: plain(qty),
    cost: plain(cost),
    margin: plain(margin),
    leverage: leverage === null ? null : plain(leverage),
    fundingEpoch: count(funding_epoch),
  }));
}

/** A numeric as amounts are written: no zeros at the end of the fraction. */
export const plain = (amount: string): string => (amount.includes(".") ? amount.replace(/\.?0+$/, "") : amount);
