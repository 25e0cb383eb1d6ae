import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { freePort } from "#libs/process/servers/index.ts";
import { readSettings } from "#libs/process/settings.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const docker = join(root, "docker");
const text = (path: string): string => readFileSync(join(docker, path), "utf8");

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: object;
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}
const compose = parse(text("compose.yaml"), { merge: true }) as { services: Record<string, Service>; volumes: object };
const services = Object.entries(compose.services);
const own = services.filter(([, { image }]) => image === "plimsoll");
const apps = readdirSync(join(root, "apps")).filter(
  (app) => app !== "cli" && existsSync(join(root, "apps", app, "main.ts")),
);
const variablesIn = (source: string): string[] =>
  [...source.matchAll(/\$\{([A-Z_]+):\?\}/g)].map((match) => match[1] ?? "");

test("every process has a service that starts a file which exists", () => {
  const started = own.map(([, { command = [] }]) => command[0] ?? "");
  for (const file of started) expect(existsSync(join(root, file)), file).toBe(true);
  expect(new Set(started)).toEqual(new Set(apps.map((app) => `apps/${app}/main.ts`)));
});

test("the environment of every process is one that its settings accept, down to the last name", () => {
  for (const [name, { environment = {} }] of own) {
    const filled = Object.entries(environment).map(([key, value]) => [key, value.replaceAll(/\$\{[A-Z_]+:\?\}/g, "x")]);
    expect(readSettings(Object.fromEntries(filled) as NodeJS.ProcessEnv).unknownVariables, name).toEqual([]);
  }
});

test("every secret comes from the environment, and .env.example names it without a value", () => {
  const example = text(".env.example")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  expect(example.every((line) => /^[A-Z_]+=$/.test(line))).toBe(true);
  const named = example.map((line) => line.slice(0, -1)).sort();
  expect([...new Set(variablesIn(text("compose.yaml")))].sort()).toEqual(named);
  for (const [, { environment = {} }] of services)
    for (const [key, value] of Object.entries(environment))
      if (key.includes("PASSWORD")) expect(value).toMatch(/^\$\{/);
});

test("what services wait for is there and can be waited for; what they mount exists", () => {
  for (const [name, { depends_on = {}, volumes = [] }] of services) {
    for (const other of Object.keys(depends_on))
      expect(compose.services[other]?.healthcheck, `${name}: ${other}`).toBeDefined();
    for (const volume of volumes) {
      const from = volume.split(":")[0] ?? "";
      if (from.startsWith("./")) expect(existsSync(join(docker, from)), volume).toBe(true);
      else if (!from.startsWith("$")) expect(Object.keys(compose.volumes)).toContain(from);
    }
  }
});

test("the image copies what exists, runs as nobody special and holds no development packages", () => {
  const lines = text("Dockerfile").split("\n");
  const copied = lines
    .filter((line) => line.startsWith("COPY ") && !line.includes("--from"))
    .flatMap((line) => line.split(" ").slice(1, -1));
  for (const file of copied) expect(existsSync(join(root, file)), file).toBe(true);
  expect(lines.filter((line) => line.startsWith("FROM ")).every((line) => line.includes("node:24"))).toBe(true);
  expect(lines).toContain("USER node");
  expect(text("Dockerfile")).toContain("npm ci --omit=dev");
  for (const file of copied) expect(text("Dockerfile.dockerignore")).toContain(`!${file}`);
});

test("every metric that an alert reads is one that the processes have, every target a service", () => {
  const names = createMetrics("test")
    .registry.getMetricsAsArray()
    .map(({ name }) => name);
  const { groups } = parse(text("prometheus/alerts.yml")) as { groups: { rules: { expr: string; alert: string }[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(0);
  for (const { expr, alert } of rules) {
    const read = (expr.match(/[a-z]+(?:_[a-z0-9]+)+/g) ?? []).filter((word) => word !== "histogram_quantile");
    for (const name of read) expect(names, alert).toContain(name.replace(/_bucket$/, ""));
  }
  const { scrape_configs } = parse(text("prometheus/prometheus.yml")) as {
    scrape_configs: { static_configs: { targets: string[] }[] }[];
  };
  const targets = scrape_configs.flatMap((job) => job.static_configs.flatMap((one) => one.targets));
  expect(targets.sort()).toEqual(own.map(([name]) => `${name}:8080`).sort());
});

/** Sends one command to a server that answers on a port; undefined while it does not. */
const redisAnswer = (port: number, command: string, wanted: RegExp): Promise<string | undefined> =>
  new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(`${command}\r\n`));
    socket.on("error", () => resolve(undefined));
    socket.on("close", () => resolve(answer === "" ? undefined : answer));
    socket.on("data", (data) => {
      answer += data.toString("utf8");
      if (wanted.test(answer)) socket.end();
    });
  });

test("a real Redis starts with the configuration: it keeps a log and throws nothing away", async () => {
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-redis-"));
  const port = await freePort();
  const settings = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder];
  const server = spawn("redis-server", [join(docker, "redis/redis.conf"), ...settings], { stdio: "ignore" });
  const ended = new Promise((resolve) => {
    server.once("exit", resolve);
  });
  try {
    const until = performance.now() + 10_000;
    const ask = (name: string): Promise<string | undefined> =>
      redisAnswer(port, `CONFIG GET ${name}`, /\r\n(?:yes|no|[a-z-]+)\r\n$/);
    let policy = await ask("maxmemory-policy");
    while (policy === undefined && performance.now() < until && server.exitCode === null)
      policy = await ask("maxmemory-policy");
    expect(policy).toContain("noeviction");
    expect(await ask("appendonly")).toContain("yes");
  } finally {
    if (server.exitCode === null) server.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
});
