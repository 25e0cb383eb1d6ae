import { expect, test } from "vitest";
import { loadMarkState } from "#libs/adapters/postgres/index.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { wait } from "#libs/process/backoff.ts";
import type { RunningApp } from "#libs/process/spawn-app.ts";
import { type MarkPriceBench, poll, useMarkPrice } from "#test/support/mark-price.ts";

const haircut = { base: "0.02", min: "0.02", max: "0.3", k: "1", horizonMinutes: "60" };
const rules: RuleDocument = {
  assets: [
    { id: "USDT", haircut: { ...haircut, k: "0" } },
    { id: "BTC", haircut },
  ],
  instruments: [{ id: "BTC-PERP", kind: "linear", base: "BTC", quote: "USDT", settle: "USDT", index: "BTC" }],
  marks: { sources: { BTC: { a: "1", b: "1", c: "1" } }, outlier: "0.5", staleMs: 3_000, quorum: 2 },
};

const bench = useMarkPrice(rules);

test("quotes become the same frames in every shard's log; a crash is followed by a standby with the same state", async () => {
  const { bus, db, nats } = bench();
  const start = async (): Promise<RunningApp> => bench().start();
  const say: MarkPriceBench["say"] = (price, options) => bench().say(price, options);
  const first = await start();
  await first.whenMessage("leading");
  const frames = await bench().framesOf("0");
  const others = await bench().framesOf("1");

  say("50000");
  const priced = await frames.until((frame) => frame.index?.["BTC"] === "50000");
  expect(priced).toMatchObject({ source: "mark-price", mark: { "BTC-PERP": "50000" }, quality: { BTC: "good" } });
  expect(priced.haircut?.["BTC"]).toEqual({ initial: "0.02", maintenance: "0.02" });
  expect((await others.until((frame) => frame.index?.["BTC"] === "50000")).mark).toEqual(priced.mark);

  // Not let in: from the future, of an unknown source, unreadable; a price that is not positive is dropped by the rules.
  say("60000", { t: Date.now() + 60_000 });
  say("60000", { sources: ["x"] });
  bus.publish(bus.names.subjects.quote("a", "BTC"), { price: 60_000, t: Date.now() });
  say("50010", { sources: ["a", "b"] });
  say("-1", { sources: ["c"] });
  const dropped = await frames.until((frame) => frame.index?.["BTC"] === "50010");
  expect(dropped.inputs?.["BTC"]?.dropped).toEqual([{ source: "c", reason: "non_positive" }]);
  expect(frames.seen.some((frame) => frame.index?.["BTC"]?.startsWith("6"))).toBe(false);

  const savedVersion = (await loadMarkState(db, "mark-price"))?.version ?? 0;
  await poll(async () => ((await loadMarkState(db, "mark-price"))?.version ?? 0) > savedVersion);
  const second = await start();
  say("50020");
  const before = await frames.until((frame) => frame.index?.["BTC"] === "50020");
  await first.kill("SIGKILL");
  await second.whenMessage("leading");
  const whole = await frames.until((frame) => frame.sourceSeq >= before.sourceSeq + 1_000);
  // Nothing jumps: all there is, as it was when the first one ended.
  expect(whole).toMatchObject({
    index: { BTC: "50020" },
    mark: { "BTC-PERP": "50020" },
    haircut: { BTC: { initial: "0.02", maintenance: "0.02" } },
  });
  const lines = second.lines().find(({ msg }) => msg === "leading");
  expect(lines).toMatchObject({ restored: true });

  // Silence: the sources' own times decide, whoever publishes.
  const stale = await frames.until((frame) => frame.quality?.["BTC"] === "stale");
  expect(stale.quality).toMatchObject({ "BTC-PERP": "stale" });
  await second.kill("SIGKILL");
  const third = await start();
  await third.whenMessage("leading");
  const cached = await frames.until((frame) => frame.sourceSeq >= stale.sourceSeq + 1_000);
  expect(cached).toMatchObject({ index: { BTC: "50020" }, quality: { BTC: "stale", "BTC-PERP": "stale" } });

  // While the log cannot be written only the newest matters.
  await nats.kill();
  await nats.restart();
  await poll(async () => bus.connected);
  await poll(async () => {
    say("50100");
    const found = await Promise.race([
      frames.until((frame) => frame.index?.["BTC"] === "50100").then(() => true),
      wait(500),
    ]);
    return found === true;
  });
  const numbers = frames.seen.map((frame) => frame.sourceSeq);
  expect(numbers).toEqual([...numbers].sort((left, right) => left - right));
  expect(new Set(numbers).size).toBe(numbers.length);
  const kept = await db.query({ text: "SELECT 1 FROM mark_input WHERE id = 'BTC'" });
  expect(kept.rowCount).toBeGreaterThan(0);
  expect((await third.stop()).code).toBe(0);
}, 90_000);
