import fc from "fast-check";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { PriceFrames } from "#libs/domain/collateral/price-frames.ts";
import { minutesPerDay } from "#libs/domain/collateral/volatility.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { propertyOptions } from "#test/support/property.ts";

const minuteMs = 60_000;
const haircut = { base: "0.01", min: "0.01", max: "0.3", k: "1", horizonMinutes: "60" };
const document: RuleDocument = {
  assets: [
    { id: "USDT", haircut: { ...haircut, k: "0" } },
    { id: "BTC", haircut: { ...haircut, decayPerHour: "0.05", maintenanceStepPerHour: "0.01" } },
    { id: "ETH" },
  ],
  instruments: [
    { id: "BTC-PERP", kind: "linear", base: "BTC", quote: "USDT", settle: "USDT", index: "BTC" },
    { id: "ETH-PERP", kind: "linear", base: "ETH", quote: "USDT", settle: "USDT", index: "ETH" },
  ],
  marks: {
    sources: { BTC: { a: "1", b: "1" }, ETH: { a: "1" }, USDT: { a: "1" } },
    outlier: "0.05",
    staleMs: 10_000,
    quorum: 1,
    stepMax: "0.01",
    basisEmaMs: 30_000,
    basisMax: "0.01",
  },
};
const rules: RuleSet = compileRules(document, 1).rules;

type Said =
  | { readonly asset: string; readonly source: string; readonly price: string }
  | { readonly instrument: string; readonly price: string }
  | { readonly pauseMs: number };

const near = (middle: number) => fc.integer({ min: middle - 50, max: middle + 50 }).map(String);
const said: fc.Arbitrary<Said> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ asset: fc.constant("BTC"), source: fc.constantFrom("a", "b"), price: near(1000) }),
  },
  { weight: 1, arbitrary: fc.record({ asset: fc.constant("ETH"), source: fc.constant("a"), price: near(500) }) },
  { weight: 1, arbitrary: fc.record({ instrument: fc.constant("BTC-PERP"), price: near(1005) }) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 2 * minuteMs }).map((pauseMs) => ({ pauseMs })) },
);

/** Says everything in order, a frame after each; returns the frames and the time at the end. */
function run(prices: PriceFrames, history: readonly Said[], from: number): { frames: unknown[]; t: number } {
  let t = from;
  const frames: unknown[] = [];
  for (const one of history) {
    if ("pauseMs" in one) t += one.pauseMs;
    else if ("asset" in one) prices.quote({ ...one, t });
    else prices.bookPrice({ ...one, t });
    frames.push(prices.frame(rules, t));
  }
  return { frames, t };
}

/** Two hours of minutes, so that volatility says something. */
function warm(): { prices: PriceFrames; t: number } {
  const prices = new PriceFrames();
  const minutes = Array.from({ length: 120 }, (_, at): Said[] => [
    { pauseMs: minuteMs },
    { asset: "BTC", source: "a", price: String(1000 + ((at * 37) % 20)) },
  ]);
  const { t } = run(prices, minutes.flat(), 10 * minutesPerDay * minuteMs);
  return { prices, t };
}

const viaText = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value)) as Value;
const histories = fc.array(said, { maxLength: 60 });

test("prices that are saved and restored go on as if nothing had happened", () => {
  fc.assert(
    fc.property(histories, histories, histories, (first, second, third) => {
      const { prices, t } = warm();
      const atBase = run(prices, first, t).t;
      const since = prices.windowMinutes();
      const base = viaText(prices.save());
      const atRecent = run(prices, second, atBase).t;
      const recent = viaText(prices.save(since));

      const restored = new PriceFrames();
      restored.restore(base);
      restored.restoreRecent(recent);
      expect(restored.save()).toEqual(prices.save());
      expect(run(restored, third, atRecent)).toEqual(run(prices, third, atRecent));
      // A record from before the one there is changes no window.
      const windows = prices.save().volatility;
      prices.restoreRecent({
        ...prices.save(),
        volatility: base.volatility.map(([id, one]) => [id, { ...one, minute: 1 }]),
      });
      expect(prices.save().volatility).toEqual(windows);
    }),
    propertyOptions({ numRuns: 40 }),
  );
});

test("frames of the log since a save bring a restored state to what was published", () => {
  fc.assert(
    fc.property(histories, histories, (first, second) => {
      const { prices, t } = warm();
      const from = run(prices, first, t).t;
      const restored = new PriceFrames();
      restored.restore(viaText(prices.save()));
      let at = from;
      for (const one of second) {
        const { frames, t: next } = run(prices, [one], at);
        at = next;
        if (frames[0] !== null) restored.absorb(viaText(frames[0]) as never, at);
      }
      expect(restored.everything()).toEqual(prices.everything());
    }),
    propertyOptions({ numRuns: 40 }),
  );
});

test("what the rules no longer name is forgotten, and the rest stands", () => {
  const { prices, t } = warm();
  run(
    prices,
    [
      { asset: "ETH", source: "a", price: "500" },
      { instrument: "BTC-PERP", price: "1001" },
    ],
    t,
  );
  const before = prices.save();
  prices.prune(rules);
  expect(prices.save()).toEqual(before);
  const fewer: RuleDocument = { ...document, marks: { ...document.marks, sources: { BTC: { a: "1" } } } };
  const [, perpetual] = document.instruments;
  prices.prune(compileRules({ ...fewer, instruments: perpetual === undefined ? [] : [perpetual] }, 2).rules);
  const { quotes, marks, books } = prices.stage;
  expect([...quotes].map(([asset, said]) => [asset, [...said.keys()]])).toEqual([["BTC", ["a"]]]);
  expect([...marks.keys(), ...books.keys()]).toEqual(["ETH-PERP"]);
});

test("without quotes nobody vouches for a price that is still held", () => {
  const prices = new PriceFrames();
  prices.absorb({ index: { BTC: "1000" }, mark: { "BTC-PERP": "1001" }, quality: { BTC: "good" } }, 0);
  expect(prices.unquoted(rules).quality).toEqual({
    BTC: "stale",
    "BTC-PERP": "stale",
    ETH: "stale",
    "ETH-PERP": "stale",
    USDT: "stale",
  });
  expect(prices.everything()).toEqual({
    index: { BTC: "1000" },
    mark: { "BTC-PERP": "1001" },
    quality: { BTC: "stale", "BTC-PERP": "stale" },
    haircut: {},
  });
  prices.quote({ asset: "BTC", source: "a", price: "1000", t: 1 });
  expect(prices.frame(rules, 1)?.quality).toEqual({ BTC: "good", "BTC-PERP": "good" });
});

test("a preview is the index of the next frame, and changes nothing", () => {
  const { prices, t } = warm();
  prices.quote({ asset: "BTC", source: "a", price: "1234", t });
  const before = prices.save();
  const preview = prices.previewIndex("BTC", rules, t);
  expect(prices.save()).toEqual(before);
  expect(prices.frame(rules, t)?.index).toEqual({ BTC: preview?.toStringDown() });
  expect(preview?.equals(Rational.parse("1234"))).toBe(true);
  expect(prices.previewIndex("USDT", rules, t)).toBe(null);
});
