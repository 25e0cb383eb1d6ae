import { buildPrograms } from "#apps/cli/build.ts";
import { useBuilt } from "#libs/process/program.ts";

/** Processes that a bench starts run as they are built, as in production. */
export async function asBuilt(): Promise<void> {
  useBuilt(await buildPrograms());
}
