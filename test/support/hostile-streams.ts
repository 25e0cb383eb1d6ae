import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { limits } from "#apps/streams/limits.ts";
import { type Role, secretOfKey, sign, streamLogin } from "#libs/access/index.ts";
import { channelsPerRequest } from "#libs/contracts/stream/protocol.ts";
import { closeCodes } from "#libs/contracts/stream/codes.ts";
import { frameBytesMax } from "#libs/contracts/stream/reading.ts";
import { hostileTexts } from "./hostile.ts";
import { maskedFrame, RawSocket } from "./raw-socket.ts";
import { RawStream } from "./raw-stream.ts";
import type { StreamProcess } from "./stream-process.ts";

/** What strangers and broken programs do to a streams process, and what each of them is told. */
type Attack = (streams: StreamProcess) => Promise<void>;

const inside = async (streams: StreamProcess, role: Role = "viewer"): Promise<RawStream> =>
  RawStream.loggedIn(streams.url, await streams.token([role], role === "trader" ? "bob" : null, randomUUID()));
const refusals = ({ frames }: RawStream): string[] =>
  frames.flatMap(({ ok, error }) => (ok === false ? [(error as { code: string }).code] : []));
const channels = (count: number): string[] => Array.from({ length: count }, (_, at) => `margin.h${at}`);

/** Frames that are WebSocket's, and no message of this protocol. */
const badFrames: Attack = async (streams) => {
  const hostile = [
    ...hostileTexts.map(([, text]) => text),
    JSON.stringify({ op: "subscribe", id: "1", channels: Array.from({ length: 2_000 }, () => "marks") }),
    JSON.stringify({ op: "subscribe", id: "1", channels: ["margin.*"] }),
    JSON.stringify({ op: "subscribe", id: "1", channels: [`margin.${"x".repeat(10_000)}`] }),
    JSON.stringify({ op: "ping", id: "x".repeat(10_000) }),
    '{"op":"subscribe","id":"1","channels":["marks"],"resume":{"run":"a","seq":{"__proto__":1}}}',
  ];
  for (let from = 0; from < hostile.length; from += limits.badFrames) {
    const stream = await inside(streams);
    const some = hostile.slice(from, from + limits.badFrames);
    for (const text of some) stream.socket.send(text);
    expect(await stream.verdict({ op: "ping" })).toBe("ok");
    expect(refusals(stream)).toEqual(some.map(() => "bad_frame"));
    // Bytes are none of its texts, whatever they say; and one more is too many.
    stream.socket.send(Buffer.from('{"op":"ping","id":"b"}'));
    for (let more = some.length; more <= limits.badFrames; more += 1) stream.socket.send("{");
    expect(await stream.closed).toBe(closeCodes.badFrames);
  }
};

/** What is not even a frame of WebSocket's, and frames that are too much. */
const brokenFrames: Attack = async (streams) => {
  const cases: readonly (readonly [bytes: Buffer, code: number])[] = [
    [Buffer.from([0x81, 0x02, 0x7b, 0x7d]), 1002],
    [maskedFrame(0xc1, "{}"), 1002],
    [maskedFrame(0x83, "{}"), 1002],
    [maskedFrame(0x80, "{}"), 1002],
    [maskedFrame(0x09, "{}"), 1002],
    [Buffer.from([0x89, 0xfe, 0x00, 0x7e]), 1002],
    [maskedFrame(0x81, new Uint8Array([0x22, 0xff, 0x22])), 1007],
    [Buffer.from([0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0]), closeCodes.tooLarge],
    [Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 1009],
  ];
  for (const [bytes, code] of cases) {
    const raw = await RawSocket.upgraded(streams.url);
    raw.socket.write(bytes);
    expect(await raw.closed(), bytes.toString("hex").slice(0, 24)).toBe(code);
  }
  const large = await RawStream.open(streams.url);
  large.socket.send("x".repeat(frameBytesMax + 1));
  expect(await large.closed).toBe(closeCodes.tooLarge);
};

