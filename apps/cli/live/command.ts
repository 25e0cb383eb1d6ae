import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { readServerUrls } from "#libs/process/environment.ts";
import { ServersMissing } from "#libs/process/servers/index.ts";
import { BadRecording } from "#libs/simulation/recorded-crash.ts";
import { type CrashEvent, crashEvents, eventFolder, readManifest } from "../crash-files.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { instant, real, whole } from "../flags.ts";
import { notice, style, write } from "../output.ts";
import { type LiveOptions, runLive } from "./run.ts";
import { summaryText } from "./summary.ts";

/** What of each recording is shown: from a little before the fall on, so that the crowd can gather. */
const windows: Readonly<Record<CrashEvent, readonly [from: string, to: string]>> = {
  "covid-2020-03": ["2020-03-12T10:20Z", "2020-03-12T11:40Z"],
  "terra-2022-05": ["2022-05-11T00:00Z", "2022-05-11T04:00Z"],
  "ftx-2022-11": ["2022-11-08T17:00Z", "2022-11-08T21:00Z"],
};
const defaults = { crash: "covid-2020-03", speed: 20, traders: 300, seed: 1, shards: 1 } as const;
const limits = { speedMin: 0.1, speedMax: 200, tradersMin: 10, tradersMax: 5_000, shardsMax: 8 } as const;

interface LiveFlags {
  readonly crash: CrashEvent;
  readonly from?: number;
  readonly to?: number;
  readonly speed: number;
  readonly traders: number;
  readonly seed: number;
  readonly shards: number;
  readonly once?: boolean;
  readonly json?: boolean;
  readonly keep?: string;
}

/** Throws `BadRecording` for times outside of the recording. */
function optionsOf(flags: LiveFlags): LiveOptions {
  const { crash, speed, traders, seed, shards } = flags;
  const [first, last] = windows[crash];
  const manifest = readManifest(eventFolder(crash));
  const from = flags.from ?? Date.parse(first);
  const to = flags.to ?? (flags.from === undefined ? Date.parse(last) : manifest.to);
  if (from < manifest.from || to > manifest.to || from >= to) {
    const span = [manifest.from, manifest.to].map((t) => new Date(t).toISOString()).join(" to ");
    throw new BadRecording(`--from and --to must lie within the recording, ${span}, the one before the other`);
  }
  const special = flags.from ?? flags.to ?? (traders < defaults.traders || crash !== defaults.crash ? 0 : undefined);
  return {
    crash,
    from,
    to,
    speed,
    traders,
    seed,
    shards: Array.from({ length: shards }, (_, at) => String(at)),
    once: flags.once === true,
    everyStage: special === undefined,
    keep: flags.keep === undefined ? null : resolve(flags.keep),
  };
}

async function liveCommand(flags: LiveFlags): Promise<ExitCode> {
  const stop = new AbortController();
  // Also when it is pressed again: whoever is in a hurry must not leave servers behind.
  const interrupted = (): void => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, interrupted);
  try {
    const summary = await runLive(optionsOf(flags), readServerUrls(), stop.signal);
    // Interrupted: a clean stop, but of a run whose end was asked for nothing can be said.
    if (summary === null) return flags.once === true ? exitCodes.failed : exitCodes.ok;
    await write(flags.json === true ? `${JSON.stringify(summary, null, 2)}\n` : summaryText(summary, style()));
    return summary.ok ? exitCodes.ok : exitCodes.failed;
  } catch (error) {
    if (!(error instanceof BadRecording || error instanceof ServersMissing)) throw error;
    notice(error.message);
    return exitCodes.refused;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeListener(signal, interrupted);
  }
}

const examples = `
Examples:
  plimsoll live                                    the first fall of 12 March 2020 at 20 times its speed
  plimsoll live --once                             to its end, then every comparison; exit code 0 only if all held
  plimsoll live --crash terra-2022-05 --speed 60
  plimsoll live --traders 1000 --shards 2
  plimsoll live --keep .data/run --once            keeps the servers' data and the venue's journal

Servers: NATS_URL, REDIS_URL and DATABASE_URL where they are set (in a namespace and a database made for the run, removed
at its end), else private ones on free ports. Everything stops with Ctrl-C.`;

/** Adds `plimsoll live` to a program. */
export function registerLive(program: Command, finish: (exit: ExitCode) => void): void {
  program
    .command("live")
    .summary("run the whole product on a recorded crash")
    .description(
      "Starts servers, migrations and every process, lets simulated traders trade on a real matching engine while a recorded crash is the market, and shows it.",
    )
    .addOption(new Option("--crash <name>", "recorded crash").choices([...crashEvents]).default(defaults.crash))
    .option("--from <time>", "where the market begins (UTC, or milliseconds)", instant)
    .option("--to <time>", "where it ends", instant)
    .option("--speed <n>", "times as fast as it was", real(limits.speedMin, limits.speedMax), defaults.speed)
    .option("--traders <n>", "simulated traders", whole(limits.tradersMin, limits.tradersMax), defaults.traders)
    .option("--seed <n>", "seed of the traders", whole(1, 2 ** 31 - 1), defaults.seed)
    .option("--shards <n>", "shards of the risk engine", whole(1, limits.shardsMax), defaults.shards)
    .option("--once", "end with the recording, compare everything, print a summary")
    .option("--json", "the summary as JSON")
    .option("--keep <folder>", "keep the data of the run's own servers here")
    .addHelpText("after", examples)
    .action(async (flags: LiveFlags) => finish(await liveCommand(flags)));
}
