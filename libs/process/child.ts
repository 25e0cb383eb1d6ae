import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

export interface ChildOptions {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly folder?: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** Sent to the child when this process, or the thread that started it, dies by whatever cause. */
  readonly whenParentDies?: "KILL" | "QUIT" | "TERM";
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly onLine?: (line: string, stream: "stdout" | "stderr") => void;
}

export interface Child {
  readonly pid: number;
  readonly exit: Promise<ChildExit>;
  readonly running: boolean;
  kill(signal: NodeJS.Signals): void;
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const lineLengthMax = 100_000;

/** One listener for all of them, however many a run starts. */
const alive = new Set<ChildProcess>();
const killAll = (): void => {
  for (const child of alive) child.kill("SIGKILL");
};

/** Starts a process whose output is read to its end and which does not outlive this one. Throws when it cannot start. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { command, prefix } = guarded(options);
  const child = spawn(command, [...prefix, ...options.arguments], {
    cwd: options.folder,
    env: options.environment ?? process.env,
    stdio: ["ignore", "pipe", "pipe"],
    // Ctrl-C is for whoever started it all, who ends the others in order.
    detached: true,
  });
  const onLine = options.onLine ?? (() => {});
  readLines(child, "stdout", onLine);
  readLines(child, "stderr", onLine);
  if (alive.size === 0) process.on("exit", killAll);
  alive.add(child);
  let running = true;
  const exit = new Promise<ChildExit>((resolve) => {
    // Both: a process that never started has no "close", and the last lines come after "exit".
    child.once("close", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: null, signal: null }));
  }).finally(() => {
    running = false;
    alive.delete(child);
    if (alive.size === 0) process.removeListener("exit", killAll);
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  return {
    pid: child.pid as number,
    exit,
    get running() {
      return running;
    },
    kill: (signal) => void child.kill(signal),
  };
}

function readLines(child: ChildProcess, name: "stdout" | "stderr", onLine: NonNullable<ChildOptions["onLine"]>): void {
  const stream = child[name];
  if (stream === null) return;
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) => {
    onLine(line.slice(0, lineLengthMax), name);
  });
}

/** `setpriv` (util-linux) drops privileges and asks the kernel to signal the child when its parent dies. */
function guarded(options: ChildOptions): { command: string; prefix: string[] } {
  const setpriv = findOnPath("setpriv");
  if (setpriv === null) {
    if (options.user !== undefined)
      throw new Error("setpriv (Debian package util-linux) is needed to drop root's rights");
    return { command: options.command, prefix: [] };
  }
  const prefix = ["--pdeathsig", options.whenParentDies ?? "KILL"];
  if (options.user !== undefined) {
    prefix.push("--reuid", String(options.user.uid), "--regid", String(options.user.gid), "--clear-groups");
  }
  return { command: setpriv, prefix: [...prefix, "--", options.command] };
}

/** Folders of servers and administrators, which a user's PATH may lack. */
export const systemFolders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** The path of a program, or null. */
export function findOnPath(program: string, moreFolders: readonly string[] = []): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...systemFolders, ...moreFolders];
  const found = folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
  return found ?? null;
}
