import { pino } from "pino";
import { SettingsRefused } from "./settings.ts";

export const exitCodes = { clean: 0, failed: 1, refusedSettings: 2 } as const;
/** A process that cannot stop in this time is ended: its state is safe at every moment. */
export const stopWithinMs = 8_000;

/** The part of a logger that this module needs. */
export interface LifecycleLogger {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface App {
  readonly name: string;
  /** Aborts when the process begins to stop. */
  readonly signal: AbortSignal;
  /** Called once, last registered first; a rejection is logged and the others still run. */
  onStop(stop: () => Promise<void> | void): void;
  /** From now on start, stop and failure are written here. */
  logTo(logger: LifecycleLogger): void;
  /** Stops cleanly; the process ends with exit code 0. */
  stop(why: string): void;
  /** Stops because it cannot go on; the process ends with exit code 1. */
  fail(error: unknown): void;
}

/**
 * The frame of every process: SIGTERM and SIGINT stop it cleanly, an error that nobody caught stops it with code 1, settings
 * that cannot be used with 2. `main` returns when everything is set up; the process goes on until it is stopped.
 */
export async function runApp(name: string, main: (app: App) => Promise<void>): Promise<void> {
  const run = new Run(name);
  process.once("SIGTERM", () => run.end("SIGTERM", exitCodes.clean));
  process.once("SIGINT", () => run.end("SIGINT", exitCodes.clean));
  process.on("uncaughtException", (error) => run.fail(error));
  process.on("unhandledRejection", (reason) => run.fail(reason));
  try {
    await main(run);
  } catch (error) {
    run.fail(error);
  }
  process.exit(await run.ended);
}

class Run implements App {
  readonly name: string;
  readonly ended: Promise<number>;
  readonly #abort = new AbortController();
  readonly #stops: (() => Promise<void> | void)[] = [];
  #logger: LifecycleLogger;
  #resolve: (code: number) => void = () => {};
  #ending = false;

  constructor(name: string) {
    this.name = name;
    this.#logger = pino({ name });
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  onStop(stop: () => Promise<void> | void): void {
    this.#stops.push(stop);
  }

  logTo(logger: LifecycleLogger): void {
    this.#logger = logger;
  }

  stop(why: string): void {
    this.end(why, exitCodes.clean);
  }

  fail(error: unknown): void {
    const message = withoutPasswords(error instanceof Error ? error.message : String(error));
    const stack = error instanceof Error ? withoutPasswords(error.stack ?? "") : undefined;
    const refused = error instanceof SettingsRefused;
    if (refused) this.#logger.error({ problems: error.problems }, "settings refused");
    else this.#logger.error({ error: message, stack }, "failed");
    this.end(message, refused ? exitCodes.refusedSettings : exitCodes.failed);
  }

  end(why: string, code: number): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#logger.info({ why }, "stopping");
    const late = setTimeout(() => {
      this.#logger.error({ withinMs: stopWithinMs }, "did not stop in time");
      process.exit(exitCodes.failed);
    }, stopWithinMs);
    this.#abort.abort();
    void this.#stopAll().then((clean) => {
      clearTimeout(late);
      this.#logger.info({ code }, "stopped");
      this.#resolve(clean ? code : Math.max(code, exitCodes.failed));
    });
  }

  async #stopAll(): Promise<boolean> {
    let clean = true;
    for (let stop = this.#stops.pop(); stop !== undefined; stop = this.#stops.pop()) {
      try {
        await stop();
      } catch (error) {
        clean = false;
        this.#logger.error({ error: withoutPasswords(String(error)) }, "a part did not stop cleanly");
      }
    }
    return clean;
  }
}

const withoutPasswords = (text: string): string => text.replace(/(\w:\/\/[^\s:@/]*):[^\s@/]*@/g, "$1:***@");
