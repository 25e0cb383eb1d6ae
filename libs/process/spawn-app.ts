import { join } from "node:path";
import { startChild } from "./child.ts";
import type { Child, ChildExit } from "./child.ts";
import { lineMemory } from "./line-memory.ts";
import { builtEnvironment, programArguments } from "./program.ts";
import { rootFolder } from "./root.ts";

/** One line of a process's log. Lines that are no JSON object come as `{ text }`. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface RunningApp {
  readonly name: string;
  readonly pid: number;
  readonly exit: Promise<ChildExit>;
  readonly running: boolean;
  /** The last lines of stdout. */
  lines(): readonly LogLine[];
  /** The last lines of stderr. */
  errors(): readonly string[];
  /** The first line, kept or to come, that fits. Rejects after `withinMs`, or when the process ends first. */
  whenLine(fits: (line: LogLine) => boolean, withinMs?: number): Promise<LogLine>;
  /** The line "ready", or the given one. */
  whenMessage(message: string, withinMs?: number): Promise<LogLine>;
  /** Signals, then waits for the end. SIGKILL unless told otherwise. */
  kill(signal?: NodeJS.Signals): Promise<ChildExit>;
  /** SIGTERM; SIGKILL when that has not ended it in time. */
  stop(withinMs?: number): Promise<ChildExit>;
}

const linesKept = 5_000;
const errorsKept = 200;
const errorsShown = 20;
const lineWithinMs = 30_000;
const stopWithinMs = 10_000;

/** Starts `apps/<name>/main.ts` with exactly these variables beside the system's own. */
export async function spawnApp(
  name: string,
  environment: Readonly<Record<string, string>>,
  options: {
    readonly program?: string;
    /** Where it runs; the project's by default. */
    readonly folder?: string;
    readonly arguments?: readonly string[];
    readonly onLine?: (line: LogLine) => void;
  } = {},
): Promise<RunningApp> {
  const program = options.program ?? join(rootFolder, "apps", name, "main.ts");
  const out = lineMemory<LogLine>(linesKept);
  const err = lineMemory<string>(errorsKept);
  const child = await startChild({
    command: process.execPath,
    arguments: [...programArguments(program), ...(options.arguments ?? [])],
    folder: options.folder ?? rootFolder,
    environment: { ...systemVariables(), ...builtEnvironment(), ...environment },
    onLine(line, stream) {
      if (stream === "stderr") return err.add(line);
      const read = readLine(line);
      out.add(read);
      options.onLine?.(read);
    },
  });
  void child.exit.then((exit) => out.end(() => `${name} ended ${howEnded(exit)}\n${lastWords(out.all(), err.all())}`));
  return handleOf(name, child, out, err);
}

function handleOf(
  name: string,
  child: Child,
  out: ReturnType<typeof lineMemory<LogLine>>,
  err: ReturnType<typeof lineMemory<string>>,
): RunningApp {
  const kill = async (signal: NodeJS.Signals): Promise<ChildExit> => {
    child.kill(signal);
    return child.exit;
  };
  return {
    name,
    pid: child.pid,
    exit: child.exit,
    get running() {
      return child.running;
    },
    lines: () => out.all(),
    errors: () => err.all(),
    whenLine: async (fits, withinMs = lineWithinMs) => out.when(fits, withinMs, `the line of ${name}`),
    whenMessage: async (message, withinMs = lineWithinMs) =>
      out.when((line) => line["msg"] === message, withinMs, `${name}'s line "${message}"`),
    kill: async (signal = "SIGKILL") => kill(signal),
    async stop(withinMs = stopWithinMs) {
      const late = setTimeout(() => child.kill("SIGKILL"), withinMs);
      return kill("SIGTERM").finally(() => clearTimeout(late));
    },
  };
}

function readLine(line: string): LogLine {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as LogLine;
  } catch {
    // Not JSON: kept as it is.
  }
  return { text: line };
}

const howEnded = ({ code, signal }: ChildExit): string =>
  signal === null ? `with code ${code ?? "?"}` : `by ${signal}`;

function lastWords(lines: readonly LogLine[], errors: readonly string[]): string {
  const said = lines.slice(-errorsShown).map((line) => JSON.stringify(line));
  return [...said, ...errors.slice(-errorsShown)].join("\n");
}

/** Settings of this process must not leak into the one it starts. */
const passedOn = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "NODE_OPTIONS", "NODE_EXTRA_CA_CERTS"];

function systemVariables(): NodeJS.ProcessEnv {
  const present = passedOn.filter((name) => process.env[name] !== undefined);
  return Object.fromEntries(present.map((name) => [name, process.env[name]]));
}
