import { expect, test } from "vitest";
import {
  connectBus,
  deadLetter,
  ensureStreams,
  lastEntry,
  lastPublishedFact,
  messageAt,
  openEntryWriter,
  openFactReader,
  openLogReader,
  publishFacts,
  streamState,
  trimLog,
} from "#libs/adapters/nats/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import { startNats } from "#libs/process/servers/index.ts";
import { entryIn, readMany } from "#test/support/entries.ts";
import { useNats } from "#test/support/servers.ts";

const nats = useNats();
const cash = { k: "cash", account: "a", asset: "USDT", amount: "1" } as const;

/** Each test in a namespace of its own, so that none sees another's streams. */
async function withBus(namespace: string, use: (bus: Bus) => Promise<void>, url = nats().url): Promise<void> {
  const bus = await connectBus({ url, name: "test", namespace });
  try {
    await ensureStreams(bus, ["0"]);
    await use(bus);
  } finally {
    await bus.close();
  }
}

test("the bus talks to the server that the file has started", async () => {
  await withBus("own", async (bus) => {
    expect(bus.serverId).toBe(nats().identity);
  });
});

test("entries are numbered, stored in order under the subject of their kind, and read in order", async () => {
  await withBus("order", async (bus) => {
    const writer = openEntryWriter(bus, { shard: "0", source: "clock", lastSeq: 41 });
    const written = [writer.write(cash, 5), writer.write({ k: "time" }, 6, "00-a-b-01"), writer.write(cash, 7)];
    expect(written.map(({ sourceSeq }) => sourceSeq)).toEqual([42, 43, 44]);
    expect(await Promise.all(written.map(async ({ stored }) => stored))).toEqual([1, 2, 3]);
    const reader = await openLogReader(bus, "0", { from: 1 });
    const messages = await readMany(reader, 3);
    expect(messages.map(({ subject }) => subject.split(".").at(-1))).toEqual(["cash", "time", "cash"]);
    expect(messages.map(entryIn)[1]).toEqual({ k: "time", t: 6, source: "clock", sourceSeq: 43, trace: "00-a-b-01" });
    expect(messages.map(({ gap }) => gap)).toEqual([null, null, null]);
    expect([reader.nextSeq, reader.lag]).toEqual([4, 0]);
    expect(await lastEntry(bus, "0", "time")).toMatchObject({ seq: 2, entry: { sourceSeq: 43 } });
    expect(await lastEntry(bus, "0", "frame")).toBeNull();
    expect(new Uint8Array((await messageAt(bus, "0", 2)) ?? [])).toEqual(new Uint8Array(messages[1]?.data ?? []));
    expect(await messageAt(bus, "0", 9)).toBeNull();
    await Promise.all([reader.stop(), writer.close()]);
  });
});

test("an entry that comes again under its number is stored once", async () => {
  await withBus("twice", async (bus) => {
    const writer = openEntryWriter(bus, { shard: "0", source: "venue", lastSeq: 0 });
    const entry = { ...cash, t: 1, source: "venue", sourceSeq: 1 };
    expect([await writer.writeNumbered(entry).stored, await writer.writeNumbered(entry).stored]).toEqual([1, 1]);
    expect(await streamState(bus, "0")).toMatchObject({ firstSeq: 1, lastSeq: 1, messages: 1 });
    expect(() => writer.writeNumbered({ ...entry, source: "clock" })).toThrow("an entry of venue");
    await writer.close();
  });
});

test("a reader waits for what comes, gives up after its time, and a stopped one says so", async () => {
  await withBus("waits", async (bus) => {
    const writer = openEntryWriter(bus, { shard: "0", source: "clock", lastSeq: 0 });
    const reader = await openLogReader(bus, "0", { from: 1 });
    expect(await reader.next(10, 1)).toEqual([]);
    const waiting = reader.next(10, 20_000);
    writer.write({ k: "time" }, 1);
    expect(await waiting).toHaveLength(1);
    await reader.stop();
    await expect(reader.next(1, 0)).rejects.toThrow("stopped");
    await writer.close();
  });
});

test("a slow reader holds only so much in memory, and loses nothing", async () => {
  await withBus("slow", async (bus) => {
    const writer = openEntryWriter(bus, { shard: "0", source: "clock", lastSeq: 0 });
    for (let t = 1; t <= 300; t += 1) writer.write({ k: "time" }, t);
    await writer.drained();
    const reader = await openLogReader(bus, "0", { from: 1, readAhead: 10 });
    const sizes: number[] = [];
    const seen: number[] = [];
    while (seen.length < 300) {
      const messages = await reader.next(1_000, 20_000);
      sizes.push(messages.length);
      seen.push(...messages.map(({ seq }) => seq));
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10);
    expect(seen).toEqual(Array.from({ length: 300 }, (_, at) => at + 1));
    await Promise.all([reader.stop(), writer.close()]);
  });
});

