import { count, only } from "./database.ts";
import type { Queryable } from "./database.ts";

/** Room for about an hour at ten thousand entries a second. */
export const aheadEntriesDefault = 40_000_000;

/**
 * Makes the partitions that will be needed: those of entries and facts up to `aheadEntries` beyond the furthest shard, those of days up
 * to the day after tomorrow. Safe to run at any time and by several at once; takes no lock that a commit waits for. Returns
 * how many it made.
 */
export async function ensurePartitions(db: Queryable, aheadEntries = aheadEntriesDefault): Promise<number> {
  const result = await db.query<{ made: number }>({
    text: "SELECT ensure_partitions($1) AS made",
    values: [aheadEntries],
  });
  return count(only(result).made);
}

export interface PartitionRoom {
  readonly parent: string;
  /** Of a table by numbers: entries or facts that the furthest shard can still write. Of one by days: days after today. */
  readonly room: number;
}

/** How far the partitions reach; where none is left a commit makes its own and goes on, at the cost of its time. */
export async function partitionRoom(db: Queryable): Promise<PartitionRoom[]> {
  const { rows } = await db.query<{ parent: string; room: string }>({
    text: "SELECT parent, room FROM partition_room() ORDER BY parent",
  });
  return rows.map(({ parent, room }) => ({ parent, room: count(room) }));
}

export type NumberedTable = "journal" | "ledger" | "fact";

/**
 * Drops the partitions of a table that lie wholly before a number. Never what a start still needs: of the journal what the
 * oldest kept snapshot has not covered, of the ledger what has not been summed in its checkpoint. Returns the partitions dropped.
 */
export async function dropPartitionsBefore(db: Queryable, table: NumberedTable, before: number): Promise<string[]> {
  const { rows } = await db.query<{ dropped: string }>({
    text: "SELECT dropped FROM drop_partitions_before($1, $2) AS dropped ORDER BY dropped",
    values: [table, before],
  });
  return rows.map((row) => row.dropped);
}

export type DailyTable = "gate_decision" | "mark_input";

/** Drops the partitions of days that ended more than `days` days ago, by the database's clock. */
export async function dropDaysBefore(db: Queryable, table: DailyTable, days: number): Promise<string[]> {
  const { rows } = await db.query<{ dropped: string }>({
    text: "SELECT dropped FROM drop_days_before($1, $2) AS dropped ORDER BY dropped",
    values: [table, days],
  });
  return rows.map((row) => row.dropped);
}
