import { join } from "node:path";
import { createLogUpdate } from "log-update";
import { removeStreams } from "#libs/adapters/nats/index.ts";
import { openDatabase } from "#libs/adapters/postgres/index.ts";
import { connectRedis, removeKeys } from "#libs/adapters/redis/index.ts";
import { wait } from "#libs/process/backoff.ts";
import { useBuilt } from "#libs/process/program.ts";
import { clockSetting } from "#libs/process/clock.ts";
import type { ServerUrls } from "#libs/process/environment.ts";
import { count, minute, usd } from "../crash-figures.ts";
import { buildPrograms } from "../build.ts";
import { style } from "../output.ts";
import { type CrowdArguments, everyProgram, writeRules } from "./crowd.ts";
import { Drill } from "./drill.ts";
import { reckon } from "./ending.ts";
import type { Measured } from "./latencies.ts";
import { interfacePrograms, type Interfaces, makeInterfaces } from "./interfaces.ts";
import { LiveModel } from "./model.ts";
import { Processes } from "./processes.ts";
import { scrape, shares } from "./scrape.ts";
import { type Shown, screen } from "./screen.ts";
import { type Servers, startServers } from "./servers.ts";
import { stagesReached, type Summary, summarise } from "./summary.ts";
import { leaderName } from "./shard-programs.ts";
import { Watch } from "./watch.ts";

export interface LiveOptions extends CrowdArguments {
  readonly speed: number;
  readonly shards: readonly string[];
  /** To the end of the market, then the reckoning. */
  readonly once: boolean;
  /** Asked for nothing special: the whole waterfall must be reached. */
  readonly everyStage: boolean;
  /** Folder that stays; null: a temporary one. */
  readonly keep: string | null;
}

/** Wall ms before the market begins: the processes start meanwhile. */
const leadInMs = 20_000;
const drawMs = 250;
const lineMs = 5_000;
const scrapeMs = 2_000;
const columnsDefault = 100;

/** Starts everything, shows it, and stops it; with `once` gives the summary, else null when `stop` is aborted. */
export async function runLive(options: LiveOptions, given: ServerUrls, stop: AbortSignal): Promise<Summary | null> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  useBuilt(await buildPrograms());
  say("starting servers ...");
  const servers = await startServers(given, options.keep, say);
  const stops: (() => Promise<void>)[] = [() => servers.stop()];
  try {
    const rules = join(servers.folder, "rules.json");
    await writeRules(rules, options);
    const model = new LiveModel();
    const watch = await Watch.open({ ...servers, shards: options.shards }, model);
    stops.push(async () => cleaned(servers, given, watch, options.shards));
    const beganAt = Date.now() + leadInMs;
    const interfaces = await makeInterfaces();
    const processes = new Processes(environmentOf(servers, options, { rules, beganAt, interfaces }));
    stops.push(() => processes.stop());
    await processes.start(everyProgram(options, options.shards), say, stop);
    for (const line of interfaces.lines) say(line);
    const serving = processes.start(interfacePrograms, () => {}, stop);
    // Who cannot be started is missed at the end, and said with the other problems of processes.
    serving.catch(() => {});
    const db = openDatabase({ url: servers.databaseUrl, name: "live", max: 1 });
    stops.push(() => db.close());
    const over = new AbortController();
    stops.push(async () => over.abort());
    const drill = new Drill({ bus: watch.bus, db, model, shards: options.shards, signal: over.signal });
    const view = new View(options, { model, watch, processes, drill, beganAt });
    stops.push(async () => view.stop());
    view.start();
    while (!stop.aborted && !(options.once && processes.marketOver)) await wait(drawMs, stop);
    if (stop.aborted) {
      view.stop();
      say("stopping ...");
      return null;
    }
    const shown = await view.last();
    view.stop();
    const refusals = await drill.ended();
    const served = await serving.then(async () => interfaces.tour());
    const checks = await reckon({ servers, processes, watch, model, shards: options.shards }, say);
    return summarise(shown, options, [stagesReached(model, options.everyStage), refusals, ...served, ...checks]);
  } finally {
    for (const one of stops.reverse()) await one();
  }
}

