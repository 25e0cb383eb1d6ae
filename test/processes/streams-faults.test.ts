import { afterAll, beforeAll, expect, test } from "vitest";
import { followerName, followerOf, leaderName, leaderOf } from "#apps/cli/live/shard-programs.ts";
import { WebSocket } from "ws";
import { type ChannelHandle, StreamClient, type StreamClientOptions } from "#libs/client/index.ts";
import { freePort } from "#libs/process/servers/index.ts";
import { RawStream } from "#test/support/raw-stream.ts";
import { StreamRelay } from "#test/support/stream-relay.ts";
import { openDatabase } from "#libs/adapters/postgres/index.ts";
import type { AccountReply } from "#libs/contracts/live/margin.ts";
import type { MarginData } from "#libs/contracts/stream/account.ts";
import { LiveExchange } from "#test/support/live-exchange.ts";
import { eventually } from "#test/support/live-shard.ts";
import { StreamFollower } from "#test/support/stream-follower.ts";
import { StreamProcess } from "#test/support/stream-process.ts";

/*
 * Two shards in one streams process, the first with a standby; what follows them goes through every fault.
 */
const shards = ["0", "1"];
/** Of the first shard, and of the second. */
const [ann, bob, maker] = ["alice", "bob", "maker"];
let exchange: LiveExchange;
let streams: StreamProcess;
let follower: StreamFollower;
let margins: Readonly<Record<string, ChannelHandle<MarginData>>>;

beforeAll(async () => {
  exchange = await LiveExchange.start(undefined, shards);
  await exchange.processes.start([{ ...leaderOf("0"), name: "standby-0" }], () => {});
  streams = await StreamProcess.start(exchange.servers, { PLIMSOLL_SHARDS: shards.join(",") });
  for (const [account, amount] of Object.entries({ [ann]: "10000", [bob]: "20000", [maker]: "1000000" }))
    await exchange.deposit(account, amount);
  await exchange.settled();
  await exchange.place({ account: maker, side: "sell", qty: "3", price: "50000" });
  await exchange.place({ account: ann, side: "buy", qty: "1", price: "50000", ioc: true });
  await exchange.place({ account: bob, side: "buy", qty: "2", price: "50000", ioc: true });
  await exchange.settled();
  follower = new StreamFollower(streams.url, async () => streams.token(["viewer"]));
  margins = { [ann]: follower.follow(`margin.${ann}`), [bob]: follower.follow(`margin.${bob}`) };
}, 120_000);
afterAll(async () => {
  follower?.client.close();
  await streams?.stop();
  await exchange?.stop();
}, 60_000);

async function asked(account: string): Promise<AccountReply> {
  const { bus } = exchange.watch;
  const subject = bus.names.subjects.rpc(exchange.shardOf(account), "account");
  return bus.request<AccountReply>(subject, { account }, { timeoutMs: 5_000 });
}

/** What the client shows of both accounts is what their engines answer. */
async function expectEngines(): Promise<void> {
  for (const [account, handle] of Object.entries(margins)) {
    const { account: answer, appliedSeq } = await eventually("an answer", async () => asked(account));
    const { data, shard } = await follower.at(handle, appliedSeq);
    const { equity, initialEquity, fullEquity, im, mm, ratio, free } = answer;
    expect(data).toMatchObject({ equity, initialEquity, fullEquity, im, mm, ratio, free });
    expect(shard).toBe(exchange.shardOf(account));
  }
}

test("E11 accounts and marks of every shard come from one process, and what is of all of them adds up", async () => {
  expect([ann, bob].map((account) => exchange.shardOf(account))).toEqual(shards);
  await exchange.enter({ k: "fund", asset: "USDT", amount: "100" });
  await exchange.settled();
  await expectEngines();
  const [overview, marks, fund] = [follower.follow("overview"), follower.follow("marks"), follower.follow("fund")];
  const instrument = follower.follow("instrument.BTC-PERP");
  await follower.until(() =>
    [overview, marks, fund, instrument].every(({ live, current }) => live && current !== null),
  );
  await follower.until(() => fund.current?.data.funds["USDT"]?.balance === "200");
  await follower.until(() => marks.current?.data.marks["BTC-PERP"]?.openInterest === "3");
  for (const { current } of [overview, marks, fund, instrument])
    expect(current).toMatchObject({ shard: null, logSeq: null });
  expect(instrument.current?.data).toMatchObject({ openInterest: "3", long: { holders: 2 }, short: { holders: 1 } });
  const { pools, shards: rows, funds } = overview.current?.data ?? {};
  expect(Object.keys(rows ?? {})).toEqual(shards);
  expect(Object.keys(pools ?? {}).sort()).toEqual([ann, bob, maker].sort());
  expect(funds?.["USDT"]?.balance).toBe("200");
  for (const one of [overview, marks, fund, instrument]) one.stop();
  await follower.until(() => !overview.live);
});

