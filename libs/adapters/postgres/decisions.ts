import { count, onPrimaryOnly } from "./database.ts";
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

/** A decision as one line of JSON. `body`: JSON too, so that what has been written for somebody else is not written again. */
export function decisionLine(row: Omit<GateDecision, "body">, body: string): string {
  const { shard, request, verb, account, decision, codes, epoch, appliedSeq, frame, ruleVersion, t } = row;
  const head = {
    shard,
    request,
    verb,
    account,
    accepted: decision === "accept",
    codes: codes.length === 0 ? null : codes.join(","),
    epoch,
    applied_seq: appliedSeq,
    frame,
    rule_version: ruleVersion,
    t,
  };
  return `${JSON.stringify(head).slice(0, -1)},"body":${body}}`;
}

/** Keeps decisions, on the primary alone before it resolves; they are told apart by shard, epoch and request, an answer given again may be kept twice. */
export async function insertDecisions(db: Queryable, rows: readonly GateDecision[]): Promise<void> {
  const lines = rows.map((row) => decisionLine(row, JSON.stringify(row.body)));
  await insertDecisionLines(db, lines);
}

/** As `insertDecisions`, of lines that `decisionLine` has made. */
export async function insertDecisionLines(db: Queryable, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  if (lines.length > decisionsMax) throw new RangeError(`${lines.length} decisions at once`);
  await db.query({
    name: "decisions_insert",
    text: `INSERT INTO gate_decision
        (shard, request, verb, account, accepted, codes, epoch, applied_seq, frame, rule_version, t, body)
      SELECT row.* FROM jsonb_to_recordset($1::jsonb) AS row (shard text, request text, verb text, account text,
        accepted boolean, codes text, epoch bigint, applied_seq bigint, frame bigint, rule_version bigint, t bigint, body jsonb),
        ${onPrimaryOnly}`,
    values: [`[${lines.join(",")}]`],
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
