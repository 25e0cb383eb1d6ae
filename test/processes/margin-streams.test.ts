import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { connect, type NatsConnection } from "nats";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ensureStreams, streamState } from "#libs/adapters/nats/index.ts";
import { enqueueEntry, entryBySeq, readShard } from "#libs/adapters/postgres/index.ts";
import type { Decision } from "#libs/contracts/live/pre-trade.ts";
import { epochGroup } from "#libs/contracts/live/subjects.ts";
import type { Entry, EntryBody } from "#libs/contracts/log.ts";
import { Engine } from "#libs/engine/index.ts";
import { liveOptions } from "#libs/journal/index.ts";
import type { RunningApp } from "#libs/process/spawn-app.ts";
import { expectExact, expectVerified } from "../support/exact.ts";
import { eventually, liveShard, type LiveShard, shardRules } from "../support/live-shard.ts";
import { check, frame, half, httpOf, question, seed, startPrice, trade } from "../support/shard-entries.ts";
import { migratedPostgres, useNats } from "../support/servers.ts";
import { withStreams } from "../support/streams.ts";

const nats = useNats();
// A shard is started twice, and a log that looks wrong is looked at again after five seconds.
vi.setConfig({ testTimeout: 120_000 });
let shard: LiveShard;

beforeEach(async () => {
  const { url } = await migratedPostgres();
  shard = await liveShard(nats().url, url);
});
afterEach(async () => shard.stop());

const order = { id: "o-q", instrument: "BTC-PERP", side: "buy", qty: "0.1", price: startPrice };
/** One sound question of every kind. */
const questions = {
  check: question("r-check", "0.1"),
  amend: { request: "r-amend", account: "alice", order: "o-q", qty: "0.2" },
  cancel: { request: "r-cancel", account: "alice", order: "o-q" },
  batch: { request: "r-batch", mode: "each", orders: [{ account: "alice", order }] },
  "what-if": { request: "r-what-if", account: "alice", mark: { "BTC-PERP": "1000" } },
} as const;

async function expectEveryAnswerRecovering(): Promise<void> {
  for (const [verb, body] of Object.entries(questions)) {
    const answer = await shard.ask<Decision>(verb as keyof typeof questions, body);
    expect([verb, answer.decision, answer.codes]).toEqual([verb, "reject", ["recovering"]]);
  }
}

