import { afterEach, expect, test } from "vitest";
import { BusRefused, BusTimeout, connectBus, NoResponders, openService } from "#libs/adapters/nats/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import { startNats } from "#libs/process/servers/index.ts";
import { useNats } from "#test/support/servers.ts";

const nats = useNats();
const open: Bus[] = [];

async function bus(namespace: string): Promise<Bus> {
  const made = await connectBus({ url: nats().url, name: "test", namespace });
  open.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map(async (each) => each.close()));
});

const timeoutMs = 10_000;

test("an answer, a refusal with its code, a failure without its secrets, nobody, and silence are told apart", async () => {
  const [asker, answerer] = [await bus("rpc"), await bus("rpc")];
  answerer.respond("rpc.double", (data) => ({ twice: 2 * Number(new TextDecoder().decode(data)) }));
  answerer.respond("rpc.refuse", () => {
    throw new BusRefused(409, "stale", { epoch: 7 });
  });
  answerer.respond("rpc.fail", async () => Promise.reject(new Error("password=1")));
  answerer.subscribe("rpc.silent", () => {});
  await answerer.flush();
  expect(await asker.request("rpc.double", 21, { timeoutMs })).toEqual({ twice: 42 });
  const refused = await failure(asker.request("rpc.refuse", {}, { timeoutMs }));
  expect(refused).toMatchObject({ name: "BusRefused", code: 409, text: "stale", body: { epoch: 7 } });
  const failed = await failure(asker.request("rpc.fail", {}, { timeoutMs }));
  expect(failed).toMatchObject({ code: 500, text: "internal error" });
  expect(await failure(asker.request("rpc.nobody", {}, { timeoutMs }))).toBeInstanceOf(NoResponders);
  expect(await failure(asker.request("rpc.silent", {}, { timeoutMs: 20 }))).toBeInstanceOf(BusTimeout);
});

test("a frozen server is a timeout, and the link works again when it thaws", async () => {
  const server = await startNats();
  const link = await connectBus({ url: server.url, name: "test", namespace: "" });
  try {
    link.respond("echo", () => "here");
    await link.flush();
    server.freeze();
    expect(await failure(link.request("echo", {}, { timeoutMs: 50 }))).toBeInstanceOf(BusTimeout);
    server.thaw();
    expect(await link.request("echo", {}, { timeoutMs })).toBe("here");
  } finally {
    await link.close();
    await server.stop();
  }
  expect(await link.closed).toBeUndefined();
});

test("a handler that throws does not end its subscription; headers come through", async () => {
  const [sender, receiver] = [await bus("sub"), await bus("sub")];
  const seen: string[] = [];
  const last = new Promise<void>((resolve) => {
    receiver.subscribe("sub.news", ({ headers }) => {
      const name = headers.get("name") ?? "";
      seen.push(name);
      if (name === "bad") throw new Error("cannot");
      if (name === "end") resolve();
    });
  });
  await receiver.flush();
  for (const name of ["good", "bad", "end"]) sender.publish("sub.news", {}, { name });
  await last;
  expect(seen).toEqual(["good", "bad", "end"]);
});

test("a service is found by the standard discovery, counts in microseconds, and leaves its group when it stops", async () => {
  const [asker, server] = [await bus("micro"), await bus("micro")];
  const service = await openService(server, {
    name: "plimsoll-pretrade",
    version: "1.2.3",
    description: "pre-trade checks",
    group: "pretrade-0-1",
    stats: () => ({ epoch: 1 }),
    endpoints: {
      check: { subject: "micro.check", handle: (data) => data },
      "what-if": {
        subject: "micro.what-if",
        handle: () => {
          throw new BusRefused(400, "unreadable", { problems: ["$"] });
        },
      },
    },
  });
  expect(await asker.request("micro.check", { a: 1 }, { timeoutMs })).toEqual({ a: 1 });
  expect(await failure(asker.request("micro.what-if", {}, { timeoutMs }))).toMatchObject({
    code: 400,
    text: "unreadable",
    body: { problems: ["$"] },
  });
  const identity = { name: "plimsoll-pretrade", version: "1.2.3", id: service.id };
  expect(await asker.request("$SRV.PING.plimsoll-pretrade", {}, { timeoutMs })).toMatchObject(identity);
  const info = await asker.request<{ endpoints: object[] }>("$SRV.INFO.plimsoll-pretrade", {}, { timeoutMs });
  expect(info.endpoints).toMatchObject([
    { name: "check", subject: "micro.check", queue_group: "pretrade-0-1" },
    { name: "what-if", subject: "micro.what-if", queue_group: "pretrade-0-1" },
  ]);
  const stats = await asker.request<{ endpoints: { data: object }[] }>(
    "$SRV.STATS.plimsoll-pretrade",
    {},
    { timeoutMs },
  );
  expect(stats.endpoints.map(({ data }) => data)).toMatchObject([
    { answered: 1, errors: 0, p99_us: expect.any(Number) as number, service: { epoch: 1 } },
    { answered: 0, errors: 1 },
  ]);
  await service.stop();
  await server.flush();
  expect(await failure(asker.request("micro.check", {}, { timeoutMs }))).toBeInstanceOf(NoResponders);
});

test("wrong credentials are refused at once", async () => {
  const server = await startNats({ user: "risk", password: "right" });
  try {
    const connect = async (password: string): Promise<Bus> =>
      connectBus({ url: server.url, user: "risk", password, name: "test", namespace: "" });
    await expect(connect("wrong")).rejects.toThrow("no connection to NATS");
    const link = await connect("right");
    expect(link.serverId).toBe(server.identity);
    await link.close();
  } finally {
    await server.stop();
  }
});

async function failure(asking: Promise<unknown>): Promise<unknown> {
  return asking.then(
    () => {
      throw new Error("it was answered");
    },
    (error: unknown) => error,
  );
}
