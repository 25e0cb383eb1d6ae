import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { dockerFile } from "./compose.ts";
import { root } from "./source.ts";

export interface ImageStage {
  readonly base: string;
  readonly name: string;
  /** Every instruction after FROM, its lines joined. */
  readonly steps: readonly { readonly verb: string; readonly words: string }[];
}

/** The stages of docker/Dockerfile. */
export function imageStages(): ImageStage[] {
  const lines = dockerFile("Dockerfile")
    .split("\n")
    .filter((line) => !/^\s*#/.test(line))
    .join("\n")
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => line.trim() !== "");
  const stages: { base: string; name: string; steps: { verb: string; words: string }[] }[] = [];
  for (const line of lines) {
    const [, verb = "", words = ""] = /^(\S+)\s+(.*)$/.exec(line.trim()) ?? [];
    const [base = "", , name = ""] = words.split(/\s+/);
    if (verb === "FROM") stages.push({ base, name, steps: [] });
    else stages.at(-1)?.steps.push({ verb, words });
  }
  return stages;
}

/** What `ENV` gives the processes of the image. */
export const imageEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    (imageStages().at(-1)?.steps ?? [])
      .filter(({ verb }) => verb === "ENV")
      .flatMap(({ words }) => words.split(/\s+/))
      .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );

/** The packages that `npm ci --omit=dev` would bring, as links. */
function linkPackages(folder: string): void {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Readonly<Record<string, { readonly dev?: boolean }>>;
  };
  for (const [path, { dev }] of Object.entries(packages)) {
    if (path === "" || dev === true || path.lastIndexOf("node_modules/") !== 0 || !existsSync(join(root, path)))
      continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    symlinkSync(join(root, path), join(folder, path));
  }
}

/**
 * Makes in a folder what docker/Dockerfile makes, its `/app` without a container engine: stage after stage in the same place, with the
 * commands that stand there. Returns the last stage's.
 */
export function makeImage(folder: string): string {
  const app = join(folder, "app");
  const done = (name: string): string => join(folder, `stage-${name}`);
  for (const { base, name, steps } of imageStages()) {
    if (existsSync(done(base))) cpSync(done(base), app, { recursive: true, verbatimSymlinks: true });
    else mkdirSync(app);
    for (const { verb, words } of steps) {
      if (verb === "COPY") copy(words, app, done);
      else if (verb === "RUN" && words.startsWith("npm ci --omit=dev ")) linkPackages(app);
      else if (verb === "RUN" && words.startsWith("node ")) runStep(words, app);
    }
    if (name !== "") renameSync(app, done(name));
  }
  return app;
}

function copy(words: string, app: string, done: (name: string) => string): void {
  const [, from] = /^--from=(\S+)/.exec(words) ?? [];
  const paths = words.split(/\s+/).filter((word) => !word.startsWith("--"));
  const to = paths.pop() ?? "";
  for (const path of paths) {
    const source = from === undefined ? join(root, path) : path.replace(/^\/app/, done(from));
    const target = to.endsWith("/") ? join(app, to, path) : join(app, to);
    cpSync(source, target, { recursive: true, verbatimSymlinks: true });
  }
}

function runStep(words: string, app: string): void {
  const [command = "", ...rest] = words.split(/\s+/);
  const environment = { PATH: process.env["PATH"], TSX_TSCONFIG_PATH: undefined };
  const { status, stderr } = spawnSync(command, rest, { cwd: app, env: environment, encoding: "utf8" });
  if (status !== 0) throw new Error(`RUN ${words}: ${stderr}`);
}
