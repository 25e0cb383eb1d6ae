import type { Command } from "commander";
import { migrate } from "#libs/adapters/postgres/index.ts";
import { readSettings } from "#libs/process/settings.ts";
import type { ExitCode } from "./exit-codes.ts";
import { exitCodes } from "./exit-codes.ts";
import { notice, write } from "./output.ts";

async function bringUpToDate(): Promise<ExitCode> {
  try {
    const { databaseUrl } = readSettings(undefined, ["database"]);
    for (const name of await migrate(databaseUrl)) await write(`${name}\n`);
    return exitCodes.ok;
  } catch (error) {
    notice(`the schema could not be brought up to date: ${error instanceof Error ? error.message : String(error)}`);
    return exitCodes.failed;
  }
}

export function registerMigrate(program: Command, finish: (exit: ExitCode) => void): void {
  program
    .command("migrate")
    .summary("bring the database to the newest schema")
    .description(
      "Runs the migrations that DATABASE_URL's database lacks, as its owner, and names them. Several at once are safe.",
    )
    .action(async () => finish(await bringUpToDate()));
}
