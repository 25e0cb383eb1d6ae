import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { wait } from "../backoff.ts";
import { startChild } from "../child.ts";
import type { Child, ChildOptions } from "../child.ts";
import { freePort } from "./ports.ts";

/** A server of its own, on its own port and data, that ends with the process that started it. */
export interface PrivateServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly folder: string;
  /** What the server itself says it is; a client that reads the same talks to this server. Changes at a restart for NATS and Redis. */
  readonly identity: string;
  readonly running: boolean;
  /** SIGKILL to the server; resolves when it is gone. The data stays. */
  kill(): Promise<void>;
  /** Stops the process without ending it, so that its links are half open; `thaw` lets it go on. */
  freeze(): void;
  thaw(): void;
  /** Kills it if it runs, then starts it again on the same port and data. */
  restart(): Promise<void>;
  /** Ends it; a temporary folder is removed, a given one stays. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** Data lives here and stays. Absent: in a temporary folder that `stop` removes. */
  readonly dir?: string;
  /** Absent: a free one. */
  readonly port?: number;
}

/** How to run one kind of server. */
export interface ServerKind {
  readonly name: string;
  readonly command: (
    port: number,
    folder: string,
  ) => Pick<ChildOptions, "command" | "arguments" | "environment" | "user">;
  readonly url: (port: number) => string;
  /** Once, before the first start on a folder. */
  readonly prepare?: (folder: string) => Promise<void> | void;
  /** What the server says it is, once it can be used; null while it cannot. */
  readonly identify: (port: number, pid: number, folder: string) => Promise<string | null>;
  /** Ends it in good order, faster than a timeout. */
  readonly stopSignal: NodeJS.Signals;
  readonly whenParentDies: "KILL" | "QUIT";
}

export const serverHost = "127.0.0.1";
const startWithinMs = 20_000;
const stopWithinMs = 10_000;
const pollMs = 10;
const portTries = 5;
const outputKept = 50;

class PortTaken extends Error {}

export async function startServer(kind: ServerKind, options: ServerOptions): Promise<PrivateServer> {
  const temporary = options.dir === undefined;
  const folder = options.dir ?? mkdtempSync(join(tmpdir(), `plimsoll-${kind.name}-`));
  if (!temporary) mkdirSync(folder, { recursive: true });
  const server = new Server(kind, folder, temporary);
  try {
    await kind.prepare?.(folder);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await server.start(options.port ?? (await freePort(serverHost)));
        return server;
      } catch (error) {
        if (!(error instanceof PortTaken) || options.port !== undefined || attempt >= portTries) throw error;
      }
    }
  } catch (error) {
    await server.stop();
    throw error;
  }
}

class Server implements PrivateServer {
  readonly host = serverHost;
  readonly folder: string;
  readonly #kind: ServerKind;
  readonly #temporary: boolean;
  #child: Child | null = null;
  #port = 0;
  #identity = "";

  constructor(kind: ServerKind, folder: string, temporary: boolean) {
    this.#kind = kind;
    this.folder = folder;
    this.#temporary = temporary;
  }

  get url(): string {
    return this.#kind.url(this.#port);
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get identity(): string {
    return this.#identity;
  }

  get running(): boolean {
    return this.#child?.running ?? false;
  }

  async start(port: number): Promise<void> {
    const output: string[] = [];
    const child = await startChild({
      ...this.#kind.command(port, this.folder),
      folder: this.folder,
      whenParentDies: this.#kind.whenParentDies,
      onLine(line) {
        output.push(line);
        if (output.length > outputKept) output.shift();
      },
    });
    this.#child = child;
    this.#port = port;
    const until = performance.now() + startWithinMs;
    for (;;) {
      const identity = await this.#kind.identify(port, child.pid, this.folder);
      if (identity !== null && child.running) {
        this.#identity = identity;
        return;
      }
      if (!child.running) throw startError(this.#kind.name, "ended", output);
      if (performance.now() > until) {
        await this.kill();
        throw startError(this.#kind.name, `was not ready after ${startWithinMs} ms`, output);
      }
      await wait(pollMs);
    }
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.exit;
  }

  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  async restart(): Promise<void> {
    await this.kill();
    const until = performance.now() + startWithinMs;
    for (;;) {
      try {
        await this.start(this.#port);
        return;
      } catch (error) {
        // Connections of the killed one may hold the port for a moment.
        if (!(error instanceof PortTaken) || performance.now() > until) throw error;
        await wait(pollMs);
      }
    }
  }

  async stop(): Promise<void> {
    if (this.running) {
      const late = setTimeout(() => this.#child?.kill("SIGKILL"), stopWithinMs);
      this.#child?.kill("SIGCONT");
      this.#child?.kill(this.#kind.stopSignal);
      await this.#child?.exit;
      clearTimeout(late);
    }
    if (this.#temporary) rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function startError(name: string, what: string, output: readonly string[]): Error {
  const said = output.join("\n");
  const taken = /address already in use|could not bind|Could not create server TCP listening/i.test(said);
  return taken ? new PortTaken(`${name}: its port is taken\n${said}`) : new Error(`${name} ${what}\n${said}`);
}
