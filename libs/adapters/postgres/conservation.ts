import { count } from "./database.ts";
import type { Database } from "./database.ts";
import { differencesMax } from "./ledger.ts";

export interface ConservationCheck {
  readonly compared: number;
  /** Wrong whenever it is seen. */
  readonly differences: readonly string[];
  /** What `clearing` holds over all shards: wrong where it lasts, because shards need not be at the same trade. */
  readonly clearing: readonly string[];
}

/** Checkpoints of many legs take longer than an ordinary statement may. */
const checkMs = 120_000;

/**
 * Over all shards together, in one snapshot of the database: per asset, balances and isolated margins less costs, with accrued funding,
 * are what was deposited less what was withdrawn (INV-01); per instrument, long contracts are short contracts (INV-02); and
 * `clearing` holds nothing. Adds the legs since the last run to the checkpoints, as `checkLedger` does.
 */
export async function checkConservation(db: Database, shards: readonly string[]): Promise<ConservationCheck> {
  return db.transaction(async (client) => {
    await client.query({ text: `SET LOCAL statement_timeout = ${checkMs}` });
    const known = await client.query<{ id: string }>({
      text: "SELECT id FROM shard WHERE id = ANY ($1::text[]) ORDER BY id",
      values: [[...shards]],
    });
    const ids = known.rows.map(({ id }) => id);
    for (const id of ids) await client.query({ text: "SELECT advance_ledger_checkpoint($1)", values: [id] });
    const { rows } = await client.query<{ compared: string; standing: boolean; what: string | null }>({
      text: "SELECT compared, standing, what FROM conservation_differences($1::text[], $2)",
      values: [ids, differencesMax],
    });
    const said = (standing: boolean): string[] =>
      rows.flatMap((row) => (row.what !== null && row.standing === standing ? [row.what] : []));
    return { compared: count(rows[0]?.compared ?? 0), differences: said(false), clearing: said(true) };
  }, "repeatable read");
}
