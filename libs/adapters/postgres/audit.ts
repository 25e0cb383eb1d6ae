import { createHash } from "node:crypto";
import { count, only } from "./database.ts";
import type { Queryable } from "./database.ts";
import { Corrupt } from "./errors.ts";
import { genesisHash } from "./hash.ts";

/** What somebody with rights did. */
export interface AuditRecord {
  readonly actor: string;
  readonly action: string;
  /** Kept as JSON text, byte for byte. */
  readonly detail: unknown;
}

export interface AuditRow extends AuditRecord {
  readonly seq: number;
  /** UTC ms, the database's clock. */
  readonly at: number;
  /** Hex. */
  readonly hash: string;
}

export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}

/**
 * Appends to the hash-chained record of privileged acts, which nobody can change; inside the caller's transaction if one is
 * given, with what the act itself writes. Returns the new head, worth keeping outside of the database.
 */
export async function appendAudit(db: Queryable, record: AuditRecord): Promise<AuditHead> {
  const result = await db.query<{ seq: string; hash: Buffer }>({
    name: "audit_append",
    text: "INSERT INTO audit (actor, action, detail) VALUES ($1, $2, $3) RETURNING seq, hash",
    values: [record.actor, record.action, JSON.stringify(record.detail ?? null)],
  });
  const row = only(result);
  return { seq: count(row.seq), hash: row.hash.toString("hex") };
}

/** The newest record: worth keeping where nobody who can write to the database can. */
export async function auditHead(db: Queryable): Promise<AuditHead> {
  const result = await db.query<{ seq: string; hash: Buffer }>({ text: "SELECT seq, hash FROM audit_head" });
  const row = only(result);
  return { seq: count(row.seq), hash: row.hash.toString("hex") };
}

interface Columns {
  seq: string;
  at: string;
  actor: string;
  action: string;
  detail: string;
  prev_hash: Buffer;
  hash: Buffer;
}

const pageSize = 1_000;

/** Records after one, oldest first. */
export async function readAudit(db: Queryable, afterSeq: number, limit = pageSize): Promise<AuditRow[]> {
  const rows = await readRows(db, afterSeq, Math.min(limit, pageSize));
  return rows.map((row) => ({
    seq: count(row.seq),
    at: count(row.at),
    actor: row.actor,
    action: row.action,
    detail: JSON.parse(row.detail) as unknown,
    hash: row.hash.toString("hex"),
  }));
}

async function readRows(db: Queryable, afterSeq: number, limit: number): Promise<Columns[]> {
  const { rows } = await db.query<Columns>({
    name: "audit_page",
    text: `SELECT seq, at, actor, action, detail, prev_hash, hash FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2`,
    values: [afterSeq, limit],
  });
  return rows;
}

/**
 * Recomputes the whole chain, and compares it with heads kept elsewhere. Returns the head. Throws `Corrupt` for a record that was
 * changed, removed or put in, and for a tail that is missing.
 */
export async function verifyAudit(db: Queryable, known: readonly AuditHead[] = []): Promise<AuditHead> {
  const expected = new Map(known.map((one) => [one.seq, one.hash]));
  const head = await db.query<{ seq: string }>({ text: "SELECT seq FROM audit_head" });
  let seq = 0;
  let hash = genesisHash;
  for (;;) {
    const rows = await readRows(db, seq, pageSize);
    for (const row of rows) {
      seq += 1;
      if (count(row.seq) !== seq) throw new Corrupt(`audit record ${seq} is missing`);
      if (row.prev_hash.toString("hex") !== hash) throw new Corrupt(`audit record ${seq} does not follow`);
      hash = hashOf(row);
      if (row.hash.toString("hex") !== hash) throw new Corrupt(`audit record ${seq} has been changed`);
      if ((expected.get(seq) ?? hash) !== hash) throw new Corrupt(`audit record ${seq} is not what it was`);
    }
    if (rows.length < pageSize) break;
  }
  const last = Math.max(count(head.rows[0]?.seq ?? 0), ...expected.keys());
  if (seq < last) throw new Corrupt(`audit records after ${seq} are missing`);
  return { seq, hash };
}

/** As the database's own trigger computes it. */
function hashOf(row: Columns): string {
  const fields = [row.seq, row.at, row.actor, row.action, row.detail];
  const text = fields.map((field) => `${Buffer.byteLength(field)}:${field}`).join("");
  return createHash("sha256").update(row.prev_hash).update(text).digest("hex");
}
