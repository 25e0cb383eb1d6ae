import { Worker } from "node:worker_threads";
import { builtModuleAt } from "./program.ts";

/**
 * Starts a thread of this process on a module, as it was built where it was. Threads do not inherit the loader that reads TypeScript,
 * so that it is registered before a source is read. `data`: its `workerData`.
 */
export function startThread(module: URL, data: unknown): Worker {
  const built = builtModuleAt(module);
  if (built !== null) return new Worker(built, { workerData: data });
  const loader = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const program = `import(${loader}).then(({ register }) => { register(); return import(${JSON.stringify(module.href)}); });`;
  return new Worker(program, { eval: true, workerData: data });
}
