import { afterAll, beforeAll, expect, test } from "vitest";
import type { AccountReply } from "#libs/contracts/live/margin.ts";
import { attacks, lorises } from "#test/support/hostile-streams.ts";
import { LiveExchange } from "#test/support/live-exchange.ts";
import { expectFlat, spawnCollected } from "#test/support/memory.ts";
import { metricsOf } from "#test/support/metrics.ts";
import { RawStream } from "#test/support/raw-stream.ts";
import { StreamProcess } from "#test/support/stream-process.ts";

let exchange: LiveExchange;
let streams: StreamProcess;
let honest: RawStream;
let unfinished: Promise<number>[];

beforeAll(async () => {
  exchange = await LiveExchange.start();
  streams = await StreamProcess.start(exchange.servers, {}, spawnCollected);
  await exchange.deposit("bob", "100000");
  await exchange.settled();
  honest = await RawStream.loggedIn(streams.url, await streams.token(["trader"], "bob"));
  expect(await honest.verdict({ op: "subscribe", channels: ["margin.bob", "marks"] })).toBe("ok");
  unfinished = await lorises(streams.url);
}, 120_000);
afterAll(async () => {
  await streams?.stop();
  await exchange?.stop();
});

test.each(Object.entries(attacks))("E08 %s are refused by their codes", async (_, attack) => attack(streams));

test("E08 whatever strangers do again and again, the process holds no more memory", { timeout: 120_000 }, async () => {
  await expectFlat(streams.app, { rounds: 16, slack: 1_024 * 1_024 }, async () => {
    for (const attack of Object.values(attacks)) await attack(streams);
  });
  const metrics = await metricsOf(streams.app);
  expect(metrics.get('stream_connections{app="streams"}')).toBe(1);
  const codes = [...metrics.keys()].filter((name) => name.startsWith("stream_closes_total"));
  expect(codes.length).toBeLessThan(20);
});

test("E08 an honest reader was told everything meanwhile, without a gap, as the engine has it", async () => {
  await exchange.deposit("bob", "7");
  await exchange.settled();
  const { bus } = exchange.watch;
  const asked = { account: "bob" };
  const { account, appliedSeq } = await bus.request<AccountReply>(bus.names.subjects.rpc("0", "account"), asked, {
    timeoutMs: 5_000,
  });
  await honest.until(({ ch, logSeq }) => ch === "margin.bob" && Number(logSeq) >= appliedSeq);
  const { equity, free, im, mm } = account;
  expect(honest.state("margin.bob").data).toMatchObject({ equity, free, im, mm });
  for (const ch of ["margin.bob", "marks"]) {
    const frames = honest.of(ch);
    expect(frames.map(({ type }) => type)).toEqual(frames.map((_, at) => (at === 0 ? "snapshot" : "delta")));
    expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, at) => (frames[0]?.seq ?? 0) + at));
  }
  expect(streams.app.running).toBe(true);
  expect(streams.app.lines().filter(({ level }) => level === "error")).toEqual([]);
});

test("E08 an upgrade that is never whole ends", async () => {
  expect(await Promise.all(unfinished)).toEqual([408, 408]);
});
