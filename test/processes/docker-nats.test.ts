import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  connectBus,
  ensureStreams,
  nextEntry,
  openEntryWriter,
  openLogReader,
  openService,
  streamPlaces,
} from "#libs/adapters/nats/index.ts";
import type { Bus, StreamPlace } from "#libs/adapters/nats/index.ts";
import { liveEntrySchemas } from "#libs/contracts/live/entries.ts";
import { natsUsers as users, permitted, startDockerNats } from "#test/support/docker-nats.ts";
import type { DockerNats, NatsUser as User } from "#test/support/docker-nats.ts";
import { root } from "#test/support/source.ts";

let nats: DockerNats;
beforeAll(async () => {
  nats = await startDockerNats();
}, 60_000);
afterAll(() => nats.stop());

const permits = (user: User, verb: "PUB" | "SUB", subjects: readonly string[]): Promise<string[]> =>
  permitted(nats.ports[0] as number, user, verb, subjects);

const log = (...kinds: string[]): string[] => kinds.map((kind) => `risk.log.0.${kind}`);
const operatorKinds = ["deleverage", "cash", "fund", "house", "transfer", "mode", "margin", "convert", "rules", "halt"];
const mayLog: Readonly<Record<User, readonly string[]>> = {
  "mark-price": ["frame"],
  venue: ["order", "cancel", "fill", "attest", "blocked", "withdrawn", "cancelled", "closed"],
  margin: ["time"],
  liquidation: ["resumed"],
  scheduler: ["funding", "settle", "expire", "session", ...operatorKinds],
  streams: [],
  api: [],
  operator: [],
  quotes: [],
  trader: [],
  crowd: [],
};
const kinds = Object.keys(liveEntrySchemas);

test.each(users)("%s may say the kinds of entry that are its own, and no others", async (user) => {
  expect((await permits(user, "PUB", log(...kinds))).sort()).toEqual(log(...mayLog[user]).sort());
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
  ["risk.rpc.0.account", "PUB", ["api", "operator"]],
  ["risk.rpc.0.dry-run", "PUB", ["api", "operator"]],
  ["risk.outbox.operator", "PUB", ["api"]],
  ["risk.outbox.operator", "SUB", ["scheduler"]],
  ["risk.rpc.0.reconcile", "PUB", ["operator", "scheduler"]],
  ["venue.risk.command", "PUB", ["liquidation"]],
  ["venue.risk.command", "SUB", ["venue"]],
  ["venue.risk.handshake", "PUB", ["margin"]],
  ["venue.trade.place", "PUB", ["crowd", "trader"]],
  ["provider.lp.takeover", "PUB", ["liquidation"]],
  ["provider.lp.takeover", "SUB", ["crowd"]],
  ["risk.notice.alice", "PUB", ["liquidation"]],
  ["risk.alarm.effect_stuck", "PUB", ["liquidation", "scheduler"]],
  ["risk.alarm.effect_stuck", "SUB", ["operator", "streams"]],
  ["risk.committed.0", "PUB", ["margin"]],
  ["risk.committed.0", "SUB", ["streams"]],
  ["oracle.quote.kraken.BTC", "PUB", ["crowd", "quotes"]],
  ["oracle.quote.kraken.BTC", "SUB", ["mark-price"]],
  ["venue.book.BTC-PERP", "PUB", ["venue"]],
  ["_INBOX.someone.else", "PUB", []],
  [">", "SUB", []],
  ["$JS.API.STREAM.DELETE.RISK_LOG_0", "PUB", []],
  ["$JS.API.STREAM.MSG.DELETE.RISK_LOG_0", "PUB", []],
  ["$JS.API.STREAM.PURGE.RISK_LOG_0", "PUB", ["margin"]],
  ["$JS.API.STREAM.UPDATE.RISK_LOG_0", "PUB", ["margin"]],
  ["$JS.API.STREAM.CREATE.ANOTHER", "PUB", ["margin"]],
  ["$JS.API.CONSUMER.CREATE.RISK_LOG_0", "PUB", ["margin"]],
  ["$JS.API.CONSUMER.CREATE.RISK_DEAD.x.y", "PUB", ["margin"]],
  ["$JS.API.CONSUMER.DURABLE.CREATE.RISK_DEAD.x", "PUB", ["margin"]],
  ["$JS.API.STREAM.SNAPSHOT.RISK_LOG_0", "PUB", []],
  ["$JS.API.STREAM.RESTORE.RISK_LOG_0", "PUB", []],
  ["$JS.API.META.LEADER.STEPDOWN", "PUB", []],
  ["_INBOX.>", "SUB", []],
  ["_INBOX_margin.x", "SUB", ["margin"]],
  ["_INBOX_margin.x", "PUB", []],
])("%s by %s is for these users alone: %j", async (subject, verb, may) => {
  const found: User[] = [];
  for (const user of users) if ((await permits(user, verb, [subject])).length > 0) found.push(user);
  expect(found.sort()).toEqual([...may].sort());
});

