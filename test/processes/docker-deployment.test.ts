import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { demoRules } from "#apps/venue/demo-rules.ts";
import { openDatabase, readReconciliations } from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import { clockSetting } from "#libs/process/clock.ts";
import { freePort } from "#libs/process/servers/index.ts";
import { spawnApp } from "#libs/process/spawn-app.ts";
import type { RunningApp } from "#libs/process/spawn-app.ts";
import {
  dockerFolder,
  fillIn,
  ownServices,
  readCompose,
  requiredVariables,
  dockerFile,
} from "#test/support/compose.ts";
import { natsUsers, passwordOf, startDockerNats } from "#test/support/docker-nats.ts";
import type { DockerNats } from "#test/support/docker-nats.ts";
import { databaseRoles } from "#test/support/database-roles.ts";
import { imageEnvironment, makeImage } from "#test/support/image.ts";
import { passwordOfRole, startPair } from "#test/support/standby.ts";
import type { PostgresPair } from "#test/support/standby.ts";

/*
 * What docker/compose.yaml says, without containers: its servers with its configuration, and every process of it with the
 * environment that stands there, its own user on NATS and its own role on PostgreSQL, trading with each other. They run from the files
 * that the image holds, and from no other.
 */
const owner = "secretofowner";
const redisPassword = "secretofredis";
const crash = { crash: "covid-2020-03", traders: 30, seed: 1, to: null };
const marketStart = Date.UTC(2020, 2, 12, 9);

let folder: string;
let image: string;
let pair: PostgresPair;
let nats: DockerNats;
let redis: { readonly port: number; readonly child: ChildProcess };
let db: Database;
const apps = new Map<string, RunningApp>();

async function startRedis(): Promise<{ port: number; child: ChildProcess }> {
  const port = await freePort();
  const words = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--requirepass", redisPassword];
  return {
    port,
    child: spawn("redis-server", [join(dockerFolder, "redis/redis.conf"), ...words], { stdio: "ignore" }),
  };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "plimsoll-deployment-"));
  image = makeImage(folder);
  [pair, nats, redis] = await Promise.all([startPair(), startDockerNats(), startRedis()]);
  const admin = openDatabase({ url: pair.primary.url, name: "admin", max: 1 });
  await admin.query({ text: `CREATE ROLE plimsoll SUPERUSER LOGIN PASSWORD '${owner}'` });
  await admin.query({ text: "CREATE DATABASE plimsoll OWNER plimsoll" });
  await admin.close();
  writeFileSync(join(folder, "rules.json"), demoRules(crash));
  db = openDatabase({
    url: filled("postgres://plimsoll_readonly:${POSTGRES_READONLY_PASSWORD:?}@postgres:5432/plimsoll"),
    name: "test",
  });
}, 120_000);
afterAll(async () => {
  await Promise.all([...apps.values()].map((app) => app.stop()));
  await db?.close();
  redis?.child.kill("SIGKILL");
  await Promise.all([nats?.stop(), pair?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

const secrets: Record<string, string> = {
  ...Object.fromEntries(requiredVariables(dockerFile("compose.yaml")).map((name) => [name, "secret"])),
  ...Object.fromEntries(
    natsUsers.map((user) => [`NATS_${user.toUpperCase().replace("-", "_")}_PASSWORD`, passwordOf(user)]),
  ),
  ...Object.fromEntries(databaseRoles.map((role) => [`POSTGRES_${role.toUpperCase()}_PASSWORD`, passwordOfRole(role)])),
  POSTGRES_PASSWORD: owner,
  REDIS_PASSWORD: redisPassword,
  MARKET_CLOCK: clockSetting(marketStart, 120, Date.now() + 20_000),
};

/** A text of the file with its variables, and with addresses and folders of here. */
const filled = (text: string): string =>
  fillIn(text, secrets)
    .replace("nats:4222", `127.0.0.1:${String(nats.ports[0])}`)
    .replace("redis:6379", `127.0.0.1:${redis.port}`)
    .replace("postgres:5432", `${pair.primary.host}:${pair.primary.port}`)
    .replace(/^\/rules\.json$/, join(folder, "rules.json"))
    .replace(/^\/data$/, folder);

/** What of the repository a service is given beside its image. */
function mount(volumes: readonly string[]): void {
  for (const [from = "", to = ""] of volumes.map((volume) => volume.split(":"))) {
    if (!from.startsWith(".")) continue;
    const place = to.replace(/^\/app/, image);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(dockerFolder, from), place);
  }
}

async function start(name: string): Promise<RunningApp> {
  const [, service] = ownServices(readCompose()).find(([other]) => other === name) ?? [];
  const [file = "", ...words] = service?.command ?? [];
  const environment = Object.fromEntries(
    Object.entries(service?.environment ?? {}).map(([key, value]) => [key, filled(value)]),
  );
  mount(service?.volumes ?? []);
  const more = name === "crowd" ? ["--traders", String(crash.traders)] : [];
  const built = imageEnvironment()["PLIMSOLL_BUILT"]?.replace(/^\/app/, image) ?? "";
  const app = await spawnApp(
    name,
    { ...environment, PLIMSOLL_BUILT: built },
    { folder: image, program: file, arguments: [...words, ...more] },
  );
  apps.set(name, app);
  return app;
}

const rows = async (text: string): Promise<number> => (await db.query({ text })).rowCount ?? 0;

test("every process of compose.yaml works with the rights that it has there", async () => {
  expect((await (await start("migrate")).exit).code).toBe(0);
  for (const name of [
    "margin",
    "venue",
    "mark-price",
    "liquidation",
    "scheduler",
    "margin-follower",
    "streams",
    "api",
  ]) {
    const app = await start(name);
    await app.whenMessage(name === "margin" ? "listening" : "ready", 60_000).catch(async (error: unknown) => {
      throw new Error(`${name}: ${app.errors().join(" ")} ${JSON.stringify(app.lines().slice(-5))}`, { cause: error });
    });
  }
  await (await start("crowd")).whenMessage("ready", 120_000);

  const grows = (text: string) => expect.poll(() => rows(text), { timeout: 120_000, interval: 500 }).toBeGreaterThan(0);
  await grows("SELECT 1 FROM entry_outbox WHERE source = 'operator' AND published_at IS NOT NULL LIMIT 1");
  await grows("SELECT 1 FROM mark_input LIMIT 1");
  await grows("SELECT 1 FROM gate_decision WHERE accepted LIMIT 1");
  await grows("SELECT 1 FROM position WHERE account <> 'clearing' AND qty <> 0 LIMIT 1");
  await grows("SELECT 1 FROM source_seq WHERE source = 'scheduler' AND seq > 0");
  const compared = async (): Promise<string[]> =>
    [...new Set((await readReconciliations(db, "0", 100)).map(({ kind }) => kind))].sort();
  await expect
    .poll(compared, { timeout: 120_000, interval: 500 })
    .toEqual(expect.arrayContaining(["ledger", "memory"]));
  expect((await readReconciliations(db, "0", 100)).flatMap(({ differences }) => differences)).toEqual([]);

  for (const [name, app] of apps) {
    if (name === "migrate") continue;
    expect([name, app.running, problemsOf(app)]).toEqual([name, true, []]);
  }
}, 600_000);

const problemsOf = (app: RunningApp): unknown[] =>
  app
    .lines()
    .filter(
      (line) =>
        line["level"] === "error" || line["level"] === "fatal" || /permission|denied/i.test(JSON.stringify(line)),
    );
