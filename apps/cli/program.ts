import { Command, CommanderError } from "commander";
import { registerAsyncApi } from "./asyncapi.ts";
import { registerAudit } from "./audit.ts";
import { registerCrash } from "./crash.ts";
import { registerDryRun } from "./dry-run.ts";
import { registerEntities } from "./entities.ts";
import type { ExitCode } from "./exit-codes.ts";
import { exitCodes, exitCodesHelp } from "./exit-codes.ts";
import { registerExplain } from "./explain.ts";
import { registerKeys } from "./keys.ts";
import { registerMigrate } from "./migrate.ts";
import { notice } from "./output.ts";
import { registerLive } from "./live/command.ts";
import { registerReplay } from "./replay.ts";
import { registerReview } from "./review.ts";
import { registerToken } from "./token.ts";
import { registerVerify } from "./verify.ts";

function createProgram(finish: (exit: ExitCode) => void): Command {
  const program = new Command("plimsoll")
    .description("The risk core of a crypto derivatives exchange: replay what happened, and show why.")
    .exitOverride()
    .showHelpAfterError("(add --help for usage)")
    .addHelpText("afterAll", exitCodesHelp);
  registerReplay(program, finish);
  registerExplain(program, finish);
  registerCrash(program, finish);
  registerLive(program, finish);
  registerVerify(program, finish);
  registerDryRun(program, finish);
  registerEntities(program, finish);
  registerReview(program, finish);
  registerAsyncApi(program, finish);
  registerMigrate(program, finish);
  registerToken(program, finish);
  registerKeys(program, finish);
  registerAudit(program, finish);
  return program;
}

/** Runs one command line, without the program's name. Never throws; the answer is what the process should end with. */
export async function run(words: readonly string[]): Promise<ExitCode> {
  let exit: ExitCode = exitCodes.ok;
  try {
    const program = createProgram((code) => {
      exit = code;
    });
    await program.parseAsync([...words], { from: "user" });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    notice(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return exitCodes.internal;
  }
}