test("positions that the stream no longer holds are told as a gap", async () => {
  await withBus("gaps", async (bus) => {
    const writer = openEntryWriter(bus, { shard: "0", source: "clock", lastSeq: 0 });
    for (let t = 1; t <= 6; t += 1) writer.write({ k: "time" }, t);
    await writer.drained();
    expect(await trimLog(bus, "0", 4)).toBe(3);
    const reader = await openLogReader(bus, "0", { from: 2 });
    const messages = await readMany(reader, 3);
    expect(messages.map(({ seq, gap }) => [seq, gap])).toEqual([
      [4, { from: 2, to: 3 }],
      [5, null],
      [6, null],
    ]);
    expect(reader.firstSeq).toBe(4);
    await Promise.all([reader.stop(), writer.close()]);
  });
});

test("kill -9 of the server amid 1,000 writes: all is stored, once, in order, and the reader goes on", async () => {
  const server = await startNats();
  const run = async (bus: Bus): Promise<void> => {
    const writer = openEntryWriter(bus, { shard: "0", source: "venue", lastSeq: 0 });
    const reader = await openLogReader(bus, "0", { from: 1 });
    const written = Array.from({ length: 500 }, (_, at) => writer.write(cash, at));
    await written[50]?.stored;
    await server.kill();
    for (let at = 500; at < 1_000; at += 1) written.push(writer.write(cash, at));
    await server.restart();
    const positions = await Promise.all(written.map(async ({ stored }) => stored));
    expect(positions.every((seq, at) => at === 0 || seq > (positions[at - 1] as number))).toBe(true);
    const messages = await readMany(reader, (await streamState(bus, "0")).lastSeq);
    const numbers = messages.map((message) => entryIn(message).sourceSeq);
    // What the engine does: a number that it has is dropped, one that skips is an error.
    let applied = 0;
    for (const number of numbers) {
      expect(number).toBeLessThanOrEqual(applied + 1);
      applied = Math.max(applied, number);
    }
    expect(applied).toBe(1_000);
    await Promise.all([reader.stop(), writer.close()]);
  };
  try {
    await withBus("", run, server.url);
  } finally {
    await server.stop();
  }
});

test("facts are stored once, split when too large for a message, and read from a remembered place", async () => {
  const server = await startNats({ maxPayload: 4_096 });
  const fact = (seq: number) => JSON.stringify({ seq, t: 1, fact: "cash", filler: "x".repeat(500) });
  const batch = (from: number, to: number) => ({
    shard: "0",
    epoch: 1,
    appliedSeq: 9,
    from,
    to,
    facts: Array.from({ length: to - from + 1 }, (_, at) => fact(from + at)),
  });
  const run = async (bus: Bus): Promise<void> => {
    expect(await lastPublishedFact(bus, "0")).toBe(0);
    await publishFacts(bus, batch(1, 20));
    await publishFacts(bus, batch(1, 20));
    await publishFacts(bus, batch(21, 21));
    expect(await lastPublishedFact(bus, "0")).toBe(21);
    const reader = await openFactReader(bus, { from: 2 });
    const [first] = await readMany(reader, 1);
    expect(first?.seq).toBe(2);
    await reader.stop();
    const whole = await openFactReader(bus, { from: 1 });
    const numbers: number[] = [];
    while (numbers.at(-1) !== 21) {
      for (const message of await readMany(whole, 1)) {
        const { facts } = JSON.parse(new TextDecoder().decode(message.data)) as { facts: { seq: number }[] };
        numbers.push(...facts.map(({ seq }) => seq));
      }
    }
    expect(numbers).toEqual(Array.from({ length: 21 }, (_, at) => at + 1));
    await whole.stop();
  };
  try {
    await withBus("", run, server.url);
  } finally {
    await server.stop();
  }
});

test("a dead letter keeps what was refused, and why", async () => {
  await withBus("dead", async (bus) => {
    const heard = new Promise<Uint8Array>((resolve) => {
      bus.subscribe(bus.names.subjects.allDeadLetters, ({ data }) => resolve(data));
    });
    await bus.flush();
    await deadLetter(bus, "log", { reason: "unreadable", path: "$.qty", payload: '{"k":1}' });
    const letter = JSON.parse(new TextDecoder().decode(await heard)) as { payload: string };
    expect(letter).toMatchObject({ reason: "unreadable", path: "$.qty", border: "log", bytes: 7 });
    expect(Buffer.from(letter.payload, "base64").toString()).toBe('{"k":1}');
  });
});

test("streams may be ensured again; a log that is not there is an error", async () => {
  await withBus("mine", async (bus) => {
    await ensureStreams(bus, ["0"]);
    await expect(streamState(bus, "9")).rejects.toThrow("there is no stream mine_RISK_LOG_9");
  });
});
