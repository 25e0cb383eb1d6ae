import { userInfo } from "node:os";
import { appendAudit, ConstraintBroken, openDatabase, type Queryable } from "#libs/adapters/postgres/index.ts";
import { readSettings } from "#libs/process/settings.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { notice } from "./output.ts";

/** Does something privileged in one transaction with its record in the audit chain, in the name of who runs the command. */
export async function audited(
  action: string,
  detail: object,
  work: (db: Queryable) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { databaseUrl: url } = readSettings(undefined, ["database"]);
  const db = openDatabase({ url, name: "cli" });
  try {
    return await db.transaction(async (client) => {
      const exit = await work(client);
      if (exit === exitCodes.ok) await appendAudit(client, { actor: `cli:${userInfo().username}`, action, detail });
      return exit;
    });
  } catch (error) {
    if (!(error instanceof ConstraintBroken)) throw error;
    notice(`refused by the database: ${error.constraint}`);
    return exitCodes.refused;
  } finally {
    await db.close();
  }
}
