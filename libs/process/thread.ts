import { Worker } from "node:worker_threads";

/**
 * Starts a thread of this process on a module. Threads do not inherit the loader that reads TypeScript, so that it is registered
 * before the module is read. `data`: its `workerData`.
 */
export function startThread(module: URL, data: unknown): Worker {
  const loader = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const program = `import(${loader}).then(({ register }) => { register(); return import(${JSON.stringify(module.href)}); });`;
  return new Worker(program, { eval: true, workerData: data });
}
