import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { freePort } from "#libs/process/servers/index.ts";
import { readSettings } from "#libs/process/settings.ts";
import {
  dockerFile,
  dockerFolder,
  fillIn,
  ownServices,
  readCompose,
  readEnvFile,
  requiredVariables,
} from "#test/support/compose.ts";
import { imageEnvironment, imageStages } from "#test/support/image.ts";
import { root } from "#test/support/source.ts";

const compose = readCompose();
const services = Object.entries(compose.services);
const own = ownServices(compose);
/** Those that stay and answer on their port. */
const serving = own.filter(([, { healthcheck }]) => healthcheck?.disable !== true);
const apps = readdirSync(join(root, "apps")).filter((app) => existsSync(join(root, "apps", app, "main.ts")));
const secrets = Object.fromEntries(requiredVariables(dockerFile("compose.yaml")).map((name) => [name, "x"]));

test("every process has a service that starts it as it was built", () => {
  const started = own.map(([, { command = [] }]) => command[0] ?? "");
  expect(new Set(started)).toEqual(new Set(apps.map((app) => `built/apps/${app}/main.js`)));
  expect(own.filter(([name]) => !serving.some(([other]) => other === name)).map(([name]) => name)).toEqual([
    "migrate",
    "crowd",
  ]);
});

test("no service may become more than it is, and each has bounds; our own write nowhere but in /tmp and a volume", () => {
  for (const [name, service] of services) {
    expect([name, service.cap_drop, service.security_opt]).toEqual([name, ["ALL"], ["no-new-privileges:true"]]);
    expect([name, service.pids_limit, service.mem_limit, service.logging?.options]).toEqual([
      name,
      expect.any(Number),
      expect.stringMatching(/^\dg$/),
      { "max-size": "20m", "max-file": "5" },
    ]);
    expect(service.image, name).toMatch(
      name.startsWith("postgres") || service.build === undefined ? /:[a-z]?\d/ : /^plimsoll$/,
    );
    for (const port of service.ports ?? []) expect(port, name).toMatch(/^127\.0\.0\.1:/);
  }
  for (const [name, service] of own) expect([name, service.read_only, service.init]).toEqual([name, true, true]);
  expect(services.filter(([, { cap_add }]) => cap_add !== undefined).map(([name]) => name)).toEqual(["postgres"]);
});

test.each(["one NATS server", "three"])("with %s every process has an environment that its settings accept", (many) => {
  const values = { ...secrets, ...(many === "three" ? readEnvFile("cluster.env") : {}) };
  for (const [name, { environment = {} }] of own) {
    const filled = Object.entries(environment).map(([key, value]) => [key, fillIn(value, values)]);
    // Whether these are all that it needs, only starting it can tell: docker-deployment.test.ts.
    const needs = (["nats", "redis", "database"] as const).filter((one) => `${one.toUpperCase()}_URL` in environment);
    const settings = readSettings(Object.fromEntries(filled) as NodeJS.ProcessEnv, needs);
    expect(settings.unknownVariables, name).toEqual([]);
    if (name === "migrate") continue;
    expect(settings.natsUrl.split(","), name).toHaveLength(many === "three" ? 3 : 1);
    expect(settings.streamReplicas, name).toBe(many === "three" ? 3 : 1);
  }
});

test("every process has its own user on NATS and its own role on PostgreSQL, and the matching engine has none", () => {
  const who = own.map(([name, { environment = {} }]) => {
    const url =
      environment["DATABASE_URL"] === undefined ? null : new URL(fillIn(environment["DATABASE_URL"], secrets));
    return [name, environment["NATS_USER"] ?? null, url?.username ?? null];
  });
  expect(Object.fromEntries(who.map(([name, ...rest]) => [name, rest]))).toEqual({
    "mark-price": ["mark-price", "plimsoll_mark_price"],
    margin: ["margin", "plimsoll_margin"],
    "margin-follower": ["margin", "plimsoll_margin"],
    liquidation: ["liquidation", "plimsoll_liquidation"],
    scheduler: ["scheduler", "plimsoll_scheduler"],
    streams: ["streams", "plimsoll_streams"],
    api: ["api", "plimsoll_api"],
    venue: ["venue", null],
    crowd: ["crowd", "plimsoll_api"],
    migrate: [null, "plimsoll"],
  });
});

