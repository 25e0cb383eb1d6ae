import type { Command } from "commander";
import type { ProblemCode } from "#libs/contracts/problems.ts";
import type { Problem } from "#libs/domain/rule-set/documents.ts";
import { exitCodes, worse } from "./exit-codes.ts";
import type { ExitCode } from "./exit-codes.ts";
import { findInputs } from "./input-files.ts";
import type { Style } from "./output.ts";
import { notice, style, writeAll } from "./output.ts";
import { problemLines, resultText } from "./replay-text.ts";
import type { Outcome } from "./scenario-run.ts";
import { runFile } from "./scenario-run.ts";

interface ReplayOptions {
  readonly facts?: true;
  readonly table?: true;
  readonly json?: true;
}

const exitOf = (outcome: Outcome): ExitCode => {
  if (outcome.kind === "refused") return exitCodes.refused;
  if (outcome.kind === "broke") return exitCodes.internal;
  return outcome.result.ok ? exitCodes.ok : exitCodes.failed;
};

/** What is said of a file that did not run. */
function refusal(outcome: Exclude<Outcome, { kind: "ran" }>): { ok: false; problems: readonly Problem[] } {
  if (outcome.kind === "refused") return { ok: false, problems: outcome.problems };
  const code: ProblemCode = "internal_error";
  return { ok: false, problems: [{ path: "$", code, message: outcome.error.message }] };
}

/** `[a,b]` piece by piece, because the facts of a long run do not fit into one string. */
function* list(items: readonly unknown[]): Iterable<string> {
  yield "[";
  for (const [at, item] of items.entries()) yield `${at === 0 ? "" : ","}${JSON.stringify(item)}`;
  yield "]";
}

/** One line of JSON: the result, or why there is none; with its `file` where there are several. */
function* jsonLine(outcome: Outcome, file: string | undefined): Iterable<string> {
  yield file === undefined ? "{" : `{"file":${JSON.stringify(file)},`;
  if (outcome.kind !== "ran") {
    yield `${JSON.stringify(refusal(outcome)).slice(1)}\n`;
    return;
  }
  const { ok, stateHash, answers, facts, invariants } = outcome.result;
  yield `"ok":${ok},"stateHash":${JSON.stringify(stateHash)},"answers":`;
  yield* list(answers);
  yield ',"facts":';
  yield* list(facts);
  yield `,"invariants":${JSON.stringify(invariants)}`;
  if (outcome.warnings.length > 0) yield `,"warnings":${JSON.stringify(outcome.warnings)}`;
  yield "}\n";
}

/** The facts alone, one a line. A file that did not run gives its one line of refusal instead. */
function* factLines(outcome: Outcome, file: string | undefined): Iterable<string> {
  if (outcome.kind !== "ran") {
    yield* jsonLine(outcome, file);
    return;
  }
  for (const fact of outcome.result.facts) yield `${JSON.stringify(file === undefined ? fact : { file, ...fact })}\n`;
}

function* tableLines(outcome: Outcome, file: string | undefined, paint: Style): Iterable<string> {
  if (file !== undefined) yield `${paint.strong(file)}\n`;
  if (outcome.kind === "ran") yield `${resultText(outcome.result, outcome.warnings, paint).join("\n")}\n`;
  else if (outcome.kind === "refused")
    yield `${[paint.bad("refused"), ...problemLines(outcome.problems)].join("\n")}\n`;
  else yield `${paint.bad("internal error")}: ${outcome.error.message}\n`;
  if (file !== undefined) yield "\n";
}

/** Runs the named scenarios one after the other and prints what became of each; the worst outcome is the exit code. */
async function replay(names: readonly string[], options: ReplayOptions): Promise<ExitCode> {
  const { files, many } = await findInputs(names);
  let exit: ExitCode = exitCodes.ok;
  if (files.length === 0) notice("no *.json to run");
  for (const { path } of files) {
    const outcome = await runFile(path);
    const file = many ? path : undefined;
    if (options.table === true) await writeAll(tableLines(outcome, file, style()));
    else await writeAll(options.facts === true ? factLines(outcome, file) : jsonLine(outcome, file));
    if (outcome.kind === "broke") notice(outcome.error.stack ?? outcome.error.message);
    exit = worse(exit, exitOf(outcome));
  }
  return files.length === 0 ? exitCodes.failed : exit;
}

const examples = `
Examples:
  plimsoll replay crash.json                  one JSON object: { ok, stateHash, answers, facts, invariants }
  plimsoll replay crash.json --table          the same for people
  plimsoll replay scenarios/                  every *.json in the folder, a line of JSON each, with its "file"
  plimsoll replay --facts - <crash.json       the facts alone, one a line, from standard input

A file with a mistake is refused whole: { ok: false, problems: [{ path, code, message }] }.
docs/scenario.md describes the files.`;

export function registerReplay(program: Command, finish: (exit: ExitCode) => void): void {
  program
    .command("replay")
    .summary("run scenario files")
    .description("Runs scenario files, each a small exchange: its rules, then what happens, in order.")
    .argument("<file...>", 'scenario files; "-" is standard input, a folder stands for every *.json in it')
    .option("--json", "print one line of JSON per file (the default)")
    .option("--facts", "print the facts alone, one line of JSON each")
    .option("--table", "print tables for people")
    .addHelpText("after", examples)
    .action(async (names: string[], options: ReplayOptions, command: Command) => {
      const forms = [options.json, options.facts, options.table].filter((form) => form === true);
      if (forms.length > 1) command.error("error: --json, --facts and --table exclude each other");
      if (names.filter((name) => name === "-").length > 1) command.error("error: standard input can be read only once");
      finish(await replay(names, options));
    });
}
