import { join } from "node:path";
import { expect, test } from "vitest";
import { retry } from "#libs/process/backoff.ts";
import { BoundedQueue } from "#libs/process/bounded-queue.ts";
import { rootFolder } from "#libs/process/root.ts";
import { spawnApp } from "#libs/process/spawn-app.ts";
import type { RunningApp } from "#libs/process/spawn-app.ts";

const environment = { NATS_URL: "nats://127.0.0.1:1" };
const program = join(rootFolder, "test/support/programs/app.ts");

const start = async (mode: string, variables: Record<string, string> = environment): Promise<RunningApp> =>
  spawnApp("sample", variables, { program, arguments: [mode] });

const messages = (app: RunningApp): unknown[] => app.lines().map((line) => line["msg"]);

test("SIGTERM stops the parts, last first, and the process ends with 0; meanwhile it tells its health", async () => {
  const app = await start("runs");
  try {
    const { port } = await app.whenMessage("listening");
    await app.whenMessage("ready");
    const get = async (path: string): Promise<Response> => fetch(`http://127.0.0.1:${String(port)}${path}`);
    expect(await (await get("/health/ready")).json()).toEqual({ status: "ready", detail: { mode: "runs" } });
    expect((await get("/health/live")).status).toBe(200);
    expect((await get("/other")).status).toBe(404);
    expect(await (await get("/metrics")).text()).toContain('shard_epoch{app="sample"} 0');
    expect(await app.stop()).toEqual({ code: 0, signal: null });
    const said = messages(app).slice(2);
    expect(said.filter((message) => String(message).endsWith("part stopped"))).toEqual([
      "last part stopped",
      "first part stopped",
    ]);
    expect(said).toEqual(expect.arrayContaining(["stopping", "stopped"]));
  } finally {
    await app.kill();
  }
});

test("a process that is not ready says so with 503", async () => {
  const app = await start("unready");
  try {
    const { port } = await app.whenMessage("listening");
    expect((await fetch(`http://127.0.0.1:${String(port)}/health/ready`)).status).toBe(503);
  } finally {
    await app.kill();
  }
});

test("an error that nobody catches ends the process with 1, and passwords stay out of the log", async () => {
  const [thrown, rejected] = await Promise.all([start("throws"), start("rejects")]);
  expect(await thrown.exit).toEqual({ code: 1, signal: null });
  expect(await rejected.exit).toEqual({ code: 1, signal: null });
  expect(JSON.stringify(thrown.lines())).toContain("cannot reach nats://me:***@host");
  expect(JSON.stringify(rejected.lines())).toContain("nobody listens");
});

test("settings that cannot be used end the process with 2 and name the variable", async () => {
  const app = await start("runs", { NATS_URL: "here" });
  expect(await app.exit).toEqual({ code: 2, signal: null });
  expect(JSON.stringify(app.lines())).toContain("NATS_URL");
  await expect(app.whenMessage("ready")).rejects.toThrow("ended with code 2");
});

test("a queue takes no more than its limit, wakes who waits, and ends", async () => {
  const queue = new BoundedQueue<number>(2);
  expect([queue.offer(1), queue.offer(2), queue.offer(3)]).toEqual([true, true, false]);
  const waiting = queue.put(3);
  expect(await queue.take(1, 0)).toEqual([1]);
  expect(await waiting).toBe(true);
  expect(queue.takeNow(9)).toEqual([2, 3]);
  const taking = queue.take(9, 60_000);
  queue.offer(4);
  expect(await taking).toEqual([4]);
  const ended = queue.take(9, 60_000);
  queue.close();
  expect([await ended, await queue.put(5)]).toEqual([[], false]);
});

test("a call is tried again as often as permitted, and not after a final error", async () => {
  const attempts = async (options: { attempts: number; retryIf?: () => boolean }): Promise<number> => {
    let calls = 0;
    const failing = async (): Promise<void> => {
      calls += 1;
      return Promise.reject(new Error("down"));
    };
    await expect(retry(failing, { firstMs: 1, maxMs: 1, ...options })).rejects.toThrow("down");
    return calls;
  };
  expect(await attempts({ attempts: 3 })).toBe(3);
  expect(await attempts({ attempts: 3, retryIf: () => false })).toBe(1);
});
