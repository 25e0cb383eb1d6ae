import { createHash } from "node:crypto";
import { count } from "./database.ts";
import type { Database, Queryable } from "./database.ts";
import { Corrupt } from "./errors.ts";

export interface Snapshot {
  readonly shard: string;
  /** Number of the last entry it contains, and its log position. */
  readonly entry: number;
  readonly seq: number;
  readonly factSeq: number;
  /** Hex. */
  readonly chainHash: string;
  readonly stateHash: string;
  readonly format: string;
  readonly bytes: Uint8Array;
}

export const snapshotsKept = 3;
/** One row each: a value of a column may not be larger than a gigabyte, and a round trip should stay short. */
const chunkBytes = 4 * 1024 * 1024;

/** Stores a snapshot with its sha256 and drops all but the newest three of the shard. The same entry again replaces it. */
export async function saveSnapshot(db: Database, snapshot: Snapshot): Promise<void> {
  const { shard, entry, seq, factSeq, chainHash, stateHash, format } = snapshot;
  const bytes = Buffer.from(snapshot.bytes.buffer, snapshot.bytes.byteOffset, snapshot.bytes.byteLength);
  const digest = createHash("sha256").update(bytes).digest();
  await db.transaction(async (client) => {
    await client.query({ text: "DELETE FROM snapshot WHERE shard = $1 AND entry = $2", values: [shard, entry] });
    await client.query({
      text: `INSERT INTO snapshot (shard, entry, seq, fact_seq, chain_hash, state_hash, format, size, sha256)
        VALUES ($1, $2, $3, $4, decode($5, 'hex'), decode($6, 'hex'), $7, $8, $9)`,
      values: [shard, entry, seq, factSeq, chainHash, stateHash, format, bytes.length, digest],
    });
    for (let at = 0, part = 0; at < bytes.length; at += chunkBytes, part += 1)
      await client.query({
        text: "INSERT INTO snapshot_part (shard, entry, part, bytes) VALUES ($1, $2, $3, $4)",
        values: [shard, entry, part, bytes.subarray(at, at + chunkBytes)],
      });
    await client.query({
      text: `DELETE FROM snapshot WHERE shard = $1
        AND entry NOT IN (SELECT entry FROM snapshot WHERE shard = $1 ORDER BY entry DESC LIMIT $2)`,
      values: [shard, snapshotsKept],
    });
  });
}

interface Columns {
  entry: string;
  seq: string;
  fact_seq: string;
  chain_hash: Buffer;
  state_hash: Buffer;
  format: string;
  size: string;
  sha256: Buffer;
}

export interface LoadedSnapshot {
  /** The newest that verifies; null: none does. */
  readonly snapshot: Snapshot | null;
  /** Newer ones that do not. */
  readonly corrupt: readonly { readonly entry: number; readonly why: string }[];
}

/** Reads the newest snapshot of a shard whose sha256 is right, passing over damaged ones. `upTo`: of no later entry. */
export async function loadSnapshots(
  db: Queryable,
  shard: string,
  upTo = Number.MAX_SAFE_INTEGER,
): Promise<LoadedSnapshot> {
  const { rows } = await db.query<Columns>({
    text: `SELECT entry, seq, fact_seq, chain_hash, state_hash, format, size, sha256
      FROM snapshot WHERE shard = $1 AND entry <= $2 ORDER BY entry DESC`,
    values: [shard, upTo],
  });
  const corrupt: { entry: number; why: string }[] = [];
  for (const row of rows) {
    try {
      return { snapshot: await loadOne(db, shard, row), corrupt };
    } catch (error) {
      if (!(error instanceof Corrupt)) throw error;
      corrupt.push({ entry: count(row.entry), why: error.message });
    }
  }
  return { snapshot: null, corrupt };
}

async function loadOne(db: Queryable, shard: string, row: Columns): Promise<Snapshot> {
  const bytes = Buffer.alloc(count(row.size));
  const hash = createHash("sha256");
  let at = 0;
  for (let part = 0; at < bytes.length; part += 1) {
    const { rows } = await db.query<{ bytes: Buffer }>({
      text: "SELECT bytes FROM snapshot_part WHERE shard = $1 AND entry = $2 AND part = $3",
      values: [shard, row.entry, part],
    });
    const found = rows[0]?.bytes;
    if (found === undefined) throw new Corrupt(`part ${part} is missing`);
    hash.update(found);
    at += found.copy(bytes, at);
  }
  if (!hash.digest().equals(row.sha256)) throw new Corrupt("the sha256 differs");
  return {
    shard,
    entry: count(row.entry),
    seq: count(row.seq),
    factSeq: count(row.fact_seq),
    chainHash: row.chain_hash.toString("hex"),
    stateHash: row.state_hash.toString("hex"),
    format: row.format,
    bytes,
  };
}

export interface SnapshotAge {
  readonly shard: string;
  /** Of the newest snapshot; null: there is none. ms, the database's clock. */
  readonly ageMs: number | null;
  /** Entries committed that it does not contain. */
  readonly behind: number;
}

/** How old the newest snapshot of each shard is, and how much a start from it would have to replay. */
export async function snapshotAges(db: Queryable, shards: readonly string[]): Promise<SnapshotAge[]> {
  const { rows } = await db.query<{ shard: string; age: string | null; behind: string }>({
    text: `SELECT shard.id AS shard, (extract(epoch FROM clock_timestamp() - newest.saved_at) * 1000)::bigint AS age,
        greatest(shard.entries - coalesce(newest.entry, 0), 0) AS behind
      FROM shard LEFT JOIN LATERAL (SELECT saved_at, entry FROM snapshot WHERE snapshot.shard = shard.id
        ORDER BY entry DESC LIMIT 1) AS newest ON true
      WHERE shard.id = ANY ($1::text[]) ORDER BY shard.id`,
    values: [[...shards]],
  });
  return rows.map(({ shard, age, behind }) => ({
    shard,
    ageMs: age === null ? null : count(age),
    behind: count(behind),
  }));
}