/** Messages in pieces: a whole one is read, more pieces than it needs are not, and one that never ends holds what its pieces hold. */
const fragments: Attack = async (streams) => {
  const whole = await RawStream.open(streams.url);
  for (const [at, piece] of ['{"op":', '"ping",', '"id":"p"}'].entries()) whole.socket.send(piece, { fin: at === 2 });
  expect(await whole.until((frame) => frame["id"] === "p")).toMatchObject({ ok: true });
  whole.socket.send('{"op"', { fin: false });
  whole.socket.terminate();
  const crumbs = await RawStream.open(streams.url);
  for (let at = 0; at <= limits.fragments; at += 1) crumbs.socket.send(" ", { fin: false });
  expect(await crumbs.closed).toBe(1008);
  const endless = await RawStream.open(streams.url);
  for (let at = 0; at <= 16; at += 1) endless.socket.send(" ".repeat(1_024), { fin: false });
  expect(await endless.closed).toBe(closeCodes.tooLarge);
};

/** Faster than anybody may be, at the protocol's own frames too; and who goes on after the end is not heard. */
const floods: Attack = async (streams) => {
  const many = limits.frameBurst + 2 * limits.refusalBurst;
  const asking = await inside(streams);
  const pinging = await RawStream.open(streams.url);
  for (let at = 0; at < many; at += 1) {
    asking.say({ op: "ping", id: String(at) });
    pinging.socket.ping("x".repeat(125));
  }
  for (const stream of [asking, pinging]) {
    expect(await stream.closed).toBe(closeCodes.tooMany);
    expect([...new Set(refusals(stream))]).toEqual(["rate_limited"]);
  }
  // One who reads none of the answers.
  const deaf = await RawSocket.upgraded(streams.url);
  deaf.socket.pause();
  for (let at = 0; at < many; at += 1) deaf.socket.write(maskedFrame(0x89, "x".repeat(125)));
  deaf.socket.resume();
  expect(await deaf.closed()).toBe(closeCodes.tooMany);
};

/** Channels by the hundred: what has to be worked out for them is bounded, however the asking is spread over requests. */
const subscriptions: Attack = async (streams) => {
  const stream = await inside(streams);
  const some = channels(channelsPerRequest);
  const codes: string[] = [];
  for (let at = 0; at < 20; at += 1) {
    codes.push(await stream.verdict({ op: "subscribe", channels: some }));
    if (codes.at(-1) === "ok") expect(await stream.verdict({ op: "unsubscribe", channels: some })).toBe("ok");
  }
  expect([...new Set(codes)]).toEqual(["ok", "rate_limited"]);
  expect(codes.filter((code) => code === "ok").length).toBeGreaterThanOrEqual(limits.snapshotBurst / some.length);
  const refused = stream.frames.find(({ ok }) => ok === false);
  expect(refused).toMatchObject({ error: { retryAfterMs: expect.any(Number) } });
  const full = await inside(streams);
  const more = channels(limits.channels + 1);
  for (const from of [0, channelsPerRequest])
    expect(await full.verdict({ op: "subscribe", channels: more.slice(from, from + channelsPerRequest) })).toBe("ok");
  expect(await full.verdict({ op: "subscribe", channels: more.slice(limits.channels) })).toBe("too_many_channels");
  expect(await full.verdict({ op: "subscribe", channels: ["instrument.NONE"] })).toBe("unknown_channel");
  // A channel named a hundred times is told once.
  const before = full.of("margin.h0").length;
  const again = Array.from({ length: channelsPerRequest }, () => "margin.h0");
  expect(await full.verdict({ op: "resync", channels: again })).toBe("ok");
  expect(await full.verdict({ op: "ping" })).toBe("ok");
  const snapshots = full.of("margin.h0").slice(before);
  expect(snapshots.filter(({ type }) => type === "snapshot").length).toBe(1);
  await Promise.all([stream.close(), full.close()]);
};

