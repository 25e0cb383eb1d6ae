import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { systemFolders } from "../child.ts";

/** Programs of the servers that the live backend needs, by server; and what tests alone need: of the console a browser, of the alert rules promtool. */
export const serverPrograms = {
  nats: ["nats-server"],
  redis: ["redis-server"],
  postgres: ["postgres", "initdb", "psql"],
  browser: ["chromium"],
  alerts: ["promtool"],
} as const;
export type Server = keyof typeof serverPrograms;
export type ServerProgram = (typeof serverPrograms)[Server][number];
/** What the product runs on. */
export const servers = ["nats", "redis", "postgres"] as const satisfies readonly Server[];

/** One and the same browser under the names that distributions give it; any of them will do. */
const browserNames = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/** The machine as far as looking for programs and installing them goes. Tests describe one of their own. */
export interface Machine {
  /** Where programs are looked for, in this order. */
  readonly folders: readonly string[];
  /** Folders that hold one of PostgreSQL's versions each, with the pattern of their names; its programs are in `bin`. */
  readonly postgresVersions: readonly { readonly folder: string; readonly name: RegExp }[];
  readonly root: boolean;
  /** Put before the paths of the files that an installation touches; "" but in tests. */
  readonly base: string;
}

export const thisMachine = (): Machine => ({
  folders: [...(process.env["PATH"] ?? "").split(delimiter), ...systemFolders],
  postgresVersions: [
    { folder: "/usr/lib/postgresql", name: /^(\d+)$/ },
    ...["/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt"].map((folder) => ({
      folder,
      name: /^postgresql@(\d+)$/,
    })),
  ],
  root: process.getuid?.() === 0,
  base: "",
});

export const findOn = (machine: Machine, program: string): string | null =>
  machine.folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? null;

/** Debian and Homebrew keep PostgreSQL's programs apart by version; the newest counts. */
function postgresFolders({ postgresVersions }: Machine): string[] {
  return postgresVersions.flatMap(({ folder, name }) => {
    const versions = existsSync(folder) ? readdirSync(folder).filter((entry) => name.test(entry)) : [];
    const number = (entry: string): number => Number(name.exec(entry)?.[1]);
    return versions.sort((a, b) => number(b) - number(a)).map((version) => join(folder, version, "bin"));
  });
}

/** PostgreSQL's programs from one version together, so its own folders are looked into before PATH. */
function locate(program: ServerProgram, machine: Machine): string | null {
  if ((serverPrograms.postgres as readonly string[]).includes(program)) {
    const found = postgresFolders(machine).map((folder) => join(folder, program));
    return found.find((path) => existsSync(path)) ?? findOn(machine, program);
  }
  if (program === "chromium")
    return browserNames.map((name) => findOn(machine, name)).find((path) => path !== null) ?? null;
  return findOn(machine, program);
}

/** The path of a server's program. Throws `ServersMissing` that says which one is not there. */
export function serverProgram(program: ServerProgram): string {
  const path = locate(program, thisMachine());
  if (path === null) throw new ServersMissing([program], "scripts/install --servers installs it, or says how.");
  return path;
}

export const missingPrograms = (machine: Machine = thisMachine(), of: readonly Server[] = servers): ServerProgram[] =>
  of.flatMap((server) => serverPrograms[server]).filter((program) => locate(program, machine) === null);

export class ServersMissing extends Error {
  readonly programs: readonly ServerProgram[];

  constructor(programs: readonly ServerProgram[], whatToDo: string) {
    super(`${programs.join(", ")} not found. ${whatToDo}`);
    this.name = "ServersMissing";
    this.programs = programs;
  }
}
