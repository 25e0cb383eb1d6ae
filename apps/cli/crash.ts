import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Command, Option } from "commander";
import type { Fact } from "#libs/contracts/log.ts";
import { crashOutcome } from "#libs/simulation/crash-outcome.ts";
import { CrashRun, type CrashOptions } from "#libs/simulation/crash-run.ts";
import { crashPolicies, type CrashPolicy } from "#libs/simulation/crash-rules.ts";
import { BadRecording, type RecordedCrash } from "#libs/simulation/recorded-crash.ts";
import { crashEvents, eventFolder, readCrash } from "./crash-files.ts";
import { PatchRefused, readPatch } from "./crash-patch.ts";
import { Progress } from "./crash-progress.ts";
import { comparisonReport, crashReport, type NamedRun } from "./crash-report.ts";
import { Stopwatch } from "./crash-speed.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { instant, whole } from "./flags.ts";
import { notice, write } from "./output.ts";
import { problemLines } from "./replay-text.ts";
import { htmlReport } from "./report-html.ts";

/** The crash that `plimsoll crash` runs when it is told nothing: it must show the whole ladder. */
const defaultEvent = "covid-2020-03";
const defaultAccounts = 20_000;
const accountsMax = 1_000_000;

export interface CrashFlags {
  readonly event: string;
  readonly data?: string;
  readonly accounts: number;
  readonly seed: number;
  readonly from?: number;
  readonly to?: number;
  readonly policy: CrashPolicy;
  readonly compare?: "policies" | "rules";
  readonly rulesB?: string;
  readonly audit: "light" | "full";
  readonly report: string | boolean;
  readonly json?: boolean;
  readonly explain?: number;
}

interface Variant {
  readonly name: string;
  readonly policy: CrashPolicy;
  readonly rulesPatch?: unknown;
}

/** One variant, or those that are compared; with a patch but no comparison of rules it holds for all. */
function variantsOf(flags: CrashFlags, crash: RecordedCrash): readonly Variant[] {
  const { policy } = flags;
  const patched = flags.rulesB === undefined ? {} : { rulesPatch: readPatch(flags.rulesB, crash) };
  if (flags.compare === "policies") return crashPolicies.map((one) => ({ name: one, policy: one, ...patched }));
  const one = { name: policy, policy, ...patched };
  return flags.compare === "rules"
    ? [
        { name: "rules A", policy },
        { ...one, name: "rules B" },
      ]
    : [one];
}

/** Runs one variant to its end; `explain` collects what is known of one fact. */
function runOne(crash: RecordedCrash, flags: CrashFlags, variant: Variant, explained: unknown[]): NamedRun {
  const watch = new Stopwatch();
  const progress = new Progress(variant.name);
  let wanted: Fact | undefined;
  const options: CrashOptions = {
    accounts: flags.accounts,
    seed: flags.seed,
    policy: variant.policy,
    audit: flags.audit,
    receipts: flags.explain !== undefined,
    ...(flags.from === undefined ? {} : { from: flags.from }),
    ...(flags.to === undefined ? {} : { to: flags.to }),
    ...(variant.rulesPatch === undefined ? {} : { rulesPatch: variant.rulesPatch }),
    observe: (engine) => watch.watch(engine),
    progress: (at) => progress.show(at),
    ...(flags.explain === undefined
      ? {}
      : { facts: (facts) => (wanted ??= facts.find((fact) => fact.seq === flags.explain)) }),
  };
  const run = new CrashRun(crash, options);
  run.run();
  progress.done();
  if (flags.explain !== undefined)
    explained.push({ fact: wanted ?? null, receipt: run.engine.receiptOf(flags.explain) ?? null });
  return { name: variant.name, outcome: crashOutcome(run), speed: watch.speed() };
}

/** Whether this is the crash that has to show every rung of the ladder. */
const isDefault = (flags: CrashFlags): boolean =>
  flags.event === defaultEvent &&
  flags.data === undefined &&
  flags.seed === 1 &&
  flags.accounts === defaultAccounts &&
  flags.from === undefined &&
  flags.to === undefined &&
  flags.rulesB === undefined;

function printed(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === "bigint" ? one.toString() : one), 2);
}

function writeReport(flags: CrashFlags, runs: readonly NamedRun[]): string | null {
  if (flags.report === false) return null;
  const event = runs[0]?.outcome.event ?? flags.event;
  const named = typeof flags.report === "string" ? flags.report : `.data/reports/plimsoll-crash-${event}.html`;
  const path = resolve(named);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, htmlReport(runs));
  return path;
}

