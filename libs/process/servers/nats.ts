import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask } from "./ask.ts";
import { serverProgram } from "./binaries.ts";
import { serverHost, startServer } from "./server.ts";
import type { PrivateServer, ServerOptions } from "./server.ts";

export interface NatsOptions extends ServerOptions {
  readonly user?: string;
  readonly password?: string;
  /** Largest message, bytes. */
  readonly maxPayload?: number;
}

/** A NATS server with JetStream; `identity` is its server id, which a client sees as `info.server_id`. */
export async function startNats(options: NatsOptions = {}): Promise<PrivateServer> {
  const program = serverProgram("nats-server");
  return startServer(
    {
      name: "nats",
      stopSignal: "SIGTERM",
      whenParentDies: "KILL",
      url: (port) => `nats://${serverHost}:${port}`,
      prepare: (folder) => writeFileSync(join(folder, "nats.conf"), configuration(folder, options), { mode: 0o600 }),
      command: (port, folder) => ({
        command: program,
        arguments: [
          "-c",
          join(folder, "nats.conf"),
          "-a",
          serverHost,
          "-p",
          String(port),
          "-n",
          serverName(folder, port),
        ],
      }),
      identify: (port, _pid, folder) => identify(port, serverName(folder, port)),
    },
    options,
  );
}

function configuration(folder: string, { user, password, maxPayload }: NatsOptions): string {
  const lines = ["jetstream {", `  store_dir: ${JSON.stringify(join(folder, "jetstream"))}`, "}"];
  if (maxPayload !== undefined) lines.push(`max_payload: ${maxPayload}`);
  if (user !== undefined) {
    lines.push(`authorization { user: ${JSON.stringify(user)}, password: ${JSON.stringify(password ?? "")} }`);
  }
  return `${lines.join("\n")}\n`;
}

/** Named after its folder, so that a server that took the port first is not mistaken for this one. */
const serverName = (folder: string, port: number): string =>
  `plimsoll-${folder.replaceAll(/[^A-Za-z0-9]+/g, "-")}-${port}`;

async function identify(port: number, name: string): Promise<string | null> {
  const greeting = await ask(port, serverHost, "", (answer) => answer.includes("\r\n"));
  if (greeting === null || !greeting.startsWith("INFO ")) return null;
  const info = JSON.parse(greeting.slice(5, greeting.indexOf("\r\n"))) as Record<string, unknown>;
  return info["server_name"] === name && info["jetstream"] === true ? String(info["server_id"]) : null;
}