/** Logins that prove nothing, those who leave in the middle of one, and more of one person than may be. */
const logins: Attack = async (streams) => {
  const timestamp = Date.now();
  const nonce = randomUUID();
  const signature = sign(secretOfKey(streams.keySecret, "other"), String(timestamp), nonce, streamLogin);
  const forged: readonly (readonly [login: object, code: string])[] = [
    [{ key: "bot", timestamp, nonce, signature }, "signature_wrong"],
    [{ key: "bot", timestamp: 1, nonce, signature }, "signature_malformed"],
    [{ key: "bot", timestamp: timestamp - 60_000, nonce, signature }, "timestamp_outside"],
    [{ token: `e30.${Buffer.from(`{"sub":"${nonce}"}`).toString("base64url")}.${"A".repeat(86)}` }, "token_malformed"],
  ];
  for (const [login, code] of forged) {
    const stream = await RawStream.open(streams.url);
    expect(await stream.verdict({ op: "auth", ...login })).toBe(code);
    expect(await stream.closed).toBe(closeCodes.unauthorised);
  }
  const token = await streams.token(["viewer"], null, nonce);
  const hasty = limits.connectionsPerPrincipal + 2;
  for (let at = 0; at < hasty; at += 1) {
    const stream = await RawStream.open(streams.url);
    stream.say({ op: "auth", id: "a", token });
    stream.socket.close(3_000 + (timestamp % 1_000) + at);
    await stream.closed;
  }
  const open = [];
  for (let at = 0; at < limits.connectionsPerPrincipal; at += 1)
    open.push(await RawStream.loggedIn(streams.url, token));
  const beyond = await RawStream.open(streams.url);
  expect(await beyond.verdict({ op: "auth", token })).toBe("too_many_connections");
  expect(await beyond.closed).toBe(closeCodes.tooMany);
  for (const stream of open) stream.socket.terminate();
};

/** Requests that become no WebSocket. */
const requests: Attack = async (streams) => {
  const cases: readonly (readonly [request: (raw: RawSocket) => string, status: number])[] = [
    [(raw) => raw.request({}, "/v1/other"), 404],
    [(raw) => raw.request({}, "/../v1/stream"), 404],
    [(raw) => raw.request({}, undefined, "POST"), 405],
    [(raw) => raw.request({ "Sec-WebSocket-Key": null }), 400],
    [(raw) => raw.request({ "Sec-WebSocket-Key": "short" }), 400],
    [(raw) => raw.request({ "Sec-WebSocket-Version": "7" }), 400],
    [(raw) => raw.request({ Upgrade: "h2c" }), 400],
    [(raw) => raw.request({ Upgrade: null, Connection: "close" }), 426],
    [(raw) => raw.request({ Cookie: "x".repeat(20_000) }), 431],
    [() => "\0\0\0\0\r\n\r\n", 400],
  ];
  for (const [request, status] of cases) {
    const raw = await RawSocket.open(streams.url);
    raw.socket.write(request(raw));
    expect(await raw.status(), request(raw).slice(0, 40)).toBe(status);
  }
  // Gone in the middle of it.
  for (const part of ["", "GET /v1/str", (await RawSocket.open(streams.url)).request().slice(0, -2)]) {
    const raw = await RawSocket.open(streams.url);
    raw.socket.write(part);
    raw.socket.destroy();
  }
};

export const attacks = { badFrames, brokenFrames, fragments, floods, subscriptions, logins, requests } as const;

/** Requests that are never whole, a few bytes at a time or none at all: the status that ends each of them. */
export async function lorises(url: string): Promise<Promise<number>[]> {
  const silent = await RawSocket.open(url);
  const slow = await RawSocket.open(url);
  slow.socket.write("GET /v1/stream HTTP/1.1\r\n");
  const drops = setInterval(() => slow.socket.write("x: y\r\n"), 200);
  const ended = slow.status().finally(() => clearInterval(drops));
  return [silent.status(), ended];
}