function answerOf(flags: CrashFlags, runs: readonly NamedRun[], explained: readonly unknown[]): string {
  if (flags.explain !== undefined) return printed(explained.length === 1 ? explained[0] : explained);
  if (flags.json === true) return printed(runs.length === 1 ? runs[0] : { runs });
  return runs.length === 1 ? crashReport(runs[0] as NamedRun) : comparisonReport(runs);
}

/** Runs what the flags ask for, prints the answer and writes the page. Throws `BadRecording` and `PatchRefused`. */
async function crashCommand(flags: CrashFlags): Promise<ExitCode> {
  const crash = readCrash(flags.data === undefined ? eventFolder(flags.event) : resolve(flags.data));
  const explained: unknown[] = [];
  const runs = variantsOf(flags, crash).map((variant) => runOne(crash, flags, variant, explained));
  await write(`${answerOf(flags, runs, explained)}\n`);
  const path = writeReport(flags, runs);
  if (path !== null) notice(`report written to ${path}`);
  const broken = runs.filter(({ outcome }) => !outcome.invariantsHold);
  for (const { name } of broken) notice(`${name}: an invariant is broken`);
  const missing = isDefault(flags) ? (runs[0]?.outcome.missing ?? []) : [];
  if (missing.length > 0) notice(`the default crash did not reach: ${missing.join(", ")}`);
  return broken.length > 0 || missing.length > 0 ? exitCodes.failed : exitCodes.ok;
}

/** The command, with what is wrong with its input told instead of thrown. */
async function crashOrRefusal(flags: CrashFlags): Promise<ExitCode> {
  try {
    return await crashCommand(flags);
  } catch (error) {
    if (!(error instanceof BadRecording || error instanceof PatchRefused)) throw error;
    const problems =
      error instanceof PatchRefused ? error.problems : [{ path: "$", code: "bad_recording", message: error.message }];
    const lines = [error.message, ...problemLines(problems)].join("\n");
    await write(flags.json === true ? `${JSON.stringify({ ok: false, problems })}\n` : `${lines}\n`);
    return exitCodes.refused;
  }
}

const examples = `
Examples:
  plimsoll crash                                        12 and 13 March 2020, 20,000 accounts, and a page about it
  plimsoll crash --event terra-2022-05 --accounts 5000
  plimsoll crash --from 2020-03-13T01:00 --to 2020-03-13T04:00
  plimsoll crash --compare policies                     who is deleveraged under each policy
  plimsoll crash --compare rules --rules-b patch.json   the same crash under changed rules

The same event, accounts, seed and rules give the same state hash on every machine.`;

/** Adds `plimsoll crash` to a program. */
export function registerCrash(program: Command, finish: (exit: ExitCode) => void): void {
  program
    .command("crash")
    .summary("replay a recorded market crash")
    .description("Replays a recorded market crash against a generated population, through the whole risk engine.")
    .addOption(new Option("--event <name>", "recorded crash").choices([...crashEvents]).default(defaultEvent))
    .option(
      "--data <folder>",
      "another recorded crash: a folder with crash.json, or with bars in files named venue_SYMBOL_bar.csv[.gz]",
    )
    .option("--accounts <n>", "accounts to generate", whole(10, accountsMax), defaultAccounts)
    .option("--seed <n>", "seed of the population", whole(0, 2 ** 32 - 1), 1)
    .option("--from <time>", "start later than the recording (UTC, or milliseconds)", instant)
    .option("--to <time>", "end earlier than the recording", instant)
    .addOption(new Option("--policy <name>", "who is deleveraged").choices([...crashPolicies]).default("queue"))
    .addOption(
      new Option("--compare <what>", "run the crash several times, side by side").choices(["policies", "rules"]),
    )
    .option("--rules-b <file>", "a rule patch (JSON) laid over the rules of the crash")
    .addOption(
      new Option("--audit <level>", "how thoroughly the engine checks itself")
        .choices(["light", "full"])
        .default("light"),
    )
    .option("--report <file>", "where to write the page (default: .data/reports/plimsoll-crash-EVENT.html)")
    .option("--no-report", "write no page")
    .option("--json", "print the outcome as JSON")
    .option("--explain <seq>", "print one fact of the run with its receipt", whole(1, Number.MAX_SAFE_INTEGER))
    .addHelpText("after", examples)
    .action(async (flags: CrashFlags, command: Command) => {
      if (flags.compare === "rules" && flags.rulesB === undefined)
        command.error("error: --compare rules needs --rules-b");
      finish(await crashOrRefusal(flags));
    });
}
