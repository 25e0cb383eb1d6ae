import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import { freePort, startPostgres } from "#libs/process/servers/index.ts";
import type { PrivatePostgres } from "#libs/process/servers/index.ts";
import { databaseRoles } from "./database-roles.ts";
import type { DatabaseRole } from "./database-roles.ts";
import { root } from "./source.ts";

/** A primary whose commits wait for a synchronous standby, made by the scripts in docker/postgres. */
export interface PostgresPair {
  readonly primary: PrivatePostgres;
  readonly standbyUrl: string;
  /** Stops and goes on with all of the standby's processes, as a machine that hangs. */
  freezeStandby(): void;
  thawStandby(): void;
  stop(): Promise<void>;
}

/** Of the logins that the primary is made with. */
export const passwordOfRole = (role: DatabaseRole): string => `secretof${role}`;

const scripts = join(root, "docker/postgres");
const secret = "replicationsecret";
const folders = "/usr/lib/postgresql";
const versions = existsSync(folders) ? readdirSync(folders).map((one) => join(folders, one, "bin")) : [];
const path = [...versions, process.env["PATH"] ?? ""].join(":");
const withinMs = 30_000;

/** Asks until an answer fits; the last answer when none did in time. */
export async function until<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (fits(answer) || performance.now() > end) return answer;
    await new Promise((resolve) => setTimeout(resolve, 10));
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
    ...Object.fromEntries(
      databaseRoles.map((role) => [`POSTGRES_${role.toUpperCase()}_PASSWORD`, passwordOfRole(role)]),
    ),
  };
  const done = spawnSync("sh", [join(scripts, "primary-init.sh")], { env: environment, encoding: "utf8" });
  if (done.status !== 0 || done.stderr !== "")
    throw new Error(`primary-init.sh: ${String(done.status)} ${done.stderr}`);
}

/** In a process group of its own, so that a signal reaches the postmaster and all of its children. */
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
  const options = { env: environment, stdio: "ignore", cwd: "/", uid, gid, detached: true } as const;
  return spawn("sh", [join(scripts, "standby.sh"), ...settings], options);
}

/** Connected standbys as the primary sees them. */
export const replication = async (db: Database): Promise<{ application_name: string; sync_state: string }[]> =>
  (
    await db.query<{ application_name: string; sync_state: string }>({
      text: "SELECT application_name, sync_state FROM pg_stat_replication WHERE state = 'streaming'",
    })
  ).rows;

export async function startPair(): Promise<PostgresPair> {
  const primary = await startPostgres();
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-standby-"));
  const port = await freePort();
  const url = new URL(primary.url);
  url.port = String(port);
  let standby: ChildProcess | undefined;
  const stop = async (): Promise<void> => {
    await end(standby);
    await primary.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const db = openDatabase({ url: primary.url, name: "pair" });
  try {
    initialise(primary);
    await db.query({ text: "SELECT pg_reload_conf()" });
    standby = follow(primary, folder, port);
    await until(
      () => replication(db),
      (rows) => rows.some(({ sync_state }) => sync_state === "sync"),
    );
  } catch (error) {
    await stop();
    throw error;
  } finally {
    await db.close();
  }
  return {
    primary,
    standbyUrl: url.href,
    freezeStandby: () => signal(standby, "SIGSTOP"),
    thawStandby: () => signal(standby, "SIGCONT"),
    stop,
  };
}

function signal(child: ChildProcess | undefined, name: NodeJS.Signals): void {
  if (child?.pid === undefined) throw new Error("the standby does not run");
  // PostgreSQL's children lead sessions of their own: each is told by its id.
  for (const pid of [child.pid, ...childrenOf(child.pid)]) process.kill(pid, name);
}

function childrenOf(parent: number): number[] {
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return processes.map(Number).filter((pid) => parentOf(pid) === parent);
}

/** Null for a process that has gone meanwhile. */
function parentOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return null;
  }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => {
    child.once("exit", resolve);
  });
  signal(child, "SIGCONT");
  child.kill("SIGQUIT");
  await ended;
}