test("three NATS servers know each other, and all know every user's password", () => {
  const values = { ...secrets, ...readEnvFile("cluster.env") };
  const servers = services.filter(([, { image }]) => image.startsWith("nats:"));
  const hosts = values["NATS_SERVERS"]?.split(",").map((url) => new URL(url).hostname);
  expect(servers.map(([name]) => name)).toEqual(hosts);
  for (const [name, { environment = {}, command = [] }] of servers) {
    const routes = [1, 2, 3].map((at) => new URL(fillIn(environment[`NATS_ROUTE_${at}`] ?? "", values)).hostname);
    expect(routes, name).toEqual(hosts);
    expect(fillIn(command[1] ?? "", values)).toBe("/etc/nats/cluster.conf");
    expect(fillIn(command[1] ?? "", secrets)).toBe("/etc/nats/nats.conf");
    const known = ["users.conf", "nats.conf", "cluster.conf"].flatMap((file) =>
      [...dockerFile(`nats/${file}`).matchAll(/\$(NATS_[A-Z_0-9]+)/g)].map((match) => match[1] ?? ""),
    );
    expect(known.filter((variable) => !(variable in environment))).toEqual([]);
  }
});

test("every secret comes from the environment, and .env.example names it without a value", () => {
  const example = Object.entries(readEnvFile(".env.example"));
  expect(example.every(([, value]) => value === "")).toBe(true);
  expect(requiredVariables(dockerFile("compose.yaml")).sort()).toEqual(example.map(([name]) => name).sort());
  for (const [, { environment = {} }] of services)
    for (const [key, value] of Object.entries(environment))
      if (key.includes("PASSWORD")) expect(value).toMatch(/^\$\{/);
});

test("what services wait for is there and can be waited for; what they mount exists", () => {
  for (const [name, { depends_on = {}, volumes = [] }] of services) {
    for (const [other, { condition }] of Object.entries(depends_on)) {
      const { healthcheck } = compose.services[other] ?? {};
      if (condition === "service_healthy") expect(healthcheck?.test, `${name}: ${other}`).toBeDefined();
      else expect([other, condition]).toEqual(["migrate", "service_completed_successfully"]);
    }
    for (const volume of volumes) {
      const from = volume.split(":")[0] ?? "";
      if (from.startsWith(".")) expect(existsSync(join(dockerFolder, from)), volume).toBe(true);
      else if (!from.startsWith("$")) expect(Object.keys(compose.volumes)).toContain(from);
    }
  }
});

test("the image copies what exists, runs as nobody special and holds no development packages", () => {
  const stages = imageStages();
  const copied = stages
    .flatMap(({ steps }) => steps)
    .filter(({ verb, words }) => verb === "COPY" && !words.startsWith("--from"))
    .flatMap(({ words }) => words.split(/\s+/).slice(0, -1));
  for (const file of copied) expect(existsSync(join(root, file)), file).toBe(true);
  const ignored = dockerFile("Dockerfile.dockerignore").split("\n");
  for (const file of copied) expect(ignored, file).toContain(`!${file.replace(/\/.*/, "")}`);
  expect(stages.map(({ base }) => base)).toEqual(["node:24-bookworm-slim", "packages", "node:24-bookworm-slim"]);
  expect(dockerFile("Dockerfile")).toContain("npm ci --omit=dev");
  expect(stages.flatMap(({ steps }) => steps).filter(({ verb }) => verb === "ADD")).toEqual([]);
});

test("the image's last stage runs programs as they were built, as its own process, and is asked whether it lives", () => {
  const last = imageStages().at(-1)?.steps ?? [];
  const said = (verb: string): string[] => last.filter((step) => step.verb === verb).map(({ words }) => words);
  expect(said("USER")).toEqual(["node"]);
  expect(last.findLastIndex(({ verb }) => verb === "RUN" || verb === "COPY")).toBeLessThan(
    last.findIndex(({ verb }) => verb === "USER"),
  );
  expect([said("ENTRYPOINT"), said("CMD")]).toEqual([['["node"]'], ['["built/apps/margin/main.js"]']]);
  expect(said("STOPSIGNAL")).toEqual(["SIGTERM"]);
  const [, probe = "[]"] = /CMD (\[.*\])$/.exec(said("HEALTHCHECK").join("")) ?? [];
  expect(JSON.parse(probe)).toEqual(["node", "-e", expect.stringContaining("http://127.0.0.1:8080/health/live")]);
  expect(imageEnvironment()).toMatchObject({ PLIMSOLL_BUILT: "/app/built", PLIMSOLL_HTTP_PORT: "8080" });
});

test("every process that answers is scraped", () => {
  const { scrape_configs } = parse(dockerFile("prometheus/prometheus.yml")) as {
    scrape_configs: { static_configs: { targets: string[] }[] }[];
  };
  const targets = scrape_configs.flatMap((job) => job.static_configs.flatMap((one) => one.targets));
  expect(targets.sort()).toEqual(serving.map(([name]) => `${name}:8080`).sort());
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
  const server = spawn("redis-server", [join(dockerFolder, "redis/redis.conf"), ...settings], { stdio: "ignore" });
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
