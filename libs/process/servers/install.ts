import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findOn, missingPrograms, serverPrograms, servers, ServersMissing, thisMachine } from "./binaries.ts";
import type { Machine, Server, ServerProgram } from "./binaries.ts";

/** How one distribution gets the servers. None of these starts a service; Debian's script sees to it. */
interface Manager {
  readonly program: string;
  /** Where people know it from. */
  readonly systems: string;
  readonly asRoot: boolean;
  readonly packages: Readonly<Record<Server, readonly string[]>>;
  /** The command that a person gives, before the packages. */
  readonly install: readonly string[];
}

const managers: readonly Manager[] = [
  {
    program: "apt-get",
    systems: "Debian and Ubuntu",
    asRoot: true,
    packages: {
      nats: ["nats-server"],
      redis: ["redis-server"],
      postgres: ["postgresql"],
      browser: ["chromium"],
      alerts: ["prometheus"],
    },
    install: ["apt-get", "install", "-y", "--no-install-recommends"],
  },
  {
    program: "dnf",
    systems: "Fedora and its relatives",
    asRoot: true,
    packages: {
      nats: ["nats-server"],
      redis: ["redis"],
      postgres: ["postgresql-server", "postgresql"],
      browser: ["chromium"],
      alerts: ["golang-github-prometheus"],
    },
    install: ["dnf", "install", "-y", "--setopt=install_weak_deps=False"],
  },
  {
    program: "apk",
    systems: "Alpine",
    asRoot: true,
    // `setpriv`: PostgreSQL does not run as root, and busybox's own cannot drop its rights.
    packages: {
      nats: ["nats-server"],
      redis: ["redis"],
      postgres: ["postgresql", "setpriv"],
      browser: ["chromium"],
      alerts: ["prometheus"],
    },
    install: ["apk", "add", "--no-cache"],
  },
  {
    program: "brew",
    systems: "macOS",
    asRoot: false,
    packages: {
      nats: ["nats-server"],
      redis: ["redis"],
      postgres: ["postgresql@17"],
      browser: ["chromium"],
      alerts: ["prometheus"],
    },
    install: ["brew", "install"],
  },
];

const debianScript = fileURLToPath(new URL("install-debian.sh", import.meta.url));
const natsReleases = "https://github.com/nats-io/nats-server/releases";
const installWithinMs = 600_000;
const saidMax = 2_000;

const serversOf = (programs: readonly ServerProgram[]): Server[] =>
  (Object.keys(serverPrograms) as Server[]).filter((server) =>
    serverPrograms[server].some((program) => programs.includes(program)),
  );

const packagesOf = (manager: Manager, programs: readonly ServerProgram[]): string[] =>
  serversOf(programs).flatMap((server) => manager.packages[server]);

/** What a person is told to do: the own system's command, or every one's where it is not known. */
function whatToDo(machine: Machine, programs: readonly ServerProgram[]): string {
  const found = managers.find((manager) => findOn(machine, manager.program) !== null);
  const lines = (found === undefined ? managers : [found]).map((manager) => {
    const command = [...manager.install, ...packagesOf(manager, programs)].join(" ");
    return `  ${manager.systems}: ${manager.asRoot ? "sudo " : ""}${command}`;
  });
  const elsewhere = programs.includes("nats-server") ? [`  nats-server also stands at ${natsReleases}`] : [];
  return ["Install them, then run the same command again:", ...lines, ...elsewhere].join("\n");
}

interface Plan {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly packages: readonly string[];
}

/** How this machine can install what is missing, or why it cannot. */
function planFor(machine: Machine, programs: readonly ServerProgram[]): Plan | string {
  const manager = managers.find(({ program }) => findOn(machine, program) !== null);
  if (manager === undefined) return `none of ${managers.map(({ program }) => program).join(", ")} is here`;
  const packages = packagesOf(manager, programs);
  const [command = "", ...flags] = manager.program === "apt-get" ? ["sh", debianScript, machine.base] : manager.install;
  if (!manager.asRoot && machine.root) return `${manager.program} does not run as root`;
  if (!manager.asRoot || machine.root) return { command, arguments: [...flags, ...packages], packages };
  const sudo = findOn(machine, "sudo");
  if (sudo === null || run(machine, sudo, ["-n", "true"]) !== null)
    return `${manager.program} needs root, and sudo asks for a password or is not here`;
  return { command: sudo, arguments: ["-n", command, ...flags, ...packages], packages };
}

/** Null when it went well, else the end of what it said. */
function run(machine: Machine, command: string, words: readonly string[]): string | null {
  const result = spawnSync(command, words, {
    env: { ...process.env, PATH: machine.folders.join(":") },
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    timeout: installWithinMs,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status === 0) return null;
  const said = `${result.stdout ?? ""}${result.stderr ?? ""}`.trim().slice(-saidMax);
  const how = result.error?.message ?? `ended with ${String(result.status ?? result.signal)}`;
  return said === "" ? `${command}: ${how}` : said;
}

export interface EnsureOptions {
  /** Install distribution packages where something is missing and this process may: root, or sudo without a password. */
  readonly install: boolean;
  /** What is needed; the servers by default. */
  readonly servers?: readonly Server[];
  readonly onInstall?: (packages: readonly string[]) => void;
  readonly machine?: Machine;
}

/**
 * Makes sure that the servers' programs are there. Starts no service and makes no cluster: the product runs its own. Throws
 * `ServersMissing` that says exactly what to install, and why it was not done here.
 */
export function ensureServerBinaries(options: EnsureOptions): void {
  const machine = options.machine ?? thisMachine();
  const missing = missingPrograms(machine, options.servers);
  if (missing.length === 0) return;
  const refuse = (programs: readonly ServerProgram[], why: string): never => {
    throw new ServersMissing(programs, `${whatToDo(machine, programs)}${why === "" ? "" : `\n(${why})`}`);
  };
  if (!options.install) return refuse(missing, "");
  const plan = planFor(machine, missing);
  if (typeof plan === "string") return refuse(missing, plan);
  options.onInstall?.(plan.packages);
  const failure = run(machine, plan.command, plan.arguments);
  const still = missingPrograms(machine, options.servers);
  if (still.length > 0)
    refuse(still, failure ?? "the packages are installed, but the programs are not where they are looked for");
}

const urlOf: Readonly<Record<(typeof servers)[number], string>> = {
  nats: "NATS_URL",
  redis: "REDIS_URL",
  postgres: "DATABASE_URL",
};

/** The servers that have to be started here: those whose URL the environment does not give. */
export const serversToStart = (environment: NodeJS.ProcessEnv = process.env): Server[] =>
  servers.filter((server) => (environment[urlOf[server]] ?? "") === "");
