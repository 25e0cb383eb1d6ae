import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findOnPath } from "#libs/process/child.ts";
import { ensureServerBinaries, missingPrograms, ServersMissing, serversToStart } from "#libs/process/servers/index.ts";
import type { EnsureOptions, Machine } from "#libs/process/servers/index.ts";
import { root } from "#test/support/source.ts";

/** A machine in a folder: only the programs put there, a package manager that is a script, and a place for its files. */
let folder = "";
const at = (...path: string[]): string => join(folder, ...path);
const policy = "usr/sbin/policy-rc.d";
const clusters = "etc/postgresql-common/createcluster.conf";
const written = (path: string): string => (existsSync(at(path)) ? readFileSync(at(path), "utf8") : "");
const log = (): string[] => written("log").split("\n").slice(0, -1);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "plimsoll-machine-"));
  for (const path of [policy, clusters]) mkdirSync(dirname(at(path)), { recursive: true });
  for (const path of ["bin", "versions"]) mkdirSync(at(path));
  for (const tool of ["sh", "sed", "grep", "cat", "mktemp", "rm", "chmod", "mkdir", "touch"])
    symlinkSync(findOnPath(tool) ?? tool, at("bin", tool));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const put = (program: string, script = "exit 0"): void => {
  writeFileSync(at("bin", program), `#!/bin/sh\n${script}\n`);
  chmodSync(at("bin", program), 0o755);
};
/** As Debian's: PostgreSQL's programs go to a folder of their version, and its common package brings the settings. */
const aptGet = (more = ""): void =>
  put(
    "apt-get",
    `echo "$*" >>${at("log")}
if [ -e ${at(policy)} ]; then sh ${at(policy)}; echo "services: $?" >>${at("log")}; fi
case "$*" in *postgresql-common) printf '#create_main_cluster = true\\n' >${at(clusters)} ;; esac
${more}
for name; do case "$name" in
  nats-server | redis-server) touch ${at("bin")}/$name ;;
  postgresql) cat ${at(clusters)} >>${at("log")}; mkdir -p ${at("versions/9/bin")} ${at("versions/16/bin")}
    touch ${at("versions/16/bin")}/postgres ${at("versions/16/bin")}/initdb ${at("versions/16/bin")}/psql ;;
esac; done`,
  );
const machine = (rights: { readonly root: boolean }): Machine => ({
  folders: [at("bin")],
  postgresVersions: [{ folder: at("versions"), name: /^(\d+)$/ }],
  base: folder,
  ...rights,
});

function ensure(options: Partial<EnsureOptions> & { readonly root?: boolean } = {}): string {
  try {
    ensureServerBinaries({ install: true, machine: machine({ root: options.root ?? true }), ...options });
    return "";
  } catch (error) {
    if (!(error instanceof ServersMissing)) throw error;
    return error.message;
  }
}
const flags = "-o DPkg::Lock::Timeout=120";
const install = `${flags} install -y --no-install-recommends`;

test("as root with apt-get: packages are installed, no service starts, no cluster is made, and no trace is left", () => {
  aptGet();
  const told: string[] = [];
  expect(ensure({ onInstall: (packages) => told.push(...packages) })).toBe("");
  expect(told).toEqual(["nats-server", "redis-server", "postgresql"]);
  const held = "services: 101";
  expect(log()).toEqual(
    [
      [`${flags} update`, held],
      [`${install} postgresql-common`, held],
      [`${install} nats-server redis-server postgresql`, held, "create_main_cluster = false"],
    ].flat(),
  );
  expect(existsSync(at(policy))).toBe(false);
  expect(written(clusters)).toBe("#create_main_cluster = true\n");
  expect(missingPrograms(machine({ root: true }))).toEqual([]);
});

test("only what is missing is installed, and nothing is asked where all is there", () => {
  aptGet();
  put("nats-server");
  put("redis-server");
  for (const program of ["postgres", "initdb"]) put(program);
  expect(missingPrograms(machine({ root: true }))).toEqual(["psql"]);
  expect(ensure({ servers: ["nats", "redis"] })).toBe("");
  expect(log()).toEqual([]);
  expect(ensure()).toBe("");
  expect(log()).toContain(`${install} postgresql`);
});

test("a policy about services that is already there is used and stays", () => {
  aptGet();
  const before = "#!/bin/sh\nexit 104\n";
  writeFileSync(at(policy), before);
  expect(ensure()).toBe("");
  expect(log()).toContain("services: 104");
  expect(written(policy)).toBe(before);
});

test("what an installation that was killed has left behind does not hold services back for ever", () => {
  aptGet("kill -KILL $PPID; exit 1");
  put("sleep");
  expect(ensure()).toContain("not found");
  expect(existsSync(at(policy))).toBe(true);
  aptGet();
  expect(ensure()).toBe("");
  expect(existsSync(at(policy))).toBe(false);
});

