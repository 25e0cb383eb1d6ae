import { afterEach, expect, test } from "vitest";
import { openQueue, openWorker } from "#libs/adapters/bullmq/index.ts";
import type { Job, JobFailure, JobQueue } from "#libs/adapters/bullmq/index.ts";
import { connectRedis } from "#libs/adapters/redis/index.ts";
import type { RedisLink, RedisRole } from "#libs/adapters/redis/index.ts";
import { startRedis } from "#libs/process/servers/index.ts";
import { useRedis } from "#test/support/servers.ts";

const redis = useRedis();
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function link(role: RedisRole, namespace: string, url = redis().url): Promise<RedisLink> {
  const made = await connectRedis({ url, name: "test", namespace, role });
  closing.push(async () => made.close());
  return made;
}

async function queueOf(namespace: string, url = redis().url): Promise<JobQueue<{ n: number }>> {
  const queue = await openQueue<{ n: number }>("watchdog", await link("producer", namespace, url));
  closing.push(async () => queue.close());
  return queue;
}

/** A worker, and a wait for the next job that it runs. */
async function workerOf(namespace: string, handle: (job: Job<{ n: number }>) => void, url = redis().url) {
  const failures: JobFailure[] = [];
  const heard: (() => void)[] = [];
  const onFailure = (failure: JobFailure): void => {
    failures.push(failure);
    for (const wake of heard.splice(0)) wake();
  };
  const run = async (job: Job<{ n: number }>): Promise<void> => Promise.resolve(handle(job));
  const worker = await openWorker("watchdog", run, await link("worker", namespace, url), { onFailure });
  closing.push(async () => worker.close());
  const nextFailure = async (): Promise<void> =>
    new Promise((resolve) => {
      heard.push(resolve);
    });
  return { failures, nextFailure };
}

test("the server is the file's own, keeps its keys under the prefix, and never evicts", async () => {
  const { client, prefix } = await link("producer", "own");
  expect(await client.info("server")).toContain(`run_id:${redis().identity}`);
  expect(prefix).toBe("plimsoll:own");
  expect(await client.config("GET", "maxmemory-policy")).toEqual(["maxmemory-policy", "noeviction"]);
});

test("a job runs once, is not added twice while it waits, and may come again when it has ended", async () => {
  const queue = await queueOf("once");
  expect([await queue.add("effect-1", { n: 1 }), await queue.add("effect-1", { n: 2 })]).toEqual(["added", "present"]);
  const seen: Job<{ n: number }>[] = [];
  const first = signal();
  await workerOf("once", (job) => {
    seen.push(job);
    first.resolve();
  });
  await first.promise;
  expect(seen).toMatchObject([{ id: "effect-1", data: { n: 1 }, attempt: 1 }]);
  await expect.poll(async () => (await queue.counts()).completed, { timeout: 20_000 }).toBe(1);
  expect(await queue.add("effect-1", { n: 3 })).toBe("added");
  await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(2);
});

test("jobs that are not there are told from those that wait or have ended, and all are missing once Redis has lost them", async () => {
  const queue = await queueOf("missing");
  await queue.add("waits", { n: 1 }, { delayMs: 3_600_000 });
  await queue.add("ends", { n: 2 });
  await workerOf("missing", () => {});
  await expect.poll(async () => (await queue.counts()).completed, { timeout: 20_000 }).toBe(1);
  expect(await queue.missing(["waits", "ends", "never"])).toEqual(new Set(["never"]));
  expect(await queue.missing([])).toEqual(new Set());
  const { client, prefix } = await link("producer", "missing");
  for (const key of await client.keys(`${prefix}:*`)) await client.del(key);
  expect(await queue.missing(["waits", "ends"])).toEqual(new Set(["waits", "ends"]));
});

test("ids that BullMQ would misread are refused", async () => {
  const queue = await queueOf("ids");
  for (const id of ["17", "a:b", "", "a b"]) await expect(queue.add(id, { n: 1 })).rejects.toThrow("a job's id");
});

test("a failed attempt is told and made again; the last one is final", async () => {
  const queue = await queueOf("fails");
  const attempts: number[] = [];
  const { failures, nextFailure } = await workerOf("fails", ({ attempt }) => {
    attempts.push(attempt);
    throw new Error("not yet");
  });
  const told = nextFailure();
  await queue.add("effect-2", { n: 1 }, { attempts: 2, retryMs: 1 });
  await told;
  await expect.poll(() => failures.length, { timeout: 20_000 }).toBe(2);
  expect(attempts).toEqual([1, 2]);
  expect(failures.map(({ final }) => final)).toEqual([false, true]);
});

test("a schedule is changed by its id and ends when it is removed", async () => {
  const queue = await queueOf("schedule");
  await queue.upsertSchedule("funding", 86_400_000, { n: 1 });
  await queue.upsertSchedule("funding", 50, { n: 2 });
  const seen: number[] = [];
  const twice = signal();
  await workerOf("schedule", ({ data }) => {
    if (seen.push(data.n) === 2) twice.resolve();
  });
  await twice.promise;
  expect(seen.slice(0, 2)).toEqual([2, 2]);
  expect([await queue.removeSchedule("funding"), await queue.removeSchedule("funding")]).toEqual([true, false]);
});

test("kill -9 of Redis: adding fails at once, waiting jobs survive, and the worker goes on by itself", async () => {
  const server = await startRedis();
  closing.push(async () => server.stop());
  const queue = await queueOf("crash", server.url);
  for (let n = 0; n < 50; n += 1) await queue.add(`effect-${n}x`, { n });
  await server.kill();
  await expect(queue.add("effect-late", { n: 99 })).rejects.toThrow();
  await server.restart();
  const seen = new Set<number>();
  await workerOf("crash", ({ data }) => void seen.add(data.n), server.url);
  await expect.poll(() => seen.size, { timeout: 20_000 }).toBe(50);
  await server.kill();
  await server.restart();
  const back = async (): Promise<string> => queue.add("effect-again", { n: 100 }).catch(() => "down");
  await expect.poll(back, { timeout: 20_000 }).not.toBe("down");
  await expect.poll(() => seen.has(100), { timeout: 20_000 }).toBe(true);
});

test.each(["killed", "frozen"])(
  "what is open closes while Redis is %s: nothing waits for it to come back",
  async (how) => {
    const server = await startRedis();
    const { url } = server;
    const queue = await queueOf("away", url);
    await queue.add("lasts", { n: 1 });
    const [began, ends] = [signal(), signal()];
    const run = async (): Promise<void> => {
      began.resolve();
      await ends.promise;
    };
    const consumer = await link("worker", "away", url);
    const worker = await openWorker("watchdog", run, consumer);
    await began.promise;
    if (how === "frozen") process.kill(server.pid, "SIGSTOP");
    else {
      await server.kill();
      await expect.poll(() => consumer.client.status, { timeout: 20_000, interval: 1 }).toBe("reconnecting");
    }
    await worker.close();
    await queue.close();
    await consumer.close();
    ends.resolve();
    await server.kill();
  },
  30_000,
);

test("a link that cannot be made is an error in time, and leaves nothing behind", async () => {
  const server = await startRedis();
  await server.stop();
  const late = connectRedis({ url: server.url, name: "t", namespace: "", role: "worker", connectWithinMs: 100 });
  await expect(late).rejects.toThrow("no connection to Redis in 100 ms");
});

function signal(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
