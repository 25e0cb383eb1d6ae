import { count, only } from "./database.ts";
import type { Queryable } from "./database.ts";

/** What an operator asked for, from the proposal to what became of it. Times in UTC ms, the database's clock. */
export interface CommandRow {
  readonly id: string;
  readonly proposer: string;
  readonly credential: unknown;
  readonly operation: string;
  readonly key: string;
  /** Hex, as `payloadHash`. */
  readonly requestHash: string;
  readonly payload: unknown;
  readonly payloadHash: string;
  readonly reason: string;
  readonly ticket: string | null;
  readonly dryRun: string | null;
  readonly urgent: boolean;
  /** Why it needs a second person; null: it needs none. */
  readonly secondPerson: string | null;
  readonly state: string;
  readonly why: string | null;
  readonly approver: string | null;
  readonly trace: string | null;
  readonly entries: readonly CommandEntry[];
  readonly facts: readonly CommandFacts[];
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly decidedAt: number | null;
}

export interface CommandEntry {
  readonly shard: string;
  readonly sourceSeq: number;
  /** The newest committed fact when it was queued: what it makes true comes later. */
  readonly afterFact: number;
}

export interface CommandFacts {
  readonly shard: string;
  readonly logSeq: number;
  readonly facts: readonly { readonly seq: number; readonly t: number; readonly fact: string }[];
}

export type NewCommand = Pick<
  CommandRow,
  | "id"
  | "proposer"
  | "credential"
  | "operation"
  | "key"
  | "requestHash"
  | "payload"
  | "payloadHash"
  | "reason"
  | "ticket"
  | "dryRun"
  | "urgent"
  | "secondPerson"
> & { readonly state: "proposed" | "pending"; /** ms from now; null: never. */ readonly expiresInMs: number | null };

interface Columns {
  id: string;
  proposer: string;
  credential: unknown;
  operation: string;
  key: string;
  request_hash: Buffer;
  payload: unknown;
  payload_hash: Buffer;
  reason: string;
  ticket: string | null;
  dry_run: string | null;
  urgent: boolean;
  second_person: string | null;
  state: string;
  why: string | null;
  approver: string | null;
  trace: string | null;
  entries: CommandEntry[];
  facts: CommandFacts[];
  created_at: Date;
  expires_at: Date | null;
  decided_at: Date | null;
}

/** A proposal that is past its end is expired, whether anybody has noted it yet or not. */
const columns = `id, proposer, credential, operation, key, request_hash, payload, payload_hash, reason, ticket, dry_run, urgent,
  second_person, CASE WHEN state = 'proposed' AND expires_at <= clock_timestamp() THEN 'expired' ELSE state END AS state, why,
  approver, trace, entries, facts, created_at, expires_at, decided_at`;

const rowOf = (row: Columns): CommandRow => ({
  id: row.id,
  proposer: row.proposer,
  credential: row.credential,
  operation: row.operation,
  key: row.key,
  requestHash: row.request_hash.toString("hex"),
  payload: row.payload,
  payloadHash: row.payload_hash.toString("hex"),
  reason: row.reason,
  ticket: row.ticket,
  dryRun: row.dry_run,
  urgent: row.urgent,
  secondPerson: row.second_person,
  state: row.state,
  why: row.why,
  approver: row.approver,
  trace: row.trace,
  entries: row.entries,
  facts: row.facts,
  createdAt: row.created_at.getTime(),
  expiresAt: row.expires_at?.getTime() ?? null,
  decidedAt: row.decided_at?.getTime() ?? null,
});

/** False where the proposer has used the key for the operation before; that other's transaction has then ended. */
export async function insertCommand(db: Queryable, command: NewCommand): Promise<boolean> {
  const { rows } = await db.query({
    name: "command_insert",
    text: `INSERT INTO command (id, proposer, credential, operation, key, request_hash, payload, payload_hash, reason, ticket, dry_run,
        urgent, second_person, state, expires_at, decided_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, clock_timestamp() + $15 * interval '1 ms',
        CASE WHEN $14 = 'pending' THEN clock_timestamp() END)
      ON CONFLICT (proposer, operation, key) DO NOTHING RETURNING id`,
    values: [
      command.id,
      command.proposer,
      JSON.stringify(command.credential),
      command.operation,
      command.key,
      Buffer.from(command.requestHash, "hex"),
      JSON.stringify(command.payload),
      Buffer.from(command.payloadHash, "hex"),
      command.reason,
      command.ticket,
      command.dryRun,
      command.urgent,
      command.secondPerson,
      command.state,
      command.expiresInMs,
    ],
  });
  return rows.length > 0;
}