test("an installation that fails says what the package manager said, and what to do", () => {
  aptGet("echo 'E: no network' >&2; exit 100");
  const said = ensure();
  expect(said).toContain("nats-server, redis-server, postgres, initdb, psql not found.");
  expect(said).toContain(
    "Debian and Ubuntu: sudo apt-get install -y --no-install-recommends nats-server redis-server postgresql",
  );
  expect(said).toContain("E: no network");
  expect(existsSync(at(policy))).toBe(false);
});

test("one who is not root uses sudo only when it asks for no password", () => {
  aptGet();
  expect(ensure({ root: false })).toContain("(apt-get needs root, and sudo asks for a password or is not here)");
  put("sudo", "exit 1");
  expect(ensure({ root: false })).toContain("sudo asks for a password");
  expect(log()).toEqual([]);
  put("sudo", `shift; echo "sudo $1" >>${at("log")}; exec "$@"`);
  put("true");
  expect(ensure({ root: false })).toBe("");
  expect(log().slice(0, 2)).toEqual(["sudo true", "sudo sh"]);
});

test.each([
  ["dnf", "install -y --setopt=install_weak_deps=False nats-server redis postgresql-server postgresql"],
  ["apk", "add --no-cache nats-server redis postgresql setpriv"],
])("%s installs its own packages", (manager, words) => {
  const programs = ["nats-server", "redis-server", "postgres", "initdb", "psql"].map((name) => at("bin", name));
  put(manager, `echo "$*" >>${at("log")}; touch ${programs.join(" ")}`);
  expect(ensure()).toBe("");
  expect(log()).toEqual([words]);
});

test("Homebrew is used by a user and refuses root; it keeps PostgreSQL apart by version", () => {
  const bin = at("versions/16/bin");
  put(
    "brew",
    `echo "$*" >>${at("log")}; touch ${at("bin/nats-server")} ${at("bin/redis-server")}; mkdir -p ${bin}; touch ${bin}/postgres ${bin}/initdb ${bin}/psql`,
  );
  expect(ensure()).toContain("(brew does not run as root)");
  expect(ensure({ root: false })).toBe("");
  expect(log()).toEqual(["install nats-server redis postgresql@17"]);
});

test("without a package manager, or without leave to install, every system's command is said", () => {
  const said = ensure();
  for (const system of ["Debian and Ubuntu: sudo apt-get", "Fedora", "Alpine: sudo apk add", "macOS: brew install"])
    expect(said).toContain(system);
  expect(said).toContain("none of apt-get, dnf, apk, brew is here");
  aptGet();
  expect(ensure({ install: false })).toContain("Debian and Ubuntu: sudo apt-get install");
  expect(log()).toEqual([]);
});

test("the browser of the console's tests is a package too, and any of its names will do", () => {
  aptGet(`case "$*" in *chromium) touch ${at("bin/chromium")} ;; esac`);
  expect(ensure({ servers: ["browser"], install: false })).toContain("--no-install-recommends chromium");
  expect(ensure({ servers: ["browser"] })).toBe("");
  expect(log()).toContain(`${install} chromium`);
  rmSync(at("bin/chromium"));
  put("google-chrome");
  expect(missingPrograms(machine({ root: true }), ["browser"])).toEqual([]);
});

test("promtool, which tests the alert rules, comes with Prometheus' package, whose service does not start", () => {
  aptGet(`case "$*" in *prometheus) touch ${at("bin/promtool")} ;; esac`);
  expect(ensure({ servers: ["alerts"], install: false })).toContain("--no-install-recommends prometheus");
  expect(ensure({ servers: ["alerts"] })).toBe("");
  expect(log()).toEqual([`${flags} update`, "services: 101", `${install} prometheus`, "services: 101"]);
});

test("a server whose URL is given is not needed here", () => {
  expect(serversToStart({})).toEqual(["nats", "redis", "postgres"]);
  expect(serversToStart({ NATS_URL: "nats://a:1", DATABASE_URL: "postgres://a/b", REDIS_URL: "" })).toEqual(["redis"]);
});

test("the script installs nothing where nothing is missing, says nothing, and knows its options", () => {
  const script = (...words: string[]) => spawnSync(join(root, "scripts/install"), words, { encoding: "utf8" });
  // Without promtool all goes on, and it is said every time.
  const without = missingPrograms(undefined, ["alerts"]).length > 0;
  const stderr = without ? expect.stringContaining("promtool not found") : "";
  if (!without) expect(script("--servers")).toMatchObject({ status: 0, stdout: "", stderr });
  expect(script("--servers", "--no-install")).toMatchObject({ status: 0, stdout: "", stderr });
  expect(script("--server")).toMatchObject({ status: 2, stdout: "" });
  expect(script("--help").stdout).toContain("--servers");
});