function environmentOf(
  servers: Servers,
  { shards, from, speed }: LiveOptions,
  { rules, beganAt, interfaces }: { rules: string; beganAt: number; interfaces: Interfaces },
): Readonly<Record<string, string>> {
  return {
    NATS_URL: servers.natsUrl,
    REDIS_URL: servers.redisUrl,
    DATABASE_URL: servers.databaseUrl,
    PLIMSOLL_NAMESPACE: servers.namespace,
    PLIMSOLL_SHARDS: shards.join(","),
    PLIMSOLL_DATA: servers.folder,
    PLIMSOLL_RULES: rules,
    PLIMSOLL_CLOCK: clockSetting(from, speed, beganAt),
    ...interfaces.environment,
  };
}

/** Servers of others are left as they were found. */
async function cleaned(servers: Servers, given: ServerUrls, watch: Watch, shards: readonly string[]): Promise<void> {
  if (given.nats !== null) await removeStreams(watch.bus, shards);
  await watch.close();
  if (given.redis === null) return;
  const redis = await connectRedis({ url: given.redis, name: "live", namespace: servers.namespace, role: "worker" });
  await removeKeys(redis).finally(() => void redis.close());
}

interface Seen {
  readonly model: LiveModel;
  readonly watch: Watch;
  readonly processes: Processes;
  readonly drill: Drill;
  /** Wall ms. */
  readonly beganAt: number;
}

/** On a terminal a picture that is drawn again and again, elsewhere a line now and then. */
class View {
  readonly #options: LiveOptions;
  readonly #seen: Seen;
  readonly #draw = process.stdout.isTTY && process.stderr.isTTY ? createLogUpdate(process.stderr) : null;
  readonly #paint = style();
  readonly #timers: NodeJS.Timeout[] = [];
  #check: Measured | null = null;

  constructor(options: LiveOptions, seen: Seen) {
    this.#options = options;
    this.#seen = seen;
  }

  start(): void {
    const draw = this.#draw;
    this.#timers.push(setInterval(() => void this.#scrape(), scrapeMs));
    if (draw !== null) this.#timers.push(setInterval(() => draw(screen(this.shown())), drawMs));
    else this.#timers.push(setInterval(() => process.stderr.write(`${this.#line()}\n`), lineMs));
  }

  stop(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.#draw?.done();
  }

  shown(): Shown {
    const { model, watch, processes, beganAt } = this.#seen;
    const { speed, from, to, shards } = this.#options;
    return {
      model,
      processes,
      latencies: watch.latencies,
      check: this.#check,
      speed,
      from,
      to,
      elapsedMs: Math.max(0, Date.now() - beganAt),
      shards,
      paint: this.#paint,
      columns: process.stderr.columns ?? columnsDefault,
    };
  }

  /** As it stands now, everything asked once more. */
  async last(): Promise<Shown> {
    await this.#scrape();
    await this.#seen.watch.look().catch(() => {});
    return this.shown();
  }

  async #scrape(): Promise<void> {
    const port = this.#seen.processes.ports.get(leaderName(this.#options.shards[0] as string));
    const text = port === undefined ? null : await scrape(port);
    if (text !== null) this.#check = shares(text, "risk_check_latency_seconds");
  }

  #line(): string {
    const { model, drill } = this.#seen;
    const states = [...model.states.values()].map(
      ({ shard, state, appliedSeq }) => `${shard} ${state} ${count(appliedSeq)}`,
    );
    const stages = [...model.stages]
      .sort(([left], [right]) => left - right)
      .map(([stage, { steps }]) => `${stage}:${steps}`);
    const at = model.t === 0 ? "not begun" : minute(model.t);
    return `${at}  shard ${states.join(", ") || "starting"}  trades ${count(model.venue?.trades ?? 0)}  liquidations ${count(model.liquidations)}  steps by stage ${stages.join(" ") || "none"}  fund paid ${usd(model.fundPaidUsd)}  checks seen to refuse ${drill.shown}`;
  }
}