test("E11 a shard whose leader is away shows prices that grow older; the others go on", async () => {
  const overview = follower.follow("overview");
  await follower.until(() => overview.live && overview.current !== null);
  exchange.processes.signal(leaderName("1"), "SIGSTOP");
  const before = margins[ann]?.current?.logSeq ?? 0;
  await awayFrom1().finally(() => exchange.processes.signal(leaderName("1"), "SIGKILL"));
  expect(margins[ann]?.current?.logSeq).toBeGreaterThan(before);
  expect(margins[ann]?.current?.markAgeMs).toBeLessThan(margins[bob]?.current?.markAgeMs as number);
  const { shards: rows } = overview.current?.data ?? {};
  expect(rows?.["0"]?.markAgeMs).toBeLessThan(rows?.["1"]?.markAgeMs as number);
  expect(rows?.["0"]?.quietMs).toBeLessThan(rows?.["1"]?.quietMs as number);
  // Of several shards the oldest counts.
  expect(overview.current?.markAgeMs).toBeGreaterThan(rows?.["0"]?.markAgeMs as number);
  await eventually("a shard that takes entries", async () => exchange.deposit(bob, "1").then(() => true));
  await exchange.settled();
  await expectEngines();
  overview.stop();
});

/** Who follows all along is told how old prices are, and so is whoever asks a process that has begun with nothing but a snapshot. */
async function awayFrom1(): Promise<void> {
  await follower.growsOld(margins[bob] as ChannelHandle);
  const settings = { ...followerOf("1").settings, PLIMSOLL_SNAPSHOT_MS: "1" };
  await exchange.processes.start([{ ...followerOf("1"), settings }], () => {});
  const db = openDatabase({ url: exchange.servers.databaseUrl, name: "test", max: 1 });
  await eventually("a snapshot of all there is", async () => {
    const text = `SELECT max(s.entry) = (SELECT max(j.last_entry) FROM journal j WHERE j.shard = '1') AS whole FROM snapshot s WHERE s.shard = '1'`;
    return (await db.query<{ whole: boolean }>({ text })).rows[0]?.whole;
  });
  await db.close();
  await exchange.processes.end(followerName("1"));
  const another = await StreamProcess.start(exchange.servers, { PLIMSOLL_SHARDS: shards.join(",") });
  const late = new StreamFollower(another.url, async () => another.token(["viewer"]));
  const handle = late.follow(`margin.${bob}`);
  await late.growsOld(handle);
  expect(handle.current?.markAgeMs).toBeGreaterThan(0);
  late.client.close();
  await another.stop();
}

/** What strikes, and what is true of the source meanwhile. */
const faults = {
  streams: async () => streams.restart(),
  "streams, stopped": async () => {
    process.kill(streams.app.pid, "SIGSTOP");
    await exchange.deposit(ann, "3");
    process.kill(streams.app.pid, "SIGCONT");
  },
  "the leader, with a standby": async () => {
    const before = (await exchange.watch.status("0", {})).epoch;
    exchange.processes.signal(leaderName("0"), "SIGKILL");
    await eventually("another leader", async () => (await exchange.watch.status("0", {})).epoch > before);
  },
  nats: async () => {
    await exchange.servers.own.get("nats")?.kill();
    await Promise.all(Object.values(margins).map(async (handle) => follower.growsOld(handle)));
    await exchange.servers.own.get("nats")?.restart();
  },
  postgres: async () => {
    await exchange.servers.own.get("postgres")?.kill();
    const late = new StreamFollower(streams.url, async () => streams.token(["trader"], ann, "late"));
    const handle = late.follow(`margin.${ann}`);
    await Promise.all(Object.values(margins).map(async (one) => follower.growsOld(one)));
    expect(handle.live).toBe(false);
    await exchange.servers.own.get("postgres")?.restart();
    // Whose login could not be looked at gets in by itself.
    await late.until(() => handle.live && handle.current !== null);
    expect(late.refused).toEqual([]);
    late.client.close();
  },
} as const;

