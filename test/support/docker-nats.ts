import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectBus } from "#libs/adapters/nats/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import { freePort } from "#libs/process/servers/index.ts";
import { root } from "./source.ts";

/** Every user of docker/nats/users.conf. */
export const natsUsers = [
  "mark-price",
  "venue",
  "margin",
  "liquidation",
  "scheduler",
  "streams",
  "api",
  "operator",
  "quotes",
  "trader",
  "crowd",
] as const;
export type NatsUser = (typeof natsUsers)[number];
export const passwordOf = (user: NatsUser): string => `secret-of-${user}`;
const variableOf = (user: NatsUser): string => `NATS_${user.toUpperCase().replace("-", "_")}_PASSWORD`;

/** One server, or several that know each other, as docker/nats configures them. */
export interface DockerNats {
  /** Of all of them, for `connectBus`. */
  readonly url: string;
  readonly ports: readonly number[];
  busOf(user: NatsUser): Promise<Bus>;
  /** kill -9 of one. */
  kill(at: number): Promise<void>;
  stop(): Promise<void>;
}

const startWithinMs = 30_000;

/** Which of these subjects a user may publish on, or subscribe to; of the server at that port. */
export async function permitted(
  port: number,
  user: NatsUser,
  verb: "PUB" | "SUB",
  subjects: readonly string[],
): Promise<string[]> {
  const lines = subjects.map((subject, at) => (verb === "PUB" ? `PUB ${subject} 0\r\n` : `SUB ${subject} ${at + 1}`));
  const refused = (await refusals(port, user, lines)).join("\n");
  return subjects.filter((subject) => !refused.includes(`"${subject}"`));
}

/** Sends lines after a login and gives what the server refuses of them. */
async function refusals(port: number, user: NatsUser, lines: readonly string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.setTimeout(10_000, () => socket.destroy(new Error("no answer")));
    socket.on("error", reject);
    socket.on("data", (data) => {
      text += data.toString("utf8");
      if (!text.includes("PONG")) return;
      socket.destroy();
      resolve([...text.matchAll(/-ERR '([^']*)'/gi)].map((match) => match[1] ?? ""));
    });
    const login = JSON.stringify({ user, pass: passwordOf(user), verbose: false, pedantic: false });
    socket.write(`CONNECT ${login}\r\n${lines.map((line) => `${line}\r\n`).join("")}PING\r\n`);
  });
}

const greets = async (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket
      .once("data", () => resolve(true))
      .once("error", () => resolve(false))
      .once("close", () => resolve(false));
    socket.once("data", () => socket.destroy());
  });

/** A copy of the configuration that the server here can read: before 2.10 there is no `sync_interval`. */
function configuration(folder: string): void {
  cpSync(join(root, "docker/nats"), folder, { recursive: true });
  const said = spawnSync("nats-server", ["--version"], { encoding: "utf8" }).stdout;
  const [, major = "0", minor = "0"] = /v(\d+)\.(\d+)/.exec(said) ?? [];
  if (Number(major) > 2 || Number(minor) >= 10) return;
  const file = join(folder, "nats.conf");
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace(/^\s*sync_interval: always$/m, ""));
}

export async function startDockerNats(servers = 1): Promise<DockerNats> {
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-nats-"));
  configuration(folder);
  const numbers = Array.from({ length: servers }, (_, at) => at + 1);
  const ports = await Promise.all(numbers.map(() => freePort()));
  const clusterPorts = await Promise.all(numbers.map(() => freePort()));
  const routes = clusterPorts.map((port, at) => [`NATS_ROUTE_${at + 1}`, `nats://route:secret@127.0.0.1:${port}`]);
  const passwords = natsUsers.map((user) => [variableOf(user), passwordOf(user)]);
  const children = numbers.map((number, at) => {
    const store = join(folder, `store-${number}`);
    mkdirSync(store);
    const environment = {
      ...process.env,
      ...Object.fromEntries([...passwords, ...routes]),
      NATS_ROUTE_PASSWORD: "secret",
      NATS_CLUSTER_LISTEN: `127.0.0.1:${String(clusterPorts[at])}`,
      NATS_SERVER_NAME: `nats-${number}`,
      NATS_STORE: store,
    };
    const file = join(folder, servers === 1 ? "nats.conf" : "cluster.conf");
    const words = ["-c", file, "-a", "127.0.0.1", "-p", String(ports[at])];
    return spawn("nats-server", words, { env: environment, stdio: "ignore" });
  });
  const buses: Bus[] = [];
  const url = ports.map((port) => `nats://127.0.0.1:${port}`).join(",");
  const kill = async (child: ChildProcess | undefined): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => {
      child.once("exit", resolve);
    });
    child.kill("SIGKILL");
    await ended;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(buses.map((bus) => bus.close()));
    await Promise.all(children.map(kill));
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const until = performance.now() + startWithinMs;
  for (const [at, port] of ports.entries())
    while (!(await greets(port))) {
      const ended = children[at]?.exitCode !== null;
      if (!ended && performance.now() < until) continue;
      await stop();
      throw new Error(`nats-${at + 1} ${ended ? "ended" : "did not start"}`);
    }
  return {
    url,
    ports,
    async busOf(user) {
      const bus = await connectBus({ url, user, password: passwordOf(user), namespace: "", name: user });
      buses.push(bus);
      return bus;
    },
    kill: (at) => kill(children[at]),
    stop,
  };
}
