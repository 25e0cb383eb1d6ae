import { fileURLToPath } from "node:url";
import { runner } from "node-pg-migrate";

const folder = fileURLToPath(new URL("../../../migrations", import.meta.url));
export const migrationsTable = "plimsoll_migration";

/** `all`: every one that is missing, or back to an empty database. */
export interface MigrateOptions {
  readonly direction?: "up" | "down";
  readonly steps?: number;
}

/**
 * Brings a database to the newest schema, in one transaction under an advisory lock: several may run it at once, and it may run again.
 * Returns the names of the migrations that ran. Throws the driver's errors.
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<string[]> {
  const direction = options.direction ?? "up";
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
