import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectBus, ensureStreams, openEntryWriter, openLogReader, openService } from "#libs/adapters/nats/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import { liveEntrySchemas } from "#libs/contracts/live/entries.ts";
import { freePort } from "#libs/process/servers/index.ts";
import { fileURLToPath } from "node:url";

const file = fileURLToPath(new URL("../../docker/nats/nats.conf", import.meta.url));
const users = ["mark-price", "venue", "margin", "liquidation", "scheduler", "operator", "quotes", "trader"] as const;
type User = (typeof users)[number];
const passwordOf = (user: User): string => `secret-of-${user}`;

let folder: string;
let port: number;
let server: ChildProcess;
const buses: Bus[] = [];

/** Sends lines after a login and gives what the server refuses of them. */
function refusals(user: User, lines: readonly string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.setTimeout(10_000, () => socket.destroy(new Error("no answer")));
    socket.on("error", reject);
    socket.on("data", (data) => {
      text += data.toString("utf8");
      if (!text.includes("PONG")) return;
      socket.destroy();
      resolve([...text.matchAll(/-ERR '([^']*)'/gi)].map((match) => match[1] ?? ""));
    });
    const login = JSON.stringify({ user, pass: passwordOf(user), verbose: false, pedantic: false });
    socket.write(`CONNECT ${login}\r\n${lines.map((line) => `${line}\r\n`).join("")}PING\r\n`);
  });
}

/** Which of these subjects a user may publish on, or subscribe to. */
async function permitted(user: User, verb: "PUB" | "SUB", subjects: readonly string[]): Promise<string[]> {
  const lines = subjects.map((subject, at) => (verb === "PUB" ? `PUB ${subject} 0\r\n` : `SUB ${subject} ${at + 1}`));
  const refused = (await refusals(user, lines)).join("\n");
  return subjects.filter((subject) => !refused.includes(`"${subject}"`));
}

const answers = (): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket
      .once("data", () => resolve(true))
      .once("error", () => resolve(false))
      .once("close", () => resolve(false));
    socket.once("data", () => socket.destroy());
  });

