import fastify from "fastify";
import { connect, JSONCodec, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type PrivateServer, startNats } from "#libs/process/servers/index.ts";
import { openGateway } from "../../docs/examples/integration/gateway.ts";

let server: PrivateServer;
let nats: NatsConnection;
const codec = JSONCodec();

beforeAll(async () => {
  server = await startNats();
  nats = await connect({ servers: server.url });
});
afterAll(async () => {
  await nats.close();
  await server.stop();
});

test("a gateway forwards what risk approves, and nothing else", async () => {
  const exchange = fastify();
  const taken: unknown[] = [];
  exchange.post("/orders", (request) => {
    taken.push(request.body);
    return { ok: true };
  });
  const exchangeUrl = await exchange.listen({ port: 0, host: "127.0.0.1" });
  const send = openGateway({ nats, shard: "0", exchangeUrl });
  const order = { id: "o1", instrument: "BTC-PERP", side: "buy", qty: "1", price: "100" } as const;
  expect(await send("a1", order)).toEqual({ state: "refused", codes: ["risk_unavailable"] });
  let answer: Record<string, unknown> = {};
  const risk = nats.subscribe("risk.rpc.0.check", {
    callback: (_, message) => {
      const { request } = codec.decode(message.data) as { request: string };
      const decision = { request, decision: "accept", codes: [], epoch: 2, ttlMs: 400, expiresAt: Date.now() + 400 };
      message.respond(codec.encode({ ...decision, ...answer }));
    },
  });
  expect(await send("a1", order)).toEqual({ state: "forwarded", codes: [] });
  expect(taken).toEqual([{ account: "a1", ...order }]);
  for (const [said, code] of [
    [{ epoch: 1 }, "stale_epoch"],
    [{ ttlMs: 0 }, "approval_expired"],
    [{ request: "another" }, "unreadable"],
    [{ decision: "reject", codes: ["initial_margin"] }, "initial_margin"],
  ] as const) {
    answer = said;
    expect(await send("a1", order)).toEqual({ state: "refused", codes: [code] });
  }
  expect(taken.length).toBe(1);
  risk.unsubscribe();
  await exchange.close();
});