test.each(Object.entries(faults))(
  "I-23 after %s was away the client has what the engines answer, without a gap",
  { timeout: 120_000 },
  async (name, strike) => {
    await expectEngines();
    const before = follower.client.counts;
    const equity = margins[ann]?.current?.data.equity;
    await strike();
    for (const account of [ann, bob])
      await eventually("a shard that takes entries", async () => exchange.deposit(account, "1").then(() => true));
    await exchange.settled();
    await expectEngines();
    expect(margins[ann]?.current?.data.equity).not.toBe(equity);
    const { connections, snapshots, gaps } = follower.client.counts;
    const anew = name === "streams" ? 1 : 0;
    expect({ connections, snapshots, gaps }).toEqual({
      connections: before.connections + anew,
      snapshots: before.snapshots + anew * Object.keys(margins).length,
      gaps: 0,
    });
  },
);

/** A follower behind a relay that loses what it is told to. */
async function relayed(options: Partial<StreamClientOptions> = {}) {
  const relay = await StreamRelay.open(() => streams.url);
  const one = new StreamFollower(relay.url, async () => streams.token(["trader"], ann), options);
  const end = (): void => {
    one.client.close();
    relay.close();
  };
  return { relay, one, end };
}

test("a delta that is lost on the way is noticed, and that channel alone begins anew", async () => {
  const { relay, one, end } = await relayed();
  const [margin, marks] = [one.follow(`margin.${ann}`), one.follow("marks")];
  await one.until(() => margin.live && marks.live && margin.current !== null && marks.current !== null);
  let lost = 0;
  relay.pass = (text) => (text.includes(`"ch":"margin.${ann}","type":"delta"`) && (lost += 1) === 1 ? null : text);
  await exchange.deposit(ann, "1");
  await one.until(() => one.client.counts.gaps === 1 && margin.live);
  const { account, appliedSeq } = await eventually("an answer", async () => asked(ann));
  const { data } = await one.at(margin, appliedSeq);
  expect(data.equity).toBe(account.equity);
  expect(one.client.counts).toMatchObject({ connections: 1, snapshots: 3, gaps: 1 });
  end();
});

test("a connection that breaks goes on where it was; what is no JSON breaks it, and harms nobody", async () => {
  const { relay, one, end } = await relayed();
  const margin = one.follow(`margin.${ann}`);
  await one.until(() => margin.live && margin.current !== null);
  relay.cut();
  await one.until(() => margin.live && one.client.counts.connections === 2);
  expect(one.client.counts).toMatchObject({ snapshots: 1, resumed: 1, gaps: 0 });
  relay.pass = (text) => (text.startsWith('{"ch"') ? "{" : text);
  await one.until(() => one.client.state === "waiting");
  expect(margin.live).toBe(false);
  relay.pass = (text) => text;
  await one.until(() => margin.live);
  expect(one.errors.map(String)).toContain("Error: the server sent what is no JSON");
  end();
});

test("a server that takes a connection and says nothing is given up in time, and so is a login that is not answered", async () => {
  const { relay, one, end } = await relayed({
    limits: { connectWithinMs: 50, answerWithinMs: 50, retryFirstMs: 5, retryMostMs: 5 },
  });
  relay.mute = true;
  relay.cut();
  await one.until(() => one.errors.some((error) => String(error).includes("hello")));
  relay.mute = false;
  relay.pass = (text) => (text.includes('"login"') ? null : text);
  await one.until(() => one.errors.some((error) => String(error).includes("auth was not answered")));
  end();
});