export async function commandByKey(
  db: Queryable,
  proposer: string,
  operation: string,
  key: string,
): Promise<CommandRow | null> {
  const { rows } = await db.query<Columns>({
    name: "command_by_key",
    text: `SELECT ${columns} FROM command WHERE proposer = $1 AND operation = $2 AND key = $3`,
    values: [proposer, operation, key],
  });
  return rows[0] === undefined ? null : rowOf(rows[0]);
}

/** `locked`: nobody else decides on it until the caller's transaction ends. */
export async function commandById(
  db: Queryable,
  id: string,
  options: { readonly locked?: boolean } = {},
): Promise<CommandRow | null> {
  const locked = options.locked === true;
  const { rows } = await db.query<Columns>({
    name: locked ? "command_locked" : "command_by_id",
    text: `SELECT ${columns} FROM command WHERE id = $1${locked ? " FOR UPDATE" : ""}`,
    values: [id],
  });
  return rows[0] === undefined ? null : rowOf(rows[0]);
}

/** Newest first; `before`: an id. */
export async function listCommands(
  db: Queryable,
  page: { readonly state: string | null; readonly before: string | null; readonly limit: number },
): Promise<CommandRow[]> {
  const { rows } = await db.query<Columns>({
    text: `SELECT * FROM (SELECT ${columns} FROM command WHERE $2::text IS NULL
          OR (created_at, id) < (SELECT created_at, id FROM command WHERE id = $2)) AS command
      WHERE $1::text IS NULL OR state = $1 ORDER BY created_at DESC, id DESC LIMIT $3`,
    values: [page.state, page.before, page.limit],
  });
  return rows.map(rowOf);
}

export interface Decided {
  readonly state: "pending" | "rejected" | "cancelled" | "invalid";
  readonly why?: string | null;
  readonly approver?: string | null;
}

/** What became of a proposal. */
export async function decideCommand(db: Queryable, id: string, decided: Decided): Promise<void> {
  await db.query({
    text: `UPDATE command SET state = $2, why = $3, approver = $4, decided_at = clock_timestamp() WHERE id = $1`,
    values: [id, decided.state, decided.why ?? null, decided.approver ?? null],
  });
}

/** Under which trace and as which entries it is carried out. `usd`: the money that it moves, decimal; null: none. */
export async function noteExecution(
  db: Queryable,
  id: string,
  executed: { readonly trace: string; readonly entries: readonly CommandEntry[]; readonly usd: string | null },
): Promise<void> {
  await db.query({
    name: "command_executed",
    text: "UPDATE command SET trace = $2, entries = $3, usd = $4 WHERE id = $1",
    values: [id, executed.trace, JSON.stringify(executed.entries), executed.usd],
  });
}

/** What became true by it; of one that is known already nothing changes. */
export async function noteOutcome(
  db: Queryable,
  id: string,
  outcome: { readonly state: "applied" | "refused"; readonly facts: readonly CommandFacts[] },
): Promise<void> {
  await db.query({
    text: "UPDATE command SET state = $2, facts = $3 WHERE id = $1 AND state = 'pending'",
    values: [id, outcome.state, JSON.stringify(outcome.facts)],
  });
}

/** Commands that were carried out more than so many ms ago and of which nobody has noted the outcome. */
export async function overdueCommands(db: Queryable, olderThanMs: number, limit: number): Promise<CommandRow[]> {
  const { rows } = await db.query<Columns>({
    text: `SELECT ${columns} FROM command WHERE state = 'pending' AND decided_at < clock_timestamp() - $1 * interval '1 ms'
      ORDER BY decided_at LIMIT $2`,
    values: [olderThanMs, limit],
  });
  return rows.map(rowOf);
}

export async function expireProposals(db: Queryable): Promise<number> {
  const { rows } = await db.query({
    text: `UPDATE command SET state = 'expired', decided_at = clock_timestamp()
      WHERE state = 'proposed' AND expires_at <= clock_timestamp() RETURNING id`,
  });
  return rows.length;
}

/**
 * What commands have moved since the UTC day began, whichever way: USD of everything, and units of one asset. The caller's transaction is then
 * the only one that adds to it.
 */
export async function movedToday(
  db: Queryable,
  asset: string,
): Promise<{ readonly usd: string; readonly units: string }> {
  await db.query({ text: "SELECT pg_advisory_xact_lock(hashtext('plimsoll.command.usd'))" });
  const result = await db.query<{ usd: string; units: string }>({
    text: `SELECT trim_scale(coalesce(sum(usd), 0))::text AS usd,
        trim_scale(coalesce(sum(abs((payload ->> 'amount')::numeric)) FILTER (WHERE payload ->> 'asset' = $1), 0))::text AS units
      FROM command WHERE state IN ('pending', 'applied') AND usd IS NOT NULL
        AND decided_at >= date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'`,
    values: [asset],
  });
  return only(result);
}

