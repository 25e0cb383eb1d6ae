import { randomUUID } from "node:crypto";
import { setTimeout as after } from "node:timers/promises";
import type { Command } from "commander";
import { type Bus, BusRefused, BusTimeout, connectBus, NoResponders } from "#libs/adapters/nats/index.ts";
import type { DryRunReply, DryRunRequest } from "#libs/contracts/live/dry-run.ts";
import { dryRunAccountsMax } from "#libs/contracts/live/dry-run.ts";
import { readJson } from "#libs/contracts/json.ts";
import { ProblemList } from "#libs/contracts/problems.ts";
import type { Problem } from "#libs/domain/rule-set/documents.ts";
import { readSettings } from "#libs/process/settings.ts";
import { dryRunText } from "./dry-run-text.ts";
import { type ExitCode, exitCodes, worse } from "./exit-codes.ts";
import { whole } from "./flags.ts";
import { readInput } from "./input-files.ts";
import { notice, style, write } from "./output.ts";
import { problemLines } from "./replay-text.ts";

interface DryRunOptions {
  readonly rules?: string;
  readonly change?: string;
  readonly accounts?: number;
  readonly shard?: string;
  readonly json?: boolean;
}

const answerMs = 5_000;
/** Between two questions while another run is under way. */
const busyMs = 500;
const depthMax = 16;
const problemsMax = 20;

type Proposal = Pick<DryRunRequest, "document" | "set">;

/** The proposal of a file as it stands; what it means is the backend's to judge. */
async function proposalOf(options: DryRunOptions): Promise<{ proposal: Proposal } | { problems: readonly Problem[] }> {
  const file = await readInput(options.rules ?? options.change ?? "-");
  if (!file.ok) return { problems: file.problems };
  const problems = new ProblemList(problemsMax);
  const json = readJson(Buffer.from(file.bytes).toString("utf8"), depthMax, problems);
  if (json === undefined) return { problems: problems.list() };
  const value = json.value as never;
  return { proposal: options.rules === undefined ? { set: value } : { document: value } };
}

/** Asks again until the run has ended; a run of somebody else's is waited for. */
async function ended(bus: Bus, shard: string, request: DryRunRequest): Promise<DryRunReply> {
  for (;;) {
    const reply = await bus.request<DryRunReply>(bus.names.subjects.rpc(shard, "dry-run"), request, {
      timeoutMs: answerMs,
    });
    if (reply.state === "busy") await after(busyMs);
    else if (reply.state !== "running") return reply;
  }
}

/** What the border says of a question that it cannot read. */
function problemsOf(error: BusRefused): readonly Problem[] {
  const { problems } = (error.body ?? {}) as { readonly problems?: readonly Problem[] };
  return problems ?? [{ path: "$", code: "unreadable", message: error.message }];
}

async function answerOf(bus: Bus, shard: string, request: DryRunRequest): Promise<DryRunReply> {
  try {
    return await ended(bus, shard, request);
  } catch (error) {
    if (error instanceof BusRefused && error.code === 400) return { state: "refused", problems: problemsOf(error) };
    if (error instanceof NoResponders || error instanceof BusTimeout)
      return { state: "failed", why: "no follower of the shard answers: apps/margin/main.ts follower" };
    throw error;
  }
}

const exitOf = ({ state }: DryRunReply): ExitCode =>
  state === "done" ? exitCodes.ok : state === "refused" ? exitCodes.refused : exitCodes.failed;

async function show(shard: string, reply: DryRunReply, json: boolean): Promise<void> {
  if (json) await write(`${JSON.stringify({ shard, ...reply })}\n`);
  else if (reply.state === "done") await write(`${dryRunText(shard, reply.seq, reply.result, style()).join("\n")}\n`);
  else if (reply.state === "refused") await write(`${["refused", ...problemLines(reply.problems)].join("\n")}\n`);
  else notice(`shard ${shard}: ${reply.state === "failed" ? reply.why : reply.state}`);
}

async function dryRun(options: DryRunOptions): Promise<ExitCode> {
  const read = await proposalOf(options);
  const json = options.json === true;
  if ("problems" in read) {
    await show("", { state: "refused", problems: read.problems }, json);
    return exitCodes.refused;
  }
  const settings = readSettings(undefined, ["nats"]);
  const { natsUrl: url, natsUser: user, natsPassword: password, namespace } = settings;
  const bus = await connectBus({ url, user, password, name: "dry-run", namespace });
  const accounts = options.accounts === undefined ? {} : { accounts: options.accounts };
  let exit: ExitCode = exitCodes.ok;
  try {
    for (const shard of options.shard === undefined ? settings.shards : [options.shard]) {
      const reply = await answerOf(bus, shard, { run: randomUUID(), ...read.proposal, ...accounts });
      await show(shard, reply, json);
      exit = worse(exit, exitOf(reply));
    }
  } finally {
    await bus.close();
  }
  return exit;
}

const about = `
Nothing is changed: two copies of the book as it stands are judged, one under the rules in force, one under those
proposed. The answer names the entry that the copies were made after.

Examples:
  plimsoll dry-run --rules new.json              a whole rule document
  plimsoll dry-run --change tighter.json --json  laid over the rules in force: {"limits":{"maxLeverage":"5"}}`;

export function registerDryRun(program: Command, finish: (exit: ExitCode) => void): void {
  program
    .command("dry-run")
    .summary("what would these rules do to the live book?")
    .description(
      "Asks the follower of a shard (NATS_URL) which accounts proposed rules would refuse, warn, liquidate or release, and by how much money.",
    )
    .option("--rules <file>", 'a whole rule document; "-" is standard input')
    .option("--change <file>", "a change of the rules in force: objects key by key, lists of objects by id")
    .option("--accounts <n>", "accounts to name, worst first; totals are over all", whole(1, dryRunAccountsMax))
    .option("--shard <id>", "one shard; else every one of PLIMSOLL_SHARDS")
    .option("--json", "one line of JSON per shard")
    .addHelpText("after", about)
    .action(async (options: DryRunOptions, command: Command) => {
      if ((options.rules === undefined) === (options.change === undefined))
        command.error("error: one of --rules and --change must be given");
      finish(await dryRun(options));
    });
}