test("a wrong password does not get in", async () => {
  const attempt = connectBus({ url: nats.url, user: "venue", password: "x", namespace: "", name: "x" });
  await expect(attempt).rejects.toThrow("no connection");
});

test("each process can do its work: streams that margin makes, entries stored and read, questions served and asked", async () => {
  const venue = await nats.busOf("venue");
  const margin = await nats.busOf("margin");
  const markPrice = await nats.busOf("mark-price");
  // Whoever may not make the streams waits for margin, which does.
  await Promise.all([venue, markPrice, margin].map((bus) => ensureStreams(bus, ["0"])));
  const writer = openEntryWriter(venue, { shard: "0", source: "venue", lastSeq: 0 });
  expect(await writer.write({ k: "cancel", account: "alice", id: "o-1" }, 1).stored).toBe(1);
  await writer.close();
  const frames = openEntryWriter(markPrice, { shard: "0", source: "mark-price", lastSeq: 0 });
  expect(await frames.write({ k: "frame", mark: { "BTC-PERP": "1" } }, 1).stored).toBe(2);
  await frames.close();
  expect(await nextEntry(markPrice, "0", "frame", 1)).toMatchObject({ seq: 2, entry: { k: "frame" } });
  expect((await readAll(margin, 2)).map((entry) => entry["k"])).toEqual(["cancel", "frame"]);
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

test("no password stands in the files", () => {
  const text = ["nats.conf", "users.conf", "cluster.conf"].map((name) =>
    readFileSync(join(root, "docker/nats", name), "utf8"),
  );
  const given = [...text.join("\n").matchAll(/password: ([^\s,}]+)/g)].map((match) => match[1] ?? "");
  expect(given).toHaveLength(users.length + 1);
  for (const password of given) expect(password).toMatch(/^\$NATS_[A-Z_]+_PASSWORD$/);
});

test("three servers keep every stream three times, and go on when one of them dies", async () => {
  const cluster = await startDockerNats(3);
  try {
    const [margin, venue] = await Promise.all([cluster.busOf("margin"), cluster.busOf("venue")]);
    // Servers take some seconds to elect the one that makes streams.
    await expect
      .poll(() => ensureStreams(margin, ["0"], { replicas: 3 }).then(() => "made", String), { timeout: 60_000 })
      .toBe("made");
    const places = async (): Promise<readonly StreamPlace[]> => streamPlaces(margin, ["0"]);
    const whole = (found: readonly StreamPlace[]): boolean =>
      found.length === 4 && found.every(({ leader, followers }) => leader !== null && followers.length === 2);
    await expect.poll(async () => whole(await places()), { timeout: 60_000 }).toBe(true);
    for (const port of cluster.ports) {
      expect(await permitted(port, "venue", "PUB", log9("fill", "frame"))).toEqual(log9("fill"));
      expect(await permitted(port, "mark-price", "PUB", log9("fill", "frame"))).toEqual(log9("frame"));
    }

    const writer = openEntryWriter(venue, { shard: "0", source: "venue", lastSeq: 0 });
    const before = Array.from({ length: 50 }, (_, at) => writer.write(cancel(at), 1).stored);
    expect(await Promise.all(before)).toEqual(before.map((_, at) => at + 1));
    const { leader } = (await places()).find(({ stream }) => stream === "RISK_LOG_0") as StreamPlace;
    await cluster.kill(Number(leader?.replace("nats-", "")) - 1);
    const after = Array.from({ length: 50 }, (_, at) => writer.write(cancel(50 + at), 1).stored);
    expect(await Promise.all(after)).toEqual(after.map((_, at) => 51 + at));
    await writer.close();
    expect((await readAll(margin, 100)).map((entry) => entry["id"])).toEqual(
      Array.from({ length: 100 }, (_, at) => `o-${at}`),
    );
    // A process whose setting is smaller leaves them as they are.
    await expect.poll(() => ensureStreams(margin, ["0"]).then(() => "kept", String), { timeout: 60_000 }).toBe("kept");
    expect((await places()).map(({ replicas }) => replicas)).toEqual([3, 3, 3, 3]);
  } finally {
    await cluster.stop();
  }
}, 240_000);

/** Of a shard without a log here: what may be said is not stored. */
const log9 = (...kinds: string[]): string[] => kinds.map((kind) => `risk.log.9.${kind}`);
const cancel = (at: number) => ({ k: "cancel", account: "alice", id: `o-${at}` }) as const;

/** The first entries of the log. */
async function readAll(bus: Bus, count: number): Promise<Record<string, unknown>[]> {
  const reader = await openLogReader(bus, "0", { from: 1 });
  const read: Record<string, unknown>[] = [];
  const until = performance.now() + 30_000;
  while (read.length < count && performance.now() < until)
    for (const { data } of await reader.next(count, 1_000))
      read.push(JSON.parse(new TextDecoder().decode(data)) as Record<string, unknown>);
  await reader.stop();
  return read;
}
