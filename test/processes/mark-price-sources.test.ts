import { expect, test } from "vitest";
import { limits } from "#apps/mark-price/limits.ts";
import { Pace } from "#apps/mark-price/pace.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { metricsOf } from "#test/support/metrics.ts";
import { poll, useMarkPrice } from "#test/support/mark-price.ts";
import { messagesOf } from "#test/support/streams.ts";

const rules: RuleDocument = {
  assets: [{ id: "USDT" }, { id: "BTC" }],
  instruments: [
    {
      id: "BTC-PERP",
      kind: "linear",
      base: "BTC",
      quote: "USDT",
      settle: "USDT",
      index: "BTC",
      limits: { maxDepthShare: "0.5" },
    },
  ],
  // c counts for more than either of the others, not for more than both.
  marks: { sources: { BTC: { a: "2", b: "2", c: "3" } }, outlier: "0.05", staleMs: 600_000, quorum: 2 },
};

const bench = useMarkPrice(rules);
const series = (name: string, labels: string): string => `${name}{${labels},app="mark-price"}`;

test("an index is the weighted median of its sources; an outlier is dropped by name, and what too few agree on is disputed", async () => {
  const all = bench();
  const app = await all.start();
  await app.whenMessage("leading");
  const frames = await all.framesOf("0");
  const used = (frame: { inputs?: Readonly<Record<string, { used: readonly { source: string }[] }>> }) =>
    frame.inputs?.["BTC"]?.used.map(({ source }) => source);

  // Half of the weight is 3.5, which a alone does not reach and a with b does.
  const t = Date.now();
  for (const [source, price] of [
    ["a", "50000"],
    ["b", "50100"],
    ["c", "50200"],
  ] as const)
    all.say(price, { sources: [source], t });
  const three = await frames.until((frame) => used(frame)?.length === 3);
  expect(three).toMatchObject({ index: { BTC: "50100" }, mark: { "BTC-PERP": "50100" } });
  expect(three.inputs?.["BTC"]?.used).toMatchObject([
    { source: "a", price: "50000", weight: "2" },
    { source: "b", price: "50100", weight: "2" },
    { source: "c", price: "50200", weight: "3" },
  ]);

  // One goes astray: the others decide, and the receipt says who did not.
  all.say("80000", { sources: ["a"] });
  const astray = await frames.until((frame) => frame.inputs?.["BTC"]?.dropped.length === 1);
  expect(astray.inputs?.["BTC"]).toMatchObject({ dropped: [{ source: "a", reason: "outlier" }] });
  expect(used(astray)).toEqual(["b", "c"]);
  expect(astray.index?.["BTC"]).toBe("50200");

  // Nobody near the one at the median: it has less than half of the weight behind it.
  all.say("65000", { sources: ["b"] });
  const disputed = await frames.until((frame) => frame.quality?.["BTC"] === "disputed");
  expect(disputed.quality?.["BTC-PERP"]).toBe("disputed");
  all.say("50200", { sources: ["a", "b"] });
  await frames.until((frame) => frame.quality?.["BTC"] === "good");
}, 60_000);

test("a jump is framed at once; one source that cries is not a jump, and however often it does, frames go on", async () => {
  const all = bench();
  const app = await all.start();
  await app.whenMessage("leading");
  const frames = await all.framesOf("0");
  const caused = async (cause: string): Promise<number> =>
    (await metricsOf(app)).get(series("mark_frames_total", `cause="${cause}"`)) ?? 0;
  all.say("60000");
  await frames.until((frame) => frame.index?.["BTC"] === "60000");
  const before = await caused("jump");
  // A step of one per cent is more than the 20 basis points that make a jump.
  let price = 60_000;
  for (let jump = 0; jump < 10; jump += 1) {
    price = Math.round(price * 1.01);
    all.say(String(price));
    await frames.until((frame) => frame.index?.["BTC"] === String(price));
  }
  // The ordinary frame of every 100 ms may have been quicker with one or the other, never with most of them.
  expect((await caused("jump")) - before).toBeGreaterThanOrEqual(5);

  const quiet = await caused("jump");
  const cry = setInterval(() => all.say(String(Math.random() < 0.5 ? 90_000 : 95_000), { sources: ["a"] }), 3);
  try {
    for (let step = 1; step <= 5; step += 1) {
      all.say(String(price + step), { sources: ["b", "c"] });
      await frames.until((frame) => frame.index?.["BTC"] === String(price + step));
    }
  } finally {
    clearInterval(cry);
  }
  expect(await caused("jump")).toBe(quiet);
}, 60_000);

test("LIM-14 the depth that the matching engine tells goes on with the frames, where a limit is measured by it", async () => {
  const all = bench();
  const { bus } = all;
  const app = await all.start();
  await app.whenMessage("leading");
  const frames = await all.framesOf("0");
  all.say("50000");
  const t = Date.now();
  bus.publish(bus.names.subjects.book("BTC-PERP"), { instrument: "BTC-PERP", price: "50010", depth: "12.5", t });
  expect((await frames.until((frame) => frame.depth !== undefined)).depth).toEqual({ "BTC-PERP": "12.5" });
  bus.publish(bus.names.subjects.book("BTC-PERP"), { instrument: "BTC-PERP", price: "50010", depth: "0", t: t + 1 });
  await frames.until((frame) => frame.depth?.["BTC-PERP"] === "0");
  // Told once: what has not changed is not said again.
  all.say("50100");
  await frames.until((frame) => frame.index?.["BTC"] === "50100");
  expect(frames.seen.filter((frame) => frame.depth !== undefined)).toHaveLength(2);
}, 60_000);