/**
 * Locks the order of a source's entries on these shards until the transaction ends, so that what is decided by what stands is decided
 * one after the other. Returns a committed fact of each shard that is newer than none of what comes.
 *
 * One statement, since a halt waits for each: the update that changes nothing makes a counter that is missing and locks it, in the shards'
 * order, so that two never wait for each other. It reads the facts as of before it has waited for a lock: those that are committed
 * meanwhile are looked through needlessly, and none is missed. What is decided by is read by later statements, which see all.
 */
export async function lockOutbox(
  db: Queryable,
  source: string,
  shards: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.query<{ id: string; fact_seq: string }>({
    name: "outbox_lock",
    text: `WITH locked AS (
        INSERT INTO source_counter AS counter SELECT $1, shard, 0 FROM unnest($2::text[]) AS shard ORDER BY shard
        ON CONFLICT (source, shard) DO UPDATE SET last = counter.last RETURNING shard)
      SELECT id, fact_seq FROM shard WHERE id IN (SELECT shard FROM locked)`,
    values: [source, [...shards].sort()],
  });
  return new Map(rows.map((row) => [row.id, count(row.fact_seq)]));
}

/** The state that an operator has set of a scope, what is on its way to the shard included; `id` is "" for the global one. */
export async function operatorState(
  db: Queryable,
  source: string,
  shard: string,
  halt: { readonly scope: string; readonly id: string },
): Promise<string> {
  const result = await db.query<{ state: string }>({
    name: "operator_state",
    text: `SELECT coalesce(
        (SELECT body ->> 'state' FROM entry_outbox WHERE source = $1 AND shard = $2
          AND seq > coalesce((SELECT seq FROM source_seq WHERE source = $1 AND shard = $2), 0)
          AND body ->> 'k' = 'halt' AND body ->> 'scope' = $3 AND coalesce(body ->> 'id', '') = $4
          ORDER BY seq DESC LIMIT 1),
        (SELECT state FROM halt WHERE shard = $2 AND scope = $3 AND coalesce(id, '') = $4 AND manual LIMIT 1),
        'normal') AS state`,
    values: [source, shard, halt.scope, halt.id],
  });
  return only(result).state;
}

/** The newest facts that carry a trace, or refuse an entry by its number, after one; bounded. */
export async function factsOfEntry(
  db: Queryable,
  shard: string,
  entry: CommandEntry & { readonly source: string; readonly trace: string },
  limit: number,
): Promise<{ readonly applied: boolean; readonly facts: CommandFacts["facts"]; readonly logSeq: number }> {
  const state = await db.query<{ seq: string; applied_seq: string }>({
    text: `SELECT seq, applied_seq FROM shard JOIN source_seq ON shard.id = source_seq.shard WHERE id = $1 AND source = $2`,
    values: [shard, entry.source],
  });
  const [at] = state.rows;
  if (at === undefined || count(at.seq) < entry.sourceSeq) return { applied: false, facts: [], logSeq: 0 };
  const { rows } = await db.query<{ body: CommandFacts["facts"][number] }>({
    text: `SELECT body FROM (SELECT seq, fact, body FROM fact WHERE shard = $1 AND seq > $2 ORDER BY seq LIMIT $6) AS later
      WHERE body ->> 'trace' = $3 OR (fact = 'entry.refused' AND body ->> 'source' = $4 AND (body ->> 'sourceSeq')::bigint = $5)
      ORDER BY seq LIMIT 50`,
    values: [shard, entry.afterFact, entry.trace, entry.source, entry.sourceSeq, limit],
  });
  return { applied: true, facts: rows.map(({ body }) => body), logSeq: count(at.applied_seq) };
}

/** Keeps that a dry run was made of a change, and what it found; again: nothing. */
export async function recordDryRun(
  db: Queryable,
  run: {
    readonly run: string;
    readonly principal: string;
    readonly payloadHash: string;
    readonly seq: number;
    readonly totals: unknown;
  },
): Promise<void> {
  await db.query({
    text: "INSERT INTO dry_run (run, principal, payload_hash, seq, totals) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    values: [run.run, run.principal, Buffer.from(run.payloadHash, "hex"), run.seq, JSON.stringify(run.totals)],
  });
}

/** Whether there is a dry run of this change that is not older. */
export async function dryRunMade(
  db: Queryable,
  run: string,
  payloadHash: string,
  notOlderThanMs: number,
): Promise<boolean> {
  const { rows } = await db.query({
    text: "SELECT 1 FROM dry_run WHERE run = $1 AND payload_hash = $2 AND at > clock_timestamp() - $3 * interval '1 ms'",
    values: [run, Buffer.from(payloadHash, "hex"), notOlderThanMs],
  });
  return rows.length > 0;
}
