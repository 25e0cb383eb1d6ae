import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Fact } from "#libs/contracts/log.ts";
import { crashOutcome } from "#libs/simulation/crash-outcome.ts";
import { CrashRun, type CrashOptions } from "#libs/simulation/crash-run.ts";
import { crashPolicies, type CrashPolicy } from "#libs/simulation/crash-rules.ts";
import { BadRecording, type RecordedCrash } from "#libs/simulation/recorded-crash.ts";
import { crashEvents, eventFolder, readCrash } from "./crash-files.ts";
import { Progress } from "./crash-progress.ts";
import { comparisonReport, crashReport, type NamedRun } from "./crash-report.ts";
import { Stopwatch } from "./crash-speed.ts";
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

/** Something in the command line or its files is wrong: exit 2. */
class BadRequest extends Error {}

function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) throw new InvalidArgumentError(`a whole number from ${least} to ${most}`);
    return value;
  };
}

/** UTC ms, or an ISO time read as UTC. */
function instant(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  const value = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) || !text.includes("T") ? text : `${text}Z`);
  if (Number.isNaN(value)) throw new InvalidArgumentError("a time such as 2020-03-13T02:00, or UTC milliseconds");
  return value;
}

function patchOf(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as unknown;
  } catch (error) {
    throw new BadRequest(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface Variant {
  readonly name: string;
  readonly policy: CrashPolicy;
  readonly rulesPatch?: unknown;
}

function variantsOf(flags: CrashFlags): readonly Variant[] {
  const { policy } = flags;
  if (flags.compare === "policies") return crashPolicies.map((one) => ({ name: one, policy: one }));
  if (flags.compare === "rules") {
    if (flags.rulesB === undefined) throw new BadRequest("--compare rules needs --rules-b FILE");
    return [
      { name: "rules A", policy },
      { name: "rules B", policy, rulesPatch: patchOf(flags.rulesB) },
    ];
  }
  const rulesPatch = flags.rulesB === undefined ? {} : { rulesPatch: patchOf(flags.rulesB) };
  return [{ name: policy, policy, ...rulesPatch }];
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
    ...(flags.explain === undefined ? {} : { facts: (facts) => (wanted ??= facts.find((fact) => fact.seq === flags.explain)) }),
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

/** The command itself; answers the exit code. */
export function runCrashCommand(flags: CrashFlags): number {
  const crash = readCrash(flags.data === undefined ? eventFolder(flags.event) : resolve(flags.data));
  const explained: unknown[] = [];
  const runs = variantsOf(flags).map((variant) => runOne(crash, flags, variant, explained));
  if (flags.explain !== undefined) console.log(printed(explained.length === 1 ? explained[0] : explained));
  else if (flags.json === true) console.log(printed(runs.length === 1 ? runs[0] : { runs }));
  else console.log(runs.length === 1 ? crashReport(runs[0] as NamedRun) : comparisonReport(runs));
  const path = writeReport(flags, runs);
  if (path !== null) console.error(`report: ${path}`);
  const broken = runs.filter(({ outcome }) => !outcome.invariantsHold);
  for (const { name } of broken) console.error(`${name}: an invariant is broken`);
  const missing = isDefault(flags) ? (runs[0]?.outcome.missing ?? []) : [];
  if (missing.length > 0) console.error(`the default crash did not reach: ${missing.join(", ")}`);
  return broken.length > 0 || missing.length > 0 ? 1 : 0;
}

/** Problems that are the caller's to mend: exit 2, no stack. */
function isRequestProblem(error: unknown): error is Error & { problems?: readonly { path: string; message: string }[] } {
  return error instanceof BadRequest || error instanceof BadRecording || (error instanceof Error && error.name === "RulesRefused");
}

/** Adds `plimsoll crash` to a program. Exit codes: 0 all invariants held; 1 one broke, or the default crash missed a stage; 2 a bad request. */
export function registerCrash(program: Command): void {
  program
    .command("crash")
    .description("replay a recorded market crash against a seeded population, through the whole risk engine")
    .addOption(new Option("--event <name>", "recorded crash").choices([...crashEvents]).default(defaultEvent))
    .option("--data <dir>", "another recorded crash: a folder with crash.json in the same format")
    .option("--accounts <n>", "accounts to generate", whole(10, accountsMax), defaultAccounts)
    .option("--seed <n>", "seed of the population", whole(0, 2 ** 32 - 1), 1)
    .option("--from <time>", "start later than the recording, UTC", instant)
    .option("--to <time>", "end earlier than the recording, UTC", instant)
    .addOption(new Option("--policy <name>", "who is deleveraged").choices([...crashPolicies]).default("queue"))
    .addOption(new Option("--compare <what>", "run the same crash several times, side by side").choices(["policies", "rules"]))
    .option("--rules-b <file>", "rule patch (JSON), laid over the rules of the crash; with --compare rules against them")
    .addOption(new Option("--audit <level>", "how thoroughly the engine checks itself").choices(["light", "full"]).default("light"))
    .option("--report <file>", "where to write the HTML report (default: .data/reports/plimsoll-crash-EVENT.html)")
    .option("--no-report", "write no HTML report")
    .option("--json", "print the outcome as JSON")
    .option("--explain <seq>", "print one fact of the run with its receipt", whole(1, Number.MAX_SAFE_INTEGER))
    .action((flags: CrashFlags) => {
      try {
        process.exitCode = runCrashCommand(flags);
      } catch (error) {
        if (!isRequestProblem(error)) throw error;
        console.error(error.message);
        for (const { path, message } of error.problems ?? []) console.error(`  ${path}: ${message}`);
        process.exitCode = 2;
      }
    });
}