/** A leader that has led, agrees with everything, and has gone. */
async function led(): Promise<void> {
  await seed(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  await trade(shard);
  await expectExact(shard);
  expect((await app.stop()).code).toBe(0);
}

const applied = async (): Promise<number> => (await readShard(shard.db, "0"))?.appliedSeq ?? 0;

/** Messages that nobody has read, until the log ends at a position. */
async function fillTo(seq: number): Promise<void> {
  const { lastSeq } = await streamState(shard.bus, "0");
  for (let at = lastSeq; at < seq; at += 1) await shard.raw("time", { k: "time", made: "up" });
  await eventually("the messages", async () => (await streamState(shard.bus, "0")).lastSeq >= seq);
}

async function expectHalted(app: RunningApp, why: RegExp): Promise<void> {
  const status = await eventually("the halt", async () => {
    const now = await shard.status();
    return now.state === "halted_stream_mismatch" ? now : null;
  });
  expect(status.why).toMatch(why);
  await expectEveryAnswerRecovering();
  expect(await httpOf(app, "/health/ready")).toContain("halted_stream_mismatch");
  expect(app.running).toBe(true);
  await expectVerified(shard);
}

async function recreate(): Promise<void> {
  const { names } = shard.bus;
  await withStreams(shard.natsUrl, async (manager) => manager.streams.delete(names.streams.log("0")));
  await ensureStreams(shard.bus, ["0"]);
}

/** The server's files as they are now, put back by the returned function: what a restored backup or a lost disk cache does. */
async function saveFiles(): Promise<() => Promise<void>> {
  const [data, saved] = ["jetstream", "saved"].map((name) => join(nats().folder, name)) as [string, string];
  await nats().kill();
  rmSync(saved, { recursive: true, force: true });
  cpSync(data, saved, { recursive: true });
  await nats().restart();
  return async () => {
    await nats().kill();
    rmSync(data, { recursive: true });
    cpSync(saved, data, { recursive: true });
    await nats().restart();
    await eventually("the link", async () => streamState(shard.bus, "0"));
  };
}

test("a log that was made anew halts the shard, though it is long enough", async () => {
  await led();
  await recreate();
  await fillTo((await applied()) + 5);
  await expectHalted(await shard.start(), /^the stream was created at/);
});

test("a log that was made anew with fewer entries halts the shard", async () => {
  await led();
  await recreate();
  await fillTo(1);
  await expectHalted(await shard.start(), /^the stream was created at/);
});

test("a log that is made anew under a leader halts it", async () => {
  await seed(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  await trade(shard);
  await expectExact(shard);
  await recreate();
  await fillTo(1);
  await expectHalted(app, /^the stream was created anew at/);
});

test("a log that has lost its end halts the shard", async () => {
  await seed(shard);
  const putBack = await saveFiles();
  await led();
  await putBack();
  expect((await streamState(shard.bus, "0")).lastSeq).toBeLessThan(await applied());
  await expectHalted(await shard.start(), /^the stream ends at \d+, applied is \d+$/);
});

test("a log that holds another message at the committed position halts the shard", async () => {
  await seed(shard);
  const putBack = await saveFiles();
  await led();
  await putBack();
  await fillTo((await applied()) + 5);
  await expectHalted(await shard.start(), /^message \d+ is not the one that was read$/);
});

/** The same entries, each once and in order. */
function inOrder(entries: readonly Entry[]): Engine {
  const engine = Engine.create(shardRules, liveOptions);
  for (const entry of entries) engine.apply(entry);
  return engine;
}

const prices = ["50000", "50100", "49900", "50050"];

/** Both halves of trades of different sizes, sides and prices, so that their order makes a difference. */
function numberedTrades(count: number): Entry[] {
  return Array.from({ length: count }, (_, at) => {
    const id = `n-${shard.partner.entries.length + at}`;
    const [buyer, seller] = at % 3 === 2 ? (["bob", "alice"] as const) : (["alice", "bob"] as const);
    const qty = `0.0${1 + (at % 7)}`;
    const price = prices[at % prices.length] as string;
    return [half(buyer, "buy", id, qty, price), half(seller, "sell", id, qty, price)];
  })
    .flat()
    .map((body: EntryBody) => shard.lose(body));
}

const orders: readonly [what: string, of: (entries: readonly Entry[]) => readonly Entry[]][] = [
  ["each twice", (entries) => entries.flatMap((one) => [one, one])],
  ["all, and all again", (entries) => [...entries, ...entries]],
  ["backwards", (entries) => entries.toReversed()],
  ["neighbours swapped", (entries) => entries.map((_, at) => entries[at % 2 === 0 ? at + 1 : at - 1] as Entry)],
  ["every third missing", (entries) => entries.filter((_, at) => at % 3 !== 0)],
  [
    "odd ones first, and backwards again",
    (entries) => [...entries.filter((_, at) => at % 2 === 1), ...entries.toReversed()],
  ],
];

test("numbers of a producer that come twice, late or not at all are never applied wrong", async () => {
  await seed(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  for (const [what, of] of orders) {
    const before = shard.partner.resends;
    for (const entry of of(numberedTrades(6))) await shard.raw(entry.k, entry);
    // The next in order shows what may be missing at the end.
    await trade(shard);
    const { sources } = await shard.settled();
    expect([what, sources["venue"]]).toEqual([what, shard.partner.entries.length]);
    const gapless = what === "each twice" || what === "all, and all again";
    expect([what, shard.partner.resends > before]).toEqual([what, !gapless]);
  }
  const money = ["alice", "bob"].map((account) => ({ k: "cash", account, asset: "USDT", amount: "100000" }) as const);
  const start = [frame(), ...money].map((body, at) => ({ ...body, t: 1 + at }));
  const expected = inOrder([...start, ...shard.partner.entries]);
  for (const account of ["alice", "bob"]) {
    const reply = await shard.ask<{ account: unknown }>("account", { account });
    expect(reply.account).toEqual(expected.account(account));
  }
  await expectExact(shard);
});

test("a producer with an outbox is asked there for what the log has not brought", async () => {
  await seed(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  const place = { source: "scheduler", shard: "0" };
  for (const [at, account] of ["alice", "bob", "alice"].entries()) {
    const body: EntryBody = { k: "cash", account, asset: "USDT", amount: String(10 ** at) };
    await enqueueEntry(shard.db, { ...place, key: `k-${at}`, body, t: 1 + at });
  }
  for (const seq of [3, 1, 3, 2]) {
    const row = await entryBySeq(shard.db, place.source, place.shard, seq);
    await shard.raw("cash", row?.entry);
  }
  await eventually("the entries", async () => (await shard.status()).sources["scheduler"] === 3);
  await trade(shard);
  const { account } = await shard.ask<{ account: { equity: string } }>("account", { account: "alice" });
  expect(account.equity).toBe("100101");
  await expectExact(shard);
});

test("NATS killed while entries flow: nothing that it acknowledged is lost", async () => {
  await seed(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  let acknowledged = 0;
  const enough = new AbortController();
  const writing = (async () => {
    while (!enough.signal.aborted) {
      await trade(shard);
      acknowledged += 1;
    }
  })();
  const more = async (): Promise<void> => {
    const from = acknowledged;
    await eventually("trades", async () => Promise.resolve(acknowledged >= from + 10));
  };
  for (let time = 0; time < 2; time += 1) {
    await more();
    await nats().kill();
    await nats().restart();
  }
  await more();
  enough.abort();
  await writing;
  expect((await shard.settled()).sources["venue"]).toBe(2 * acknowledged);
  expect(app.running).toBe(true);
  expect((await check(shard, "r-1", "0.1")).decision).toBe("accept");
  await expectExact(shard);
});

async function connected<T>(work: (connection: NatsConnection) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: shard.natsUrl });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

interface Endpoint {
  readonly name: string;
  readonly subject: string;
  readonly queue_group: string;
  readonly num_requests?: number;
}

test("the standard tools find the pre-trade service, its endpoints and what they have answered", async () => {
  await seed(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  expect((await check(shard, "r-1", "0.1")).decision).toBe("accept");
  await connected(async (connection) => {
    const ask = async (verb: string) =>
      (await connection.request(`$SRV.${verb}.plimsoll-pretrade`, "", { timeout: 5_000 })).json<
        { readonly endpoints?: readonly Endpoint[] } & Readonly<Record<string, unknown>>
      >();
    expect(await ask("PING")).toMatchObject({ name: "plimsoll-pretrade", type: "io.nats.micro.v1.ping_response" });
    const info = await ask("INFO");
    const shown = new Map(info.endpoints?.map(({ name, subject, queue_group: group }) => [name, [subject, group]]));
    const { subjects } = shard.bus.names;
    const expected = (Object.keys(questions) as (keyof typeof questions)[]).map(
      (verb) => [verb, [subjects.rpc("0", verb), epochGroup("0", 1)]] as const,
    );
    expect(shown).toEqual(new Map(expected));
    const stats = await ask("STATS");
    expect(stats.endpoints?.find(({ name }) => name === "check")?.num_requests).toBeGreaterThan(0);
  });
  await expectExact(shard);
  await app.stop();
  await connected(async (connection) => {
    await expect(connection.request("$SRV.PING.plimsoll-pretrade", "", { timeout: 1_000 })).rejects.toThrow();
  });
});

test("every question before the shard is ready is answered: recovering", async () => {
  await shard.put("operator", { k: "cash", account: "alice", asset: "USDT", amount: "100000" });
  await trade(shard);
  let release = (): void => {};
  shard.partner.slow = new Promise((resolve) => {
    release = resolve;
  });
  const app = await shard.start();
  await eventually("the handshake", async () => (await shard.status()).state === "handshaking");
  await expectEveryAnswerRecovering();
  release();
  await eventually("the wait for marks", async () => (await shard.status()).state === "waiting_for_marks");
  await expectEveryAnswerRecovering();
  await shard.put("mark-price", frame());
  await app.whenMessage("ready");
  expect((await check(shard, "r-1", "0.1")).decision).toBe("accept");
  await expectExact(shard);
});

const asked = 200;

test("a leader that was frozen answers nothing when it goes on, and takes no question from its successor", async () => {
  await seed(shard);
  const frozen = await shard.start();
  await frozen.whenMessage("ready");
  await trade(shard);
  await shard.settled();
  process.kill(frozen.pid, "SIGSTOP");
  const second = await shard.start();
  await second.whenMessage("leading");
  await shard.put("mark-price", frame());
  await second.whenMessage("ready");
  await connected(async (connection) => {
    const epochs: number[] = [];
    const inbox = `_INBOX.frozen${process.pid}`;
    const ids = new Set<string>();
    connection.subscribe(inbox, {
      callback: (_, message) => {
        const answer = message.json<Decision>();
        epochs.push(answer.epoch);
        ids.add(answer.request);
      },
    });
    const subject = shard.bus.names.subjects.rpc("0", "check");
    const put = (prefix: string): void => {
      for (let at = 0; at < asked; at += 1)
        connection.publish(subject, JSON.stringify(question(`${prefix}-${at}`, "0.001")), { reply: inbox });
    };
    // The frozen one's group gets these too, and keeps them until it goes on.
    put("frozen");
    await eventually("answers", async () => Promise.resolve(ids.size === asked));
    put("thawed");
    process.kill(frozen.pid, "SIGCONT");
    put("thawing");
    expect((await frozen.exit).code).toBe(70);
    put("gone");
    await eventually("answers", async () => Promise.resolve(ids.size === 4 * asked));
    await connection.flush();
    expect(new Set(epochs)).toEqual(new Set([2]));
    expect(epochs.length).toBe(4 * asked);
  });
  await expectExact(shard);
});
