import { wait } from "#libs/process/backoff.ts";
import { type LogLine, type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import type { Say } from "./servers.ts";

/** One process of a deployment. */
export interface Program {
  /** Its name here; several may run the same app. */
  readonly name: string;
  readonly app: string;
  readonly arguments?: readonly string[];
  /** Beside those that all processes have. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The line that says it has started: "ready", or "listening" for one that may have to wait for others. */
  readonly ready: string;
}

const restartsMax = 5;
const restartAfterMs = 500;
const problemsKept = 200;

/** The processes of a run. One that ends by itself is started again, as a supervisor would, but not for ever. */
export class Processes {
  readonly #environment: Readonly<Record<string, string>>;
  readonly #running = new Map<string, RunningApp>();
  #stopping = false;
  /** Name → how often it was started again. */
  readonly restarts = new Map<string, number>();
  /** Lines at error or above, the latest last. */
  readonly problems: string[] = [];
  readonly ports = new Map<string, number>();
  /** Hash of the state that a leader left, by name of its process. */
  readonly leftHash = new Map<string, string>();
  /** The crowd has told the recording to its end. */
  marketOver = false;

  constructor(environment: Readonly<Record<string, string>>) {
    this.#environment = environment;
  }

  async start(programs: readonly Program[], say: Say, stop?: AbortSignal): Promise<void> {
    for (const program of programs) {
      if (stop?.aborted === true) return;
      say(`starting ${program.name} ...`);
      const app = await this.#spawn(program);
      await app.whenMessage(program.ready);
    }
  }

  async #spawn(program: Program): Promise<RunningApp> {
    const app = await spawnApp(
      program.app,
      { ...this.#environment, ...program.settings },
      {
        ...(program.arguments === undefined ? {} : { arguments: program.arguments }),
        onLine: (line) => this.#read(program.name, line),
      },
    );
    this.#running.set(program.name, app);
    void app.exit.then(async () => this.#ended(program, app));
    return app;
  }

  #read(name: string, line: LogLine): void {
    if (line["msg"] === "listening" && typeof line["port"] === "number") this.ports.set(name, line["port"]);
    if (line["msg"] === "left" && typeof line["stateHash"] === "string") this.leftHash.set(name, line["stateHash"]);
    if (name === "crowd" && line["msg"] === "the recording has ended") this.marketOver = true;
    if (line["level"] === "error" || line["level"] === "fatal") this.#problem(name, JSON.stringify(line));
  }

  #problem(name: string, text: string): void {
    this.problems.push(`${name}: ${text}`);
    if (this.problems.length > problemsKept) this.problems.shift();
  }

  async #ended(program: Program, app: RunningApp): Promise<void> {
    if (this.#stopping || this.#running.get(program.name) !== app) return;
    const count = (this.restarts.get(program.name) ?? 0) + 1;
    this.restarts.set(program.name, count);
    this.#problem(program.name, `ended by itself: ${app.errors().slice(-problemLines).join(" | ")}`);
    if (count > restartsMax) return;
    await wait(restartAfterMs);
    if (!this.#stopping)
      await this.#spawn(program).catch((error: unknown) => this.#problem(program.name, String(error)));
  }

  /** Those that still run, of all that were started. */
  get states(): readonly { readonly name: string; readonly running: boolean; readonly pid: number }[] {
    return [...this.#running].map(([name, { running, pid }]) => ({ name, running, pid }));
  }

  /** Signals one of them, which is started again as after any end that nobody asked for. */
  signal(name: string, signal: NodeJS.Signals): void {
    const pid = this.#running.get(name)?.pid;
    if (pid !== undefined) process.kill(pid, signal);
  }

  /** Ends one of them for good, in good order. */
  async end(name: string): Promise<void> {
    const app = this.#running.get(name);
    this.#running.delete(name);
    if (app?.running === true) await app.stop();
  }

  /** Ends all: those that were started last first. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const name of [...this.#running.keys()].reverse()) await this.end(name);
  }
}

const problemLines = 5;
