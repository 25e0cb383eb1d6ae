import { join } from "node:path";
import { expect } from "vitest";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import { root } from "./source.ts";

/** A process that can be asked what it holds. */
export const spawnCollected = async (
  name: string,
  environment: Readonly<Record<string, string>>,
): Promise<RunningApp> =>
  spawnApp(name, environment, { program: join(root, "test/support/programs/collected.ts"), arguments: [name] });

const asked = new WeakMap<RunningApp, number>();

/** Bytes that a process started by `spawnCollected` holds, of its heap and beside it, after its garbage was collected. */
async function held(app: RunningApp): Promise<number> {
  const times = (asked.get(app) ?? 0) + 1;
  asked.set(app, times);
  process.kill(app.pid, "SIGUSR2");
  const line = await app.whenLine((one) => one["msg"] === "collected" && one["times"] === times);
  return Number(line["bytes"]);
}

/** The same work again and again: over the second half of the rounds what the process holds grows by less than `slack` bytes. */
export async function expectFlat(
  app: RunningApp,
  { rounds, slack }: { readonly rounds: number; readonly slack: number },
  work: (round: number) => Promise<void>,
): Promise<void> {
  const after: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await work(round);
    after.push(await held(app));
  }
  // The first half fills caches and lets functions be compiled.
  const [middle = 0, last = 0] = [after[rounds / 2 - 1], after.at(-1)];
  const kib = after.map((bytes) => Math.round(bytes / 1_024)).join(", ");
  expect(last - middle, `KiB after each round: ${kib}`).toBeLessThan(slack);
}