test("a login is renewed on the same connection before it ends; nobody becomes somebody else on it", async () => {
  const lifetimeMs = 3_000;
  let ends = 0;
  const one = new StreamFollower(streams.url, async () => {
    ends ||= Date.now() + lifetimeMs;
    return streams.token(["trader"], ann, "brief", lifetimeMs);
  });
  const margin = one.follow(`margin.${ann}`);
  await one.until(() => margin.live && (margin.current?.t ?? 0) > ends);
  expect(one.client.counts).toMatchObject({ connections: 1, snapshots: 1 });
  expect(one.client.counts.renewals).toBeGreaterThan(0);
  one.client.close();
  const raw = await RawStream.loggedIn(streams.url, await streams.token(["viewer"]));
  expect(await raw.verdict({ op: "subscribe", channels: ["overview", "marks"] })).toBe("ok");
  expect(await raw.verdict({ op: "auth", token: await streams.token(["viewer"], null, "another") })).toBe(
    "already_authenticated",
  );
  // Another login of the same person that may read less: what it may not read is taken away.
  expect(await raw.verdict({ op: "auth", token: await streams.token(["admin"]) })).toBe("ok");
  await raw.until((frame) => frame["id"] === null && JSON.stringify(frame).includes('"ch":"overview"'));
  expect(await raw.verdict({ op: "unsubscribe", channels: ["overview"] })).toBe("not_subscribed");
  expect(await raw.verdict({ op: "unsubscribe", channels: ["marks"] })).toBe("ok");
  await raw.close();
});

test("channels are asked for together, one that is refused takes no other with it, and there is room again when one is left", async () => {
  const { relay, one, end } = await relayed();
  const [own, others] = [one.follow(`margin.${ann}`), one.follow(`margin.${bob}`)];
  await one.until(() => own.live && others.refused !== null);
  expect([others.refused?.code, others.live, others.current]).toEqual(["forbidden", false, null]);
  expect(one.refused).toEqual([`forbidden margin.${bob}`]);
  expect(relay.asked.filter((text) => text.includes("subscribe")).length).toBe(2);
  end();
  const all = new StreamFollower(streams.url, async () => streams.token(["viewer"], null, "all"));
  const many = Array.from({ length: 201 }, (_, at) => all.follow(`margin.c${at}`));
  await all.until(() => many.filter(({ live }) => live).length === 200 && all.refused.length > 0);
  expect(many[200]?.refused?.code).toBe("too_many_channels");
  many[0]?.stop();
  await all.until(() => many[200]?.live === true);
  all.client.close();
});

test("who takes long over an update gets the latest next; what a listener throws reaches nobody else", async () => {
  const { one, end } = await relayed();
  one.client.follow("marks", () => {
    throw new Error("mine alone");
  });
  const marks = one.follow("marks");
  const seen: number[] = [];
  for await (const { seq } of marks.updates()) {
    seen.push(seq);
    if (seen.length === 3) break;
    await one.until(() => (marks.current?.seq ?? 0) >= seq + 3);
    expect(marks.current?.seq).toBeGreaterThan(seq);
  }
  expect(seen.length).toBe(3);
  expect(seen.every((seq, at) => at === 0 || seq >= (seen[at - 1] as number) + 3)).toBe(true);
  expect(one.errors.map(String)).toContain("Error: mine alone");
  const rest = marks.updates();
  await rest.next();
  end();
  expect((await rest.next()).done).toBe(true);
});

test("waits double up to a bound, a random half of each", async () => {
  const waits: number[] = [];
  let full = (): void => {};
  const enough = new Promise<void>((resolve) => (full = resolve));
  const unused = await freePort();
  const client = new StreamClient({
    url: `ws://127.0.0.1:${unused}/v1/stream`,
    login: async () => Promise.reject(new Error("never asked")),
    connect: (url) => new WebSocket(url),
    random: () => (waits.length % 2 === 0 ? 0 : 1),
    limits: { retryFirstMs: 100, retryMostMs: 1_000, connectWithinMs: 60_000 },
    schedule: (run, ms) => {
      if (ms === 60_000) return () => {};
      waits.push(ms);
      if (waits.length === 6) full();
      const timer = setTimeout(run, 0);
      return () => clearTimeout(timer);
    },
  });
  client.open();
  await enough;
  client.close();
  expect(waits).toEqual([50, 200, 200, 800, 500, 1_000]);
  expect(client.state).toBe("closed");
});
