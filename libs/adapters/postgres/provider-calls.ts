import { appendAudit } from "./audit.ts";
import { confirmReplicated, count } from "./database.ts";
import type { Database, Queryable } from "./database.ts";
import { type Alarm, raiseAlarm } from "./notices.ts";

/** A position that a provider has taken over and is to be told of. */
export interface ProviderCall {
  /** `<shard>-<fact>-takeover`: the provider tells copies by it. */
  readonly id: string;
  readonly shard: string;
  readonly factSeq: number;
  readonly provider: string;
  readonly saga: string;
  readonly step: number;
  /** What the provider is told. */
  readonly body: unknown;
}

export const providerOutcomes = ["accepted", "refused", "timeout"] as const;
export type ProviderOutcome = (typeof providerOutcomes)[number];

export interface OpenProviderCall extends ProviderCall {
  readonly attempts: number;
  /** By the database's clock; null: never. */
  readonly triedAgoMs: number | null;
  readonly openForMs: number;
}

/** Opens a call; true: it is new. */
export async function openProviderCall(db: Queryable, call: ProviderCall): Promise<boolean> {
  const { id, shard, factSeq, provider, saga, step, body } = call;
  const { rowCount } = await db.query({
    name: "provider_call_open",
    text: `INSERT INTO provider_call (id, shard, fact_seq, provider, saga, step, body)
      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
    values: [id, shard, factSeq, provider, saga, step, JSON.stringify(body)],
  });
  return rowCount === 1;
}

interface Columns {
  id: string;
  shard: string;
  fact_seq: string;
  provider: string;
  saga: string;
  step: number;
  body: unknown;
  attempts: number;
  tried_ago: string | null;
  open_for: string;
}

const columns = `id, shard, fact_seq, provider, saga, step, body, attempts,
  (extract(epoch FROM clock_timestamp() - tried_at) * 1000)::bigint AS tried_ago,
  (extract(epoch FROM clock_timestamp() - opened_at) * 1000)::bigint AS open_for`;

const callOf = ({ fact_seq, tried_ago, open_for, ...row }: Columns): OpenProviderCall => ({
  ...row,
  factSeq: count(fact_seq),
  triedAgoMs: tried_ago === null ? null : count(tried_ago),
  openForMs: count(open_for),
});

export const openCallsMax = 1_000;

/** Calls without an outcome, oldest first. */
export async function openProviderCalls(db: Queryable, limit = openCallsMax): Promise<OpenProviderCall[]> {
  const { rows } = await db.query<Columns>({
    name: "provider_calls_open",
    text: `SELECT ${columns} FROM provider_call WHERE outcome IS NULL ORDER BY opened_at, id LIMIT $1`,
    values: [Math.min(limit, openCallsMax)],
  });
  if (rows.length > 0) await confirmReplicated(db);
  return rows.map(callOf);
}

/** Null: unknown, or it has its outcome. */
export async function openProviderCallOf(db: Queryable, id: string): Promise<OpenProviderCall | null> {
  const { rows } = await db.query<Columns>({
    name: "provider_call_of",
    text: `SELECT ${columns} FROM provider_call WHERE id = $1 AND outcome IS NULL`,
    values: [id],
  });
  return rows[0] === undefined ? null : callOf(rows[0]);
}

/** Notes an attempt before it is made; its number from 1, or null where the call is not open any more. */
export async function markProviderCalled(db: Queryable, id: string): Promise<number | null> {
  const { rows } = await db.query<{ attempts: number }>({
    name: "provider_called",
    text: `UPDATE provider_call SET attempts = attempts + 1, tried_at = clock_timestamp()
      WHERE id = $1 AND outcome IS NULL RETURNING attempts`,
    values: [id],
  });
  return rows[0]?.attempts ?? null;
}

/**
 * Ends a call: its outcome, the record of it in the audit chain and, where one is given, the alarm, together or not at all. False: it
 * had ended before.
 */
export async function endProviderCall(
  db: Database,
  call: ProviderCall & { readonly attempts: number },
  end: { readonly outcome: ProviderOutcome; readonly reason: string | null; readonly alarm?: Alarm },
): Promise<boolean> {
  return db.transaction(async (client) => {
    const { rowCount } = await client.query({
      name: "provider_call_end",
      text: `UPDATE provider_call SET outcome = $2, reason = $3, answered_at = clock_timestamp()
        WHERE id = $1 AND outcome IS NULL`,
      values: [call.id, end.outcome, end.reason],
    });
    if (rowCount !== 1) return false;
    const { id, shard, provider, saga, step, body, attempts } = call;
    const detail = { id, shard, saga, step, outcome: end.outcome, reason: end.reason, attempts, takeover: body };
    await appendAudit(client, { actor: `provider:${provider}`, action: "provider.takeover", detail });
    if (end.alarm !== undefined) await raiseAlarm(client, end.alarm);
    return true;
  });
}

export interface ProviderCallRow extends ProviderCall {
  readonly attempts: number;
  readonly outcome: ProviderOutcome | null;
  readonly reason: string | null;
}

/** A provider's calls, newest first. */
export async function readProviderCalls(db: Queryable, provider: string, limit = 100): Promise<ProviderCallRow[]> {
  const { rows } = await db.query<Columns & { outcome: ProviderOutcome | null; reason: string | null }>({
    text: `SELECT ${columns}, outcome, reason FROM provider_call WHERE provider = $1
      ORDER BY opened_at DESC, id LIMIT $2`,
    values: [provider, Math.min(limit, openCallsMax)],
  });
  return rows.map((row) => {
    const { id, shard, factSeq, saga, step, body, attempts } = callOf(row);
    return { id, shard, factSeq, provider, saga, step, body, attempts, outcome: row.outcome, reason: row.reason };
  });
}
