import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPrograms } from "#apps/cli/build.ts";
import { builtEnvironment, useBuilt } from "#libs/process/program.ts";

/**
 * Every temporary folder of a test run lies in one of its own, which goes when the run ends, however a test has ended. Processes that tests
 * start run as they were built from the sources of now.
 */
export default async function setup(): Promise<() => void> {
  useBuilt(await buildPrograms());
  Object.assign(process.env, builtEnvironment());
  const before = process.env["TMPDIR"];
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-run-"));
  // A PostgreSQL server that is not root's has its folder in here.
  chmodSync(folder, 0o711);
  process.env["TMPDIR"] = folder;
  return () => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };
}