const busOf = async (user: User): Promise<Bus> => {
  const bus = await connectBus({
    url: `nats://127.0.0.1:${port}`,
    user,
    password: passwordOf(user),
    namespace: "",
    name: user,
  });
  buses.push(bus);
  return bus;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "plimsoll-nats-"));
  port = await freePort();
  const passwords = users.map((user) => [`NATS_${user.toUpperCase().replace("-", "_")}_PASSWORD`, passwordOf(user)]);
  const environment = {
    ...process.env,
    ...Object.fromEntries(passwords),
    NATS_SERVER_NAME: "test",
    NATS_STORE: folder,
  };
  server = spawn("nats-server", ["-c", file, "-a", "127.0.0.1", "-p", String(port)], {
    env: environment,
    stdio: "ignore",
  });
  const until = performance.now() + 15_000;
  while (!(await answers()) && performance.now() < until && server.exitCode === null);
});
afterAll(async () => {
  await Promise.all(buses.map((bus) => bus.close()));
  const ended = new Promise((resolve) => {
    server.once("exit", resolve);
  });
  if (server.exitCode === null) {
    server.kill("SIGKILL");
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

const log = (...kinds: string[]): string[] => kinds.map((kind) => `risk.log.0.${kind}`);
const operatorKinds = ["cash", "fund", "house", "transfer", "mode", "margin", "convert", "rules", "halt"];
const mayLog: Readonly<Record<User, readonly string[]>> = {
  "mark-price": ["frame"],
  venue: ["order", "cancel", "fill", "attest", "blocked", "withdrawn", "closed"],
  margin: ["time"],
  liquidation: ["resumed"],
  scheduler: ["funding", "settle", "expire", "session", ...operatorKinds],
  operator: [],
  quotes: [],
  trader: [],
};
const kinds = Object.keys(liveEntrySchemas);

test.each(users)("%s may say the kinds of entry that are its own, and no others", async (user) => {
  expect((await permitted(user, "PUB", log(...kinds))).sort()).toEqual(log(...mayLog[user]).sort());
});

test("every kind of entry is said by exactly one user", () => {
  expect(Object.values(mayLog).flat().sort()).toEqual(kinds.sort());
});

test.each<[subject: string, verb: "PUB" | "SUB", may: User[]]>([
  ["risk.facts.0", "PUB", ["margin"]],
  ["risk.effects.0", "PUB", ["margin"]],
  ["risk.epoch.0", "PUB", ["margin"]],
  ["risk.rpc.0.check", "PUB", ["operator", "venue"]],
  ["risk.rpc.0.check", "SUB", ["margin"]],
  ["risk.rpc.0.reconcile", "PUB", ["operator", "scheduler"]],
  ["venue.risk.command", "PUB", ["liquidation"]],
  ["venue.risk.command", "SUB", ["venue"]],
  ["venue.risk.handshake", "PUB", ["margin"]],
  ["venue.trade.place", "PUB", ["trader"]],
  ["oracle.quote.kraken.BTC", "PUB", ["quotes"]],
  ["oracle.quote.kraken.BTC", "SUB", ["mark-price"]],
  ["venue.book.BTC-PERP", "PUB", ["venue"]],
  ["_INBOX.someone.else", "PUB", []],
  [">", "SUB", []],
  ["$JS.API.STREAM.DELETE.RISK_LOG_0", "PUB", []],
  ["$JS.API.STREAM.MSG.DELETE.RISK_LOG_0", "PUB", []],
  ["$JS.API.STREAM.PURGE.RISK_LOG_0", "PUB", ["margin"]],
  ["$JS.API.STREAM.UPDATE.RISK_LOG_0", "PUB", ["margin"]],
  ["$JS.API.STREAM.CREATE.RISK_LOG_0", "PUB", ["liquidation", "margin", "mark-price", "scheduler", "venue"]],
])("%s by %s is for these users alone: %j", async (subject, verb, may) => {
  const found: User[] = [];
  for (const user of users) if ((await permitted(user, verb, [subject])).length > 0) found.push(user);
  expect(found.sort()).toEqual([...may].sort());
});

test("a wrong password does not get in", async () => {
  const attempt = connectBus({
    url: `nats://127.0.0.1:${port}`,
    user: "venue",
    password: "x",
    namespace: "",
    name: "x",
  });
  await expect(attempt).rejects.toThrow("no connection");
});

test("each process can do its work: create streams, store and read entries, serve and ask", async () => {
  const venue = await busOf("venue");
  const margin = await busOf("margin");
  await ensureStreams(venue, ["0"]);
  const writer = openEntryWriter(venue, { shard: "0", source: "venue", lastSeq: 0 });
  expect(await writer.write({ k: "cancel", account: "alice", id: "o-1" }, 1).stored).toBe(1);
  await writer.close();
  const reader = await openLogReader(margin, "0", { from: 1 });
  expect((await reader.next(10, 5_000)).map(({ seq }) => seq)).toEqual([1]);
  await reader.stop();
  const subject = margin.names.subjects.rpc("0", "check");
  const service = await openService(margin, {
    name: "plimsoll-pretrade",
    version: "1.0.0",
    description: "test",
    group: "pretrade-0-1",
    endpoints: { check: { subject, handle: () => '{"decision":"accept"}' } },
  });
  expect(await venue.request(subject, {}, { timeoutMs: 5_000 })).toEqual({ decision: "accept" });
  await service.stop();
});

test("no password stands in the file", () => {
  const given = [...readFileSync(file, "utf8").matchAll(/password: (\S+)/g)].map((match) => match[1] ?? "");
  expect(given).toHaveLength(users.length);
  for (const password of given) expect(password).toMatch(/^\$NATS_[A-Z_]+_PASSWORD$/);
});
