import { nullableTextArray, numberArray, textArray } from "./arrays.ts";
import { count } from "./database.ts";
import type { Queryable } from "./database.ts";

/** One answer of the gate, with what is needed to compute it again. */
export interface GateDecision {
  readonly shard: string;
  readonly request: string;
  readonly verb: string;
  readonly account: string;
  readonly decision: "accept" | "reject";
  readonly codes: readonly string[];
  readonly epoch: number;
  readonly appliedSeq: number;
  readonly frame: number;
  readonly ruleVersion: number;
  /** UTC ms, the market's clock. */
  readonly t: number;
  /** Question, that owner's overlay, numbers: whatever `explain` needs. */
  readonly body: unknown;
}

export const decisionsMax = 5_000;

/** Keeps decisions; they are told apart by shard, epoch and request, an answer given again may be kept twice. */
export async function insertDecisions(db: Queryable, rows: readonly GateDecision[]): Promise<void> {
  if (rows.length === 0) return;
  if (rows.length > decisionsMax) throw new RangeError(`${rows.length} decisions at once`);
  await db.query({
    name: "decisions_insert",
    text: `INSERT INTO gate_decision
        (shard, request, verb, account, accepted, codes, epoch, applied_seq, frame, rule_version, t, body)
      SELECT shard, request, verb, account, accepted, codes, epoch, applied_seq, frame, rule_version, t, body::jsonb
      FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::bigint[], $8::bigint[],
        $9::bigint[], $10::bigint[], $11::bigint[], $12::text[])
        AS row (shard, request, verb, account, accepted, codes, epoch, applied_seq, frame, rule_version, t, body)`,
    values: [
      textArray(rows.map((row) => row.shard)),
      textArray(rows.map((row) => row.request)),
      textArray(rows.map((row) => row.verb)),
      textArray(rows.map((row) => row.account)),
      textArray(rows.map((row) => (row.decision === "accept" ? "t" : "f"))),
      nullableTextArray(rows.map((row) => (row.codes.length === 0 ? null : row.codes.join(",")))),
      numberArray(rows.map((row) => row.epoch)),
      numberArray(rows.map((row) => row.appliedSeq)),
      numberArray(rows.map((row) => row.frame)),
      numberArray(rows.map((row) => row.ruleVersion)),
      numberArray(rows.map((row) => row.t)),
      textArray(rows.map((row) => JSON.stringify(row.body))),
    ],
  });
}

interface Columns {
  shard: string;
  request: string;
  verb: string;
  account: string;
  accepted: boolean;
  codes: string | null;
  epoch: string;
  applied_seq: string;
  frame: string;
  rule_version: string;
  t: string;
  body: unknown;
}

/** The newest decisions on a request id, of all shards; empty where none is kept (any more). */
export async function findDecisions(db: Queryable, request: string, limit = 10): Promise<GateDecision[]> {
  const { rows } = await db.query<Columns>({
    name: "decisions_find",
    text: `SELECT shard, request, verb, account, accepted, codes, epoch, applied_seq, frame, rule_version, t, body
      FROM gate_decision WHERE request = $1 ORDER BY recorded_at DESC LIMIT $2`,
    values: [request, limit],
  });
  return rows.map((row) => ({
    shard: row.shard,
    request: row.request,
    verb: row.verb,
    account: row.account,
    decision: row.accepted ? "accept" : "reject",
    codes: row.codes?.split(",") ?? [],
    epoch: count(row.epoch),
    appliedSeq: count(row.applied_seq),
    frame: count(row.frame),
    ruleVersion: count(row.rule_version),
    t: count(row.t),
    body: row.body,
  }));
}
