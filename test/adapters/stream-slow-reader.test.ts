import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { limits } from "#apps/streams/limits.ts";
import { Outgoing } from "#apps/streams/outgoing.ts";
import { ReplayRing } from "#apps/streams/replay-ring.ts";
import { Topic, type View } from "#apps/streams/topic.ts";
import { channelKinds } from "#libs/contracts/stream/channels.ts";
import type { DataFrame } from "#libs/contracts/stream/protocol.ts";

/** Of which some hundred are more than kernels keep for a socket of their own machine. */
const frameBytes = 128 * 1024;
const frames = 200;

let server: WebSocketServer;
beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
});
afterAll(() => server.close());

const view = (text: string): View => ({
  place: { shard: "0", logSeq: 1, t: 1 },
  state: { account: text, orders: {} },
  logs: {},
});
const topic = new Topic("orders.t", channelKinds.orders, new ReplayRing(frameBytes), view("0"), 0, 1);

/** Both ends of a connection, and what has come out of it. */
async function reader() {
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [socket] = (await once(server, "connection")) as [WebSocket];
  const heard: DataFrame[] = [];
  client.on("message", (data) => heard.push(JSON.parse((data as Buffer).toString("utf8")) as DataFrame));
  await once(client, "open");
  const out = new Outgoing(
    {
      get bufferedAmount() {
        return socket.bufferedAmount;
      },
      send: (frame, options) => socket.send(frame, options),
      ping: () => {},
      pong: () => {},
      close: () => {},
    },
    (of) => of.snapshot(null),
  );
  topic.readers.add(out);
  const until = async (seq: number): Promise<void> => {
    while ((heard.at(-1)?.seq ?? 0) < seq) await once(client, "message");
  };
  return { client, socket, out, heard, until };
}

test("a reader that does not read holds up nobody and nothing grows; when it reads, it gets what is latest", async () => {
  const fast = await reader();
  const slow = await reader();
  slow.client.pause();
  let most = 0;
  for (let at = 1; at <= frames; at += 1) {
    topic.publish(view(String(at).repeat(frameBytes).slice(0, frameBytes)), null, 0, false);
    await fast.until(topic.seq);
    most = Math.max(most, slow.socket.bufferedAmount);
  }
  expect(fast.heard.map(({ seq, type }) => `${type} ${seq}`)).toEqual(
    Array.from({ length: frames }, (_, at) => `delta ${at + 2}`),
  );
  expect(most).toBeGreaterThan(limits.bufferedBytes);
  expect(most).toBeLessThanOrEqual(limits.bufferedBytes + 2 * frameBytes);
  // Behind since it was first looked at, by the clock that is given.
  expect(slow.out.catchUp(1_000)).toBe(0);
  expect(slow.out.catchUp(1_000 + limits.behindMs)).toBe(limits.behindMs);
  slow.client.resume();
  while (slow.out.catchUp(2_000 + limits.behindMs) > 0) await once(slow.client, "message");
  await slow.until(topic.seq);
  expect(slow.heard.at(-1)).toMatchObject({ type: "snapshot", seq: topic.seq });
  expect(slow.heard.length).toBeLessThan(frames / 2);
  for (const { client } of [fast, slow]) client.terminate();
});
