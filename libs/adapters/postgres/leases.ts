import { count } from "./database.ts";
import type { Queryable } from "./database.ts";

/**
 * Takes a named lease that nobody holds, with an epoch that rises with each holder; null while another holds it. Time is the
 * database's clock alone. What the holder writes must carry the epoch.
 */
export async function acquireLease(
  db: Queryable,
  name: string,
  owner: string,
  ttlMs: number,
): Promise<{ readonly epoch: number } | null> {
  const { rows } = await db.query<{ epoch: string }>({
    name: "lease_acquire",
    text: `INSERT INTO lease AS held (name, owner, epoch, lease_until)
      VALUES ($1, $2, 1, clock_timestamp() + $3::integer * interval '1 ms')
      ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, epoch = held.epoch + 1,
        lease_until = clock_timestamp() + $3::integer * interval '1 ms'
      WHERE held.lease_until < clock_timestamp()
      RETURNING epoch`,
    values: [name, owner, ttlMs],
  });
  return rows[0] === undefined ? null : { epoch: count(rows[0].epoch) };
}

/** False: somebody else has taken it. */
export async function renewLease(db: Queryable, name: string, epoch: number, ttlMs: number): Promise<boolean> {
  const { rowCount } = await db.query({
    name: "lease_renew",
    text: `UPDATE lease SET lease_until = clock_timestamp() + $3::integer * interval '1 ms' WHERE name = $1 AND epoch = $2`,
    values: [name, epoch, ttlMs],
  });
  return rowCount === 1;
}

export async function releaseLease(db: Queryable, name: string, epoch: number): Promise<void> {
  await db.query({
    name: "lease_release",
    text: "UPDATE lease SET owner = NULL, lease_until = '-infinity' WHERE name = $1 AND epoch = $2",
    values: [name, epoch],
  });
}

export interface LeaseRow {
  readonly name: string;
  readonly owner: string | null;
  readonly epoch: number;
  readonly held: boolean;
}

export async function readLeases(db: Queryable): Promise<LeaseRow[]> {
  const { rows } = await db.query<{ name: string; owner: string | null; epoch: string; held: boolean }>({
    text: "SELECT name, owner, epoch, lease_until > clock_timestamp() AS held FROM lease ORDER BY name",
  });
  return rows.map((row) => ({ ...row, epoch: count(row.epoch) }));
}
