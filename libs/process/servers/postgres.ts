import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startChild } from "../child.ts";
import { serverProgram } from "./binaries.ts";
import { serverHost, startServer } from "./server.ts";
import type { PrivateServer, ServerOptions } from "./server.ts";

export interface PostgresOptions extends ServerOptions {
  /** false: a crash of the machine, not of the process, may lose data. For tests. */
  readonly fsync?: boolean;
  readonly maxConnections?: number;
}

export interface PrivatePostgres extends PrivateServer {
  /** The URL of a database of this cluster; `url` is that of `postgres`. */
  urlOf(database: string): string;
  /** Creates it, empty or as a copy of `template`; an existing one is an error. */
  createDatabase(database: string, template?: string): Promise<void>;
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

const superuser = "postgres";
const databasePattern = /^[a-z_][a-z0-9_]{0,62}$/;
const commandWithinMs = 60_000;
const maxConnectionsDefault = 100;

/** A PostgreSQL cluster with checksums and a password of its own; `identity` is its system identifier. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PrivatePostgres> {
  const program = serverProgram("postgres");
  const user = unprivileged();
  let password = "";
  const urlOf = (port: number, database: string): string =>
    `postgres://${superuser}:${password}@${serverHost}:${port}/${database}`;
  const server = await startServer(
    {
      name: "postgres",
      stopSignal: "SIGQUIT",
      whenParentDies: "QUIT",
      url: (port) => urlOf(port, superuser),
      prepare(folder) {
        password = prepare(folder, user);
      },
      command: (port, folder) => ({
        command: program,
        arguments: serverArguments(port, folder, options),
        ...(user === null ? {} : { user }),
      }),
      identify: async (_port, pid, folder) => identify(pid, folder),
    },
    options,
  );
  return withDatabases(server, (database) => urlOf(server.port, database));
}

function withDatabases(server: PrivateServer, urlOf: (database: string) => string): PrivatePostgres {
  const createDatabase = async (database: string, template = "template0"): Promise<void> => {
    if (![database, template].every((name) => databasePattern.test(name)))
      throw new RangeError("not a database's name");
    await sql(urlOf(superuser), `CREATE DATABASE ${database} TEMPLATE ${template}`);
  };
  return Object.assign(server, { urlOf, createDatabase });
}

function serverArguments(port: number, folder: string, { fsync = true, maxConnections }: PostgresOptions): string[] {
  const settings = {
    listen_addresses: serverHost,
    port: String(port),
    unix_socket_directories: "",
    max_connections: String(maxConnections ?? maxConnectionsDefault),
    fsync: fsync ? "on" : "off",
    full_page_writes: fsync ? "on" : "off",
    synchronous_commit: "on",
    // A server that is killed leaves nothing outside of its folder.
    dynamic_shared_memory_type: "mmap",
    log_destination: "stderr",
    timezone: "UTC",
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return ["-D", join(folder, "cluster"), ...flags];
}

/** PostgreSQL refuses to run as root: then its own account, or nobody. null: this process is not root. */
function unprivileged(): Account | null {
  if (process.getuid?.() !== 0) return null;
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of ["postgres", "nobody"]) {
    const fields = lines.find((line) => line.startsWith(`${name}:`))?.split(":");
    if (fields !== undefined) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error("PostgreSQL does not run as root, and there is neither an account postgres nor nobody");
}

/** Creates the cluster unless it is there; gives its password, which is kept beside it. */
function prepare(folder: string, user: Account | null): string {
  const cluster = join(folder, "cluster");
  const secret = join(folder, "password");
  if (user !== null) chmodSync(folder, 0o711);
  if (existsSync(join(cluster, "PG_VERSION"))) return readFileSync(secret, "utf8");
  const password = randomBytes(18).toString("base64url");
  mkdirSync(cluster, { recursive: true, mode: 0o700 });
  writeFileSync(secret, password, { mode: 0o600 });
  if (user !== null) for (const path of [cluster, secret]) chownSync(path, user.uid, user.gid);
  const flags = ["-D", cluster, "--data-checksums", "-U", superuser, "-A", "scram-sha-256", "--pwfile", secret];
  const result = spawnSync(serverProgram("initdb"), [...flags, "-E", "UTF8", "--locale=C", "--no-sync"], {
    encoding: "utf8",
    cwd: "/",
    timeout: commandWithinMs,
    ...user,
  });
  if (result.status !== 0) throw new Error(`initdb failed: ${result.error?.message ?? ""}${result.stderr}`);
  return password;
}

/** Lines of postmaster.pid: process, folder, start, port, sockets, address, memory, state. */
function identify(pid: number, folder: string): string | null {
  const cluster = join(folder, "cluster");
  const path = join(cluster, "postmaster.pid");
  if (!existsSync(path)) return null;
  const lines = readFileSync(path, "utf8").split("\n");
  if (lines[0] !== String(pid) || lines[7]?.trim() !== "ready") return null;
  // pg_control begins with the system identifier, in the byte order of the machine.
  const control = readFileSync(join(cluster, "global", "pg_control"));
  return control.readBigUInt64LE(0).toString();
}

async function sql(url: string, statement: string): Promise<void> {
  const said: string[] = [];
  const child = await startChild({
    command: serverProgram("psql"),
    arguments: ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement],
    environment: { PATH: process.env["PATH"] },
    onLine: (line) => said.push(line),
  });
  const late = setTimeout(() => child.kill("SIGKILL"), commandWithinMs);
  const { code } = await child.exit;
  clearTimeout(late);
  if (code !== 0) throw new Error(`${statement}: ${said.join("\n")}`);
}
