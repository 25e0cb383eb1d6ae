import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rootFolder } from "./root.ts";

const variable = "PLIMSOLL_BUILT";

/** Folder of the programs as they were built, for this process and those that it starts; null: they run from their sources. */
let built: string | null = process.env[variable] ?? null;

/** From now on programs are run as they were built. */
export function useBuilt(folder: string): void {
  built = folder;
}

/** What a process that is started is told of it. */
export const builtEnvironment = (): Readonly<Record<string, string>> => (built === null ? {} : { [variable]: built });

/** The built module of a source file, or null. */
export function builtModule(source: string): string | null {
  if (built === null) return null;
  const file = join(built, relative(rootFolder, source).replace(/\.ts$/, ".js"));
  return existsSync(file) ? file : null;
}

/** What Node is told to run a module of the project: as it was built, else by the loader that reads TypeScript. */
export function programArguments(source: string): readonly string[] {
  if (source.endsWith(".js")) return [source];
  const module = builtModule(source);
  return module === null ? ["--import", import.meta.resolve("tsx"), source] : [module];
}

/** As `builtModule`, of the address by which a module names another. */
export const builtModuleAt = (source: URL): string | null => builtModule(fileURLToPath(source));