test("looking for jumps that are none, as often as it may be done, keeps no ordinary frame back", () => {
  const pace = new Pace();
  pace.framed(0);
  let looks = 0;
  let due = false;
  for (let now = 0; now <= limits.frameMs; now += 1) {
    if (pace.lookDueInMs(now) === 0) {
      pace.looked(now);
      looks += 1;
    }
    due = pace.frameDue(now);
  }
  expect(due).toBe(true);
  expect(looks).toBe(limits.frameMs / limits.fastFrameMs);
  // A jump's frame of just now stands for the ordinary one.
  pace.framed(limits.frameMs);
  expect(pace.frameDue(limits.frameMs)).toBe(false);
});

test("lag and staleness are measured: of frames by shard, of quotes by asset and source", async () => {
  const all = bench();
  const app = await all.start();
  await app.whenMessage("leading");
  const frames = await all.framesOf("0");
  const now = Date.now();
  all.say("70000", { sources: ["b", "c"], t: now });
  all.say("70000", { sources: ["a"], t: now - 300_000 });
  await frames.until((frame) => frame.index?.["BTC"] === "70000");
  const measured = async () => {
    const metrics = await metricsOf(app);
    return (name: string, labels: string): number => metrics.get(series(name, labels)) ?? Number.NaN;
  };
  await poll(async () => (await measured())("mark_source_age_seconds", 'asset="BTC",source="a"') >= 300);
  const of = await measured();
  expect(of("mark_quote_age_seconds", 'asset="BTC"')).toBeLessThan(300);
  expect(of("mark_quote_age_seconds", 'asset="BTC"')).toBeGreaterThanOrEqual(0);
  for (const shard of ["0", "1"]) expect(of("mark_frame_age_seconds", `shard="${shard}"`)).toBeGreaterThanOrEqual(0);
  expect(of("price_quality", 'id="BTC",quality="good"')).toBe(1);
  expect(of("price_quality", 'id="BTC",quality="stale"')).toBe(0);
  const metrics = await metricsOf(app);
  expect(metrics.get('mark_frame_lag_seconds_count{app="mark-price"}')).toBeGreaterThan(0);
  expect(metrics.get('mark_frame_lag_seconds_sum{app="mark-price"}')).toBeGreaterThan(0);

  // Frames that cannot be stored grow old; who no longer leads says nothing.
  const standby = await all.start();
  expect((await metricsOf(standby)).has(series("mark_frame_age_seconds", 'shard="0"'))).toBe(false);
  await all.nats.kill();
  await poll(async () => (await measured())("mark_frame_age_seconds", 'shard="0"') > 1.5);
  await all.nats.restart();
  await poll(async () => (await measured())("mark_frame_age_seconds", 'shard="0"') < 1.5);
}, 60_000);

interface Letter {
  readonly reason: string;
  readonly payload: string;
}

test("quotes and book prices that cannot be used are refused: unreadable ones are kept as dead letters, all are counted", async () => {
  const all = bench();
  const { bus } = all;
  const app = await all.start();
  await app.whenMessage("leading");
  const frames = await all.framesOf("0");
  const t = Date.now();
  const quote = bus.names.subjects.quote("a", "BTC");
  const book = bus.names.subjects.book("BTC-PERP");
  bus.publish(quote, { price: 71_000, t });
  bus.publish(quote, { price: "71000", t, more: 1 });
  bus.publish(quote, { price: "1e5", t });
  bus.publish(book, { instrument: "BTC-PERP", price: "-1", t });
  bus.publish(book, { instrument: "ETH-PERP", price: "1", t });
  all.say("71000", { sources: ["x"] });
  all.say("71000", { t: t + 3_600_000 });
  all.say("71000", { t: t - 3_600_000 });
  bus.publish(bus.names.subjects.quote("a", "DOGE"), { price: "1", t });
  const refused = async (border: string, reason: string): Promise<number> =>
    (await metricsOf(app)).get(series("dead_letters_total", `border="${border}",reason="${reason}"`)) ?? 0;
  await poll(async () => (await refused("quote", "unknown")) === 2);
  expect(await refused("quote", "unreadable")).toBe(3);
  expect(await refused("quote", "future")).toBe(3);
  expect(await refused("quote", "old")).toBe(3);
  expect(await refused("book", "unreadable")).toBe(2);
  const letters = async () => messagesOf(all.nats.url, bus.names.streams.deadLetters);
  await poll(async () => (await letters()).length === 5);
  const kept = (await letters()).map(({ subject, body }) => {
    const { reason, payload } = body as Letter;
    return { border: subject, reason, payload: JSON.parse(Buffer.from(payload, "base64").toString("utf8")) as unknown };
  });
  expect(kept).toEqual(
    expect.arrayContaining([
      { border: "risk.dead.quote", reason: "unreadable", payload: { price: 71_000, t } },
      { border: "risk.dead.quote", reason: "unreadable", payload: { price: "1e5", t } },
      { border: "risk.dead.book", reason: "unreadable", payload: { instrument: "BTC-PERP", price: "-1", t } },
    ]),
  );
  // None of them has moved a price.
  all.say("70500");
  await frames.until((frame) => frame.index?.["BTC"] === "70500");
  expect(frames.seen.some((frame) => frame.index?.["BTC"] === "71000")).toBe(false);
}, 60_000);
