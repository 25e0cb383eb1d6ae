import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, existsSync, mkdirSync, chownSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openDatabase } from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import { freePort, startPostgres } from "#libs/process/servers/index.ts";
import type { PrivatePostgres } from "#libs/process/servers/index.ts";

const scripts = fileURLToPath(new URL("../../docker/postgres", import.meta.url));
const secret = "replicationsecret";
const folders = "/usr/lib/postgresql";
const versions = existsSync(folders) ? readdirSync(folders).map((one) => join(folders, one, "bin")) : [];
const path = [...versions, process.env["PATH"] ?? ""].join(":");

/** Asks until an answer fits; the last answer when none did in time. */
async function until<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  const end = performance.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (fits(answer) || performance.now() > end) return answer;
  }
}

function initialise(primary: PrivatePostgres): void {
  const url = new URL(primary.url);
  const environment = {
    PATH: path,
    PGHOST: primary.host,
    PGPORT: String(primary.port),
    PGPASSWORD: decodeURIComponent(url.password),
    PGDATA: join(primary.folder, "cluster"),
    POSTGRES_USER: url.username,
    POSTGRES_REPLICATION_PASSWORD: secret,
  };
  const done = spawnSync("sh", [join(scripts, "primary-init.sh")], { env: environment, encoding: "utf8" });
  expect(done.stderr + String(done.status)).toBe("0");
}

function follow(primary: PrivatePostgres, folder: string, port: number): ChildProcess {
  const { uid, gid } = statSync(join(primary.folder, "cluster"));
  const data = join(folder, "standby");
  mkdirSync(data);
  chmodSync(folder, 0o711);
  chownSync(data, uid, gid);
  const environment = {
    PATH: path,
    PRIMARY_HOST: primary.host,
    PRIMARY_PORT: String(primary.port),
    POSTGRES_REPLICATION_PASSWORD: secret,
    PGDATA: data,
  };
  const settings = ["-p", String(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="];
  const options = { env: environment, stdio: "ignore", cwd: "/", uid, gid } as const;
  return spawn("sh", [join(scripts, "standby.sh"), ...settings], options);
}

const replication = async (db: Database) =>
  (
    await db.query<{ application_name: string; sync_state: string }>({
      text: "SELECT application_name, sync_state FROM pg_stat_replication WHERE state = 'streaming'",
    })
  ).rows;

const rowsOn = async (db: Database): Promise<number> => {
  try {
    return (await db.query({ text: "SELECT 1 FROM kept" })).rows.length;
  } catch {
    return -1;
  }
};

test("the scripts make a primary whose commits wait for the synchronous standby that they start", async () => {
  const primary = await startPostgres();
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-standby-"));
  const port = await freePort();
  const db = openDatabase({ url: primary.url, name: "test" });
  const url = new URL(primary.url);
  url.port = String(port);
  const standbyDb = openDatabase({ url: url.href, name: "test-standby" });
  let standby: ChildProcess | undefined;
  try {
    initialise(primary);
    await db.query({ text: "SELECT pg_reload_conf()" });
    standby = follow(primary, folder, port);
    const found = await until(
      () => replication(db),
      (rows) => rows.some(({ sync_state }) => sync_state === "sync"),
    );
    expect(found).toEqual([{ application_name: "standby", sync_state: "sync" }]);
    await db.query({ text: "CREATE TABLE kept (id integer)" });
    await db.query({ text: "INSERT INTO kept VALUES (1)" });
    expect(
      await until(
        () => rowsOn(standbyDb),
        (rows) => rows === 1,
      ),
    ).toBe(1);
  } finally {
    await Promise.all([db.close(), standbyDb.close()]);
    await end(standby);
    await primary.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => {
    child.once("exit", resolve);
  });
  child.kill("SIGQUIT");
  await ended;
}
