import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { runner } from "node-pg-migrate";
import { Client } from "pg";

const folder = fileURLToPath(new URL("../../../migrations", import.meta.url));
export const migrationsTable = "plimsoll_migration";

/** `all`: every one that is missing, or back to an empty database. */
export interface MigrateOptions {
  readonly direction?: "up" | "down";
  readonly steps?: number;
}

/**
 * Brings a database to the newest schema, in one transaction under an advisory lock: several may run it at once, and it may run again.
 * Returns the names of the migrations that ran. Only an owner of the schema may migrate; anybody may find that nothing is missing.
 * Throws the driver's errors.
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<string[]> {
  const direction = options.direction ?? "up";
  if (direction === "up" && (await isUpToDate(url))) return [];
  const quiet = (): void => {};
  const done = await runner({
    databaseUrl: { connectionString: url, connectionTimeoutMillis: 5_000, keepAlive: true },
    dir: folder,
    direction,
    count: options.steps ?? Number.POSITIVE_INFINITY,
    migrationsTable,
    checkOrder: true,
    singleTransaction: true,
    advisoryLockMode: "wait",
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  });
  return done.map((one) => one.name);
}

const migrationFile = /^\d+_.*\.sql$/;
const undefinedTable = "42P01";

async function isUpToDate(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 5_000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(`SELECT name FROM ${migrationsTable}`);
    const done = new Set(rows.map((row) => row.name));
    const files = readdirSync(folder).filter((file) => migrationFile.test(file));
    return files.every((file) => done.has(file.replace(/\.sql$/, "")));
  } catch (error) {
    if ((error as { code?: unknown }).code === undefinedTable) return false;
    throw error;
  } finally {
    await client.end();
  }
}
