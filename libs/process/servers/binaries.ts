import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { findOnPath } from "../child.ts";

/** Programs of the servers that the live backend needs, with the Debian package that brings each. */
const packages = {
  "nats-server": "nats-server",
  "redis-server": "redis-server",
  postgres: "postgresql",
  initdb: "postgresql",
  psql: "postgresql",
} as const;
export type ServerProgram = keyof typeof packages;

const postgresFolder = "/usr/lib/postgresql";
const installWithinMs = 300_000;

/** Debian keeps PostgreSQL's programs apart by version; the newest counts. */
function postgresFolders(): string[] {
  if (!existsSync(postgresFolder)) return [];
  const versions = readdirSync(postgresFolder).filter((name) => /^\d+$/.test(name));
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(postgresFolder, version, "bin"));
}

export class ServersMissing extends Error {
  readonly programs: readonly ServerProgram[];

  constructor(programs: readonly ServerProgram[], more = "") {
    const needed = [...new Set(programs.map((program) => packages[program]))].join(" ");
    super(`${programs.join(", ")} not found. On Debian and Ubuntu: apt-get install ${needed}${more}`);
    this.name = "ServersMissing";
    this.programs = programs;
  }
}

/** PostgreSQL's programs from one version together, so the folders are looked into before PATH. */
function locate(program: ServerProgram): string | null {
  if (packages[program] === "postgresql") {
    const found = postgresFolders().map((folder) => join(folder, program));
    return found.find((path) => existsSync(path)) ?? findOnPath(program);
  }
  return findOnPath(program);
}

/** The path of a server's program. Throws `ServersMissing` that says how to get it. */
export function serverProgram(program: ServerProgram): string {
  const path = locate(program);
  if (path === null) throw new ServersMissing([program]);
  return path;
}

export const missingPrograms = (): ServerProgram[] =>
  (Object.keys(packages) as ServerProgram[]).filter((program) => locate(program) === null);

/**
 * Makes sure that every server's program is there. With `install`, as root and where apt-get exists, missing distribution
 * packages are installed without starting their services; otherwise, or when that fails, throws `ServersMissing`.
 */
export function ensureServerBinaries(options: {
  readonly install: boolean;
  readonly onInstall?: (packages: string[]) => void;
}): void {
  const missing = missingPrograms();
  if (missing.length === 0) return;
  if (!options.install) throw new ServersMissing(missing);
  if (process.getuid?.() !== 0 || findOnPath("apt-get") === null) {
    throw new ServersMissing(missing, " (as root; this process is not, or there is no apt-get)");
  }
  const wanted = [...new Set(missing.map((program) => packages[program]))];
  options.onInstall?.(wanted);
  const failure = installPackages(wanted);
  const still = missingPrograms();
  if (still.length > 0) throw new ServersMissing(still, failure === null ? "" : `\n${failure}`);
}

function installPackages(names: readonly string[]): string | null {
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  for (const step of [["update"], ["install", "-y", "--no-install-recommends", ...names]]) {
    const result = spawnSync("apt-get", step, { env: environment, encoding: "utf8", timeout: installWithinMs });
    const failed = result.status !== 0 && step[0] === "install";
    if (failed) return (result.stderr ?? "").slice(-2_000) || `apt-get ended with ${result.status ?? "no code"}`;
  }
  return null;
}
