import { Batched } from "#libs/process/batched.ts";
import type { Queryable } from "./database.ts";

/** An API key, without its secret, which is kept nowhere. Times in UTC ms. */
export interface ApiKey {
  readonly id: string;
  /** The principal whose key it is. */
  readonly subject: string;
  /** Whose accounts a trader's key reads. */
  readonly owner: string | null;
  readonly roles: readonly string[];
  readonly label: string;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

export type NewApiKey = Omit<ApiKey, "createdAt" | "revokedAt">;

interface Columns {
  id: string;
  subject: string;
  owner: string | null;
  roles: string[];
  label: string;
  created_at: Date;
  expires_at: Date | null;
  revoked_at: Date | null;
}

const columns = "id, subject, owner, roles, label, created_at, expires_at, revoked_at";

const keyOf = (row: Columns): ApiKey => ({
  id: row.id,
  subject: row.subject,
  owner: row.owner,
  roles: row.roles,
  label: row.label,
  createdAt: row.created_at.getTime(),
  expiresAt: row.expires_at?.getTime() ?? null,
  revokedAt: row.revoked_at?.getTime() ?? null,
});

/** Throws `ConstraintBroken` for an id that exists, and for a trader without an owner or an owner without a trader. */
export async function createApiKey(db: Queryable, key: NewApiKey): Promise<void> {
  await db.query({
    text: "INSERT INTO api_key (id, subject, owner, roles, label, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
    values: [
      key.id,
      key.subject,
      key.owner,
      key.roles,
      key.label,
      key.expiresAt === null ? null : new Date(key.expiresAt),
    ],
  });
}

export async function readApiKey(db: Queryable, id: string): Promise<ApiKey | null> {
  return (await readApiKeys(db, [id])).get(id) ?? null;
}

/** Those that exist, by id. */
async function readApiKeys(db: Queryable, ids: readonly string[]): Promise<ReadonlyMap<string, ApiKey>> {
  const { rows } = await db.query<Columns>({
    name: "api_keys_read",
    text: `SELECT ${columns} FROM api_key WHERE id = ANY($1)`,
    values: [ids],
  });
  return new Map(rows.map((row) => [row.id, keyOf(row)]));
}

/** By id, after one. */
export async function listApiKeys(db: Queryable, after: string, limit: number): Promise<ApiKey[]> {
  const { rows } = await db.query<Columns>({
    text: `SELECT ${columns} FROM api_key WHERE id > $1 ORDER BY id LIMIT $2`,
    values: [after, limit],
  });
  return rows.map(keyOf);
}

/** False where there is no such key. One that is revoked already stays as it is. */
export async function revokeApiKey(db: Queryable, id: string): Promise<boolean> {
  const { rows } = await db.query({
    text: "UPDATE api_key SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE id = $1 RETURNING id",
    values: [id],
  });
  return rows.length > 0;
}

/** From now on no token is worth anything that the person was issued before `at` (UTC ms). */
export async function revokeTokens(db: Queryable, subject: string, at: number): Promise<void> {
  await db.query({
    text: `INSERT INTO token_revocation VALUES ($1, $2)
      ON CONFLICT (subject) DO UPDATE SET revoked_before = greatest(token_revocation.revoked_before, excluded.revoked_before)`,
    values: [subject, new Date(at)],
  });
}

/** UTC ms; null: nothing was revoked. */
export async function tokensRevokedBefore(db: Queryable, subject: string): Promise<number | null> {
  return (await revocations(db, [subject])).get(subject) ?? null;
}

/** UTC ms by subject, of those of whom something was revoked. */
async function revocations(db: Queryable, subjects: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.query<{ subject: string; revoked_before: Date }>({
    name: "token_revocations_read",
    text: "SELECT subject, revoked_before FROM token_revocation WHERE subject = ANY($1)",
    values: [subjects],
  });
  return new Map(rows.map((row) => [row.subject, row.revoked_before.getTime()]));
}

/** Of one question. */
const loginsMost = 1_000;

/** Keys and revocations as they are when they are asked for: thousands of connections cost a question now and then, not one each. */
export function directoryOf(db: Queryable): {
  key(id: string): Promise<ApiKey | null>;
  revokedBefore(subject: string): Promise<number | null>;
} {
  const keys = new Batched(async (ids) => readApiKeys(db, ids), loginsMost);
  const revoked = new Batched(async (subjects) => revocations(db, subjects), loginsMost);
  return { key: async (id) => keys.get(id), revokedBefore: async (subject) => revoked.get(subject) };
}
