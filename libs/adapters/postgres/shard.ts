import { count } from "./database.ts";
import type { Queryable } from "./database.ts";
import { Deposed } from "./errors.ts";

/** What is committed of a shard, and who leads it. */
export interface ShardRow {
  readonly shard: string;
  /** Rises with every new leader. */
  readonly epoch: number;
  readonly owner: string | null;
  /** Last log position whose entries are committed. */
  readonly appliedSeq: number;
  /** Number of entries applied, and of the newest fact. */
  readonly entries: number;
  readonly factSeq: number;
  /** Hex. */
  readonly chainHash: string;
  readonly streamCreated: string | null;
  /** Hex, of the log's message at `appliedSeq`. */
  readonly lastMessageHash: string | null;
  readonly ruleVersion: number;
  /** UTC ms. */
  readonly logTime: number;
  /** By the database's clock. */
  readonly leaseHeld: boolean;
}

interface Columns {
  id: string;
  epoch: string;
  owner: string | null;
  applied_seq: string;
  entries: string;
  fact_seq: string;
  chain_hash: Buffer;
  stream_created: string | null;
  last_message_hash: Buffer | null;
  rule_version: string;
  log_time: string;
  lease_held: boolean;
}

const columns = `id, epoch, owner, applied_seq, entries, fact_seq, chain_hash, stream_created, last_message_hash,
  rule_version, log_time, lease_until > clock_timestamp() AS lease_held`;

const rowOf = (row: Columns): ShardRow => ({
  shard: row.id,
  epoch: count(row.epoch),
  owner: row.owner,
  appliedSeq: count(row.applied_seq),
  entries: count(row.entries),
  factSeq: count(row.fact_seq),
  chainHash: row.chain_hash.toString("hex"),
  streamCreated: row.stream_created,
  lastMessageHash: row.last_message_hash?.toString("hex") ?? null,
  ruleVersion: count(row.rule_version),
  logTime: count(row.log_time),
  leaseHeld: row.lease_held,
});

/**
 * Takes the lead of a shard whose lease has run out by the database's clock, with an epoch of its own; null while another
 * holds it. Waits behind a batch that the old leader has under way (the same row), then sees what that batch committed.
 */
export async function acquireShard(
  db: Queryable,
  shard: string,
  owner: string,
  ttlMs: number,
): Promise<ShardRow | null> {
  await db.query({
    name: "shard_insert",
    text: "INSERT INTO shard (id) VALUES ($1) ON CONFLICT DO NOTHING",
    values: [shard],
  });
  const { rows } = await db.query<Columns>({
    name: "shard_acquire",
    text: `UPDATE shard SET epoch = epoch + 1, owner = $2, lease_ms = $3::integer, lease_until = clock_timestamp() + $3::integer * interval '1 ms'
      WHERE id = $1 AND lease_until < clock_timestamp() RETURNING ${columns}`,
    values: [shard, owner, ttlMs],
  });
  return rows[0] === undefined ? null : rowOf(rows[0]);
}

/** Makes the lease last `ttlMs` from now. Throws `Deposed` where the epoch is not the newest. Batches renew it too. */
export async function renewShard(db: Queryable, shard: string, epoch: number, ttlMs: number): Promise<void> {
  const { rowCount } = await db.query({
    name: "shard_renew",
    text: `UPDATE shard SET lease_ms = $3::integer, lease_until = clock_timestamp() + $3::integer * interval '1 ms' WHERE id = $1 AND epoch = $2`,
    values: [shard, epoch, ttlMs],
  });
  if (rowCount !== 1) throw new Deposed(`epoch ${epoch} of shard ${shard} is over`);
}

/** Ends the lease at once, so that a successor need not wait. Nothing where somebody else leads by now. */
export async function releaseShard(db: Queryable, shard: string, epoch: number): Promise<void> {
  await db.query({
    name: "shard_release",
    text: "UPDATE shard SET owner = NULL, lease_until = '-infinity' WHERE id = $1 AND epoch = $2",
    values: [shard, epoch],
  });
}

/**
 * What is committed; null where the shard has never been led. With `settled` it waits for a batch under way to commit or to
 * fail. Use that after an interrupted commit: `appliedSeq` at the batch's `toSeq` with its `chainHash` means it took effect,
 * at its `fromSeq` under the own epoch that it did not (yet): commit it again.
 */
export async function readShard(
  db: Queryable,
  shard: string,
  options: { readonly settled?: boolean } = {},
): Promise<ShardRow | null> {
  const settled = options.settled === true;
  const { rows } = await db.query<Columns>({
    name: settled ? "shard_settled" : "shard_read",
    text: `SELECT ${columns} FROM shard WHERE id = $1${settled ? " FOR UPDATE" : ""}`,
    values: [shard],
  });
  return rows[0] === undefined ? null : rowOf(rows[0]);
}

export async function readShards(db: Queryable): Promise<ShardRow[]> {
  const { rows } = await db.query<Columns>({ text: `SELECT ${columns} FROM shard ORDER BY id` });
  return rows.map(rowOf);
}

/** The last number of each producer that is committed. */
export async function readSourceSeqs(db: Queryable, shard: string): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.query<{ source: string; seq: string }>({
    text: "SELECT source, seq FROM source_seq WHERE shard = $1",
    values: [shard],
  });
  return new Map(rows.map((row) => [row.source, count(row.seq)]));
}
