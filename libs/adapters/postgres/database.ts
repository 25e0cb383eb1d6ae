import { Pool } from "pg";
import type { PoolClient, QueryResult, QueryResultRow } from "pg";
import { databaseError, DatabaseDown, mayRunAgain } from "./errors.ts";

/** A statement; with a `name` it is prepared once per connection. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
}

/** What a function needs that works alone or inside somebody's transaction. */
export interface Queryable {
  /** Throws the errors of errors.ts; server errors of other kinds come as the driver's own, with their SQLSTATE in `code`. */
  query<R extends QueryResultRow = QueryResultRow>(statement: Statement): Promise<QueryResult<R>>;
}

export interface DatabaseSettings {
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  /** Connections at most. */
  readonly max?: number;
  readonly statementTimeoutMs?: number;
  /**
   * false: commits do not wait for any disk, so that the last moments before a crash of the server may go missing. For what is made
   * again from its source, and for marks whose loss only repeats something. `confirmReplicated` waits all the same.
   */
  readonly durable?: boolean;
  /** Told about connections that break while idle; they are replaced by the next use. */
  readonly onIdleError?: (error: Error) => void;
}

export type TransactionKind = "read committed" | "repeatable read" | "repeatable read read only" | "serializable";

export interface Database extends Queryable {
  readonly name: string;
  /** BEGIN, `work`, COMMIT; any throw rolls back. But for `read committed`, `work` runs again after a serialization failure. After a `DatabaseDown` with outcome `unknown` it may have committed. */
  transaction<T>(work: (client: Queryable) => Promise<T>, kind?: TransactionKind): Promise<T>;
  close(): Promise<void>;
}

const limits = {
  connections: 4,
  connectMs: 2_000,
  /** The server gives up on a statement; the client waits a little longer, for links that went silent. */
  statementMs: 5_000,
  silentMs: 1_000,
  lockMs: 2_000,
  idleInTransactionMs: 5_000,
  idleMs: 30_000,
  keepAliveMs: 1_000,
  serializationTries: 5,
} as const;

/** Opens a pool; connects when first used. Importing or opening never throws for a server that is away. */
export function openDatabase(settings: DatabaseSettings): Database {
  const statementMs = settings.statementTimeoutMs ?? limits.statementMs;
  const pool = new Pool({
    connectionString: settings.url,
    application_name: `plimsoll-${settings.name}`,
    max: settings.max ?? limits.connections,
    connectionTimeoutMillis: limits.connectMs,
    idleTimeoutMillis: limits.idleMs,
    statement_timeout: statementMs,
    query_timeout: statementMs + limits.silentMs,
    lock_timeout: Math.min(limits.lockMs, statementMs),
    idle_in_transaction_session_timeout: limits.idleInTransactionMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: limits.keepAliveMs,
    options: `-c jit=off -c synchronous_commit=${settings.durable === false ? "off" : "on"} -c timezone=UTC`,
  });
  // Without a listener a broken idle connection would end the process.
  pool.on("error", (error) => settings.onIdleError?.(error));
  return new PooledDatabase(settings.name, pool);
}

class PooledDatabase implements Database {
  readonly name: string;
  readonly #pool: Pool;
  #closing: Promise<void> | null = null;

  constructor(name: string, pool: Pool) {
    this.name = name;
    this.#pool = pool;
  }

  async query<R extends QueryResultRow>(statement: Statement): Promise<QueryResult<R>> {
    return this.#withClient((client) => client.query<R>(statement));
  }

  async transaction<T>(work: (client: Queryable) => Promise<T>, kind: TransactionKind = "read committed"): Promise<T> {
    const tries = kind !== "read committed" ? limits.serializationTries : 1;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#withClient((client) => inTransaction(client, work, kind));
      } catch (error) {
        if (attempt >= tries || !mayRunAgain(error)) throw error;
      }
    }
  }

  async close(): Promise<void> {
    this.#closing ??= this.#pool.end();
    return this.#closing;
  }

  async #withClient<T>(work: (client: Lent) => Promise<T>): Promise<T> {
    let client: PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw databaseError(error, false);
    }
    const lent = new Lent(client);
    let broken = false;
    try {
      return await work(lent);
    } catch (error) {
      broken = error instanceof DatabaseDown;
      throw error;
    } finally {
      lent.end();
      client.release(broken);
    }
  }
}

/** A connection for the time of one piece of work. */
class Lent implements Queryable {
  readonly #client: PoolClient;
  #unconfirmed = false;

  constructor(client: PoolClient) {
    this.#client = client;
    client.on("error", this.#onError);
    client.on("notice", this.#onNotice);
  }

  async query<R extends QueryResultRow>({ name, text, values }: Statement): Promise<QueryResult<R>> {
    let result: QueryResult<R>;
    try {
      result = await this.#client.query<R>({
        text,
        values: [...(values ?? [])],
        ...(name === undefined ? {} : { name }),
      });
    } catch (error) {
      throw databaseError(error, true);
    }
    if (this.#unconfirmed) throw new DatabaseDown("committed, but not confirmed by the synchronous standby", "unknown");
    return result;
  }

  end(): void {
    this.#client.off("error", this.#onError);
    this.#client.off("notice", this.#onNotice);
  }

  /** A connection that breaks while it is lent says so by an event as well as to the query under way. */
  readonly #onError = (): void => {};

  /** A cancelled wait for the standby is only a warning to PostgreSQL: it reports the commit as done. Its text may be in any language. */
  readonly #onNotice = (notice: { readonly routine: string | undefined }): void => {
    if (notice.routine === "SyncRepWaitForLSN") this.#unconfirmed = true;
  };
}

async function inTransaction<T>(
  client: Lent,
  work: (client: Queryable) => Promise<T>,
  kind: TransactionKind,
): Promise<T> {
  await client.query({ text: `BEGIN ISOLATION LEVEL ${kind.toUpperCase()}` });
  let result: T;
  try {
    result = await work(client);
  } catch (error) {
    // Where the connection is gone the server rolls back by itself.
    await client.query({ text: "ROLLBACK" }).catch(() => {});
    throw error;
  }
  await client.query({ text: "COMMIT" });
  return result;
}

/**
 * Resolves once all that was committed before is as safe as any commit: on the synchronous standby too, where there is one. What
 * was left unconfirmed can be seen by readers (a commit whose wait was cancelled, or that the primary found in its own log when
 * it came back), so this stands between reading such a thing and acting on it. It writes an empty message to the write-ahead
 * log and waits for that, which follows everything before it.
 */
export async function confirmReplicated(db: Queryable): Promise<void> {
  const text = `SELECT set_config('synchronous_commit', 'on', true), pg_logical_emit_message(true, 'plimsoll', '')`;
  await db.query({ name: "confirm", text });
}

/**
 * Put into a FROM: the transaction does not wait for the standby. For records of which the last may go missing with the primary,
 * and which come so often that waiting ones would take up every connection while the standby is away.
 */
export const onPrimaryOnly = "(SELECT set_config('synchronous_commit', 'local', true)) AS primary_only";

/** `int8` columns arrive as text; beyond 2^53 a `number` would lie. */
export function count(text: unknown): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`not a safe integer: ${String(text)}`);
  return value;
}

/** The only row of a result that always has one. */
export function only<R extends QueryResultRow>(result: QueryResult<R>): R {
  const row = result.rows[0];
  if (row === undefined) throw new Error("a row was expected");
  return row;
}
