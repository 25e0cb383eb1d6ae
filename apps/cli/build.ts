import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin, version } from "esbuild";
import { rootFolder } from "#libs/process/root.ts";

/** Beside the packages, which the programs use as they are. */
const cache = join(rootFolder, "node_modules/.cache/plimsoll");
const kept = 8;

/** Modules that Node is started on: of processes, and of their threads. */
const isEntry = (path: string): boolean => /^apps\/[^/]+\/main\.ts$/.test(path) || path.endsWith("-thread.ts");
/** The console is built by the API, for browsers. */
const isForNode = (path: string): boolean => path.endsWith(".ts") && !path.startsWith("apps/api/console/");

/** Each module keeps its own address, by which it finds its neighbours and the project's files: `import.meta.url` reads this. */
const address = "addressOfThisModule";
const addresses: Plugin = {
  name: "addresses",
  setup(building) {
    building.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      const named = text.includes("import.meta.url")
        ? `const ${address} = ${JSON.stringify(pathToFileURL(path).href)};`
        : "";
      return { loader: "ts", contents: `${named}${text}` };
    });
  },
};

function sources(): string[] {
  const found = ["apps", "libs"].flatMap((folder) =>
    readdirSync(join(rootFolder, folder), { recursive: true, encoding: "utf8" }).map((path) => join(folder, path)),
  );
  return found.filter(isForNode).sort();
}

function hashOf(paths: readonly string[]): string {
  const hash = createHash("sha256").update(`${version} ${rootFolder}`);
  for (const path of paths) hash.update(`\n${path}\n`).update(readFileSync(join(rootFolder, path)));
  return hash.digest("hex").slice(0, 16);
}

/**
 * The folder of all programs as plain JavaScript, made now unless it was made of the same sources before: a process then starts in less
 * than half the time, and none of its functions is named anew at every call. Several at once are safe.
 */
export async function buildPrograms(): Promise<string> {
  const paths = sources();
  const folder = join(cache, hashOf(paths));
  if (existsSync(folder)) return folder;
  const own = `${folder}.${process.pid}`;
  await buildInto(own, paths);
  try {
    renameSync(own, folder);
  } catch {
    // Somebody else was quicker, with the same.
    rmSync(own, { recursive: true, force: true });
  }
  forgetOld(relative(cache, folder));
  return folder;
}

/** All programs into a folder: for where they run without their sources. */
export async function buildInto(folder: string, paths: readonly string[] = sources()): Promise<void> {
  await build({
    absWorkingDir: rootFolder,
    entryPoints: paths.filter(isEntry),
    outbase: rootFolder,
    outdir: folder,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    sourcemap: "linked",
    define: { "import.meta.url": address },
    plugins: [addresses],
    logLevel: "error",
  });
}

function forgetOld(newest: string): void {
  const others = readdirSync(cache).filter((name) => name !== newest);
  const age = (name: string): number => statSync(join(cache, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const byAge = others.map((name) => ({ name, at: age(name) })).sort((left, right) => right.at - left.at);
  for (const { name } of byAge.slice(kept)) rmSync(join(cache, name), { recursive: true, force: true });
}
