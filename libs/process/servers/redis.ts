import { ask } from "./ask.ts";
import { serverProgram } from "./binaries.ts";
import { serverHost, startServer } from "./server.ts";
import type { PrivateServer, ServerOptions } from "./server.ts";

export interface RedisOptions extends ServerOptions {
  /** Whether writes survive the death of the process. */
  readonly persistence?: "append-only" | "none";
}

/** A Redis server that never evicts; `identity` is its run id (`INFO server`). */
export async function startRedis(options: RedisOptions = {}): Promise<PrivateServer> {
  const program = serverProgram("redis-server");
  const appendOnly = (options.persistence ?? "append-only") === "append-only";
  return startServer(
    {
      name: "redis",
      stopSignal: "SIGTERM",
      whenParentDies: "KILL",
      url: (port) => `redis://${serverHost}:${port}`,
      command: (port, folder) => ({ command: program, arguments: serverArguments(port, folder, appendOnly) }),
      identify,
    },
    options,
  );
}

function serverArguments(port: number, folder: string, appendOnly: boolean): string[] {
  const settings = {
    port: String(port),
    bind: serverHost,
    dir: folder,
    appendonly: appendOnly ? "yes" : "no",
    appendfsync: "everysec",
    save: "",
    "maxmemory-policy": "noeviction",
    daemonize: "no",
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

async function identify(port: number, pid: number): Promise<string | null> {
  const answer = await ask(port, serverHost, "INFO\r\n", isWholeBulk);
  if (answer === null) return null;
  const field = (name: string): string | undefined => new RegExp(`^${name}:(.*)\r$`, "m").exec(answer)?.[1];
  return field("process_id") === String(pid) && field("loading") === "0" ? (field("run_id") ?? null) : null;
}

/** `$<length>\r\n<that many bytes>\r\n`; INFO is ASCII. */
function isWholeBulk(answer: string): boolean {
  const length = /^\$(\d+)\r\n/.exec(answer);
  return length !== null && answer.length >= length[0].length + Number(length[1]) + 2;
}
