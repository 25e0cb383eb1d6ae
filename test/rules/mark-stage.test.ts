import { describe, expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { loadStage, saveStage } from "#libs/domain/mark-price/stage-record.ts";
import type { MarkFrame, MarkStage } from "#libs/domain/mark-price/stage.ts";
import { bookPrice, emptyStage, frame, quote, setIndex, setMark } from "#libs/domain/mark-price/stage.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";

const perpetual = (id: string, index: string): RuleDocument["instruments"][number] => ({
  id,
  kind: "linear",
  base: index,
  quote: "USDT",
  settle: "USDT",
  index,
});

function rulesWith(marks: RuleDocument["marks"] = {}): RuleSet {
  const sources = { BTC: { a: "1", b: "2" }, ETH: { a: "1" }, SOL: { a: "1" } };
  const instruments = [perpetual("ETH-PERP", "ETH"), perpetual("BTC-PERP", "BTC"), perpetual("BTC-0326", "BTC")];
  const defaults = { sources, outlier: "0.05", staleMs: 10_000, quorum: 1, stepMax: "0.1", basisMax: "0.01" };
  return compileRules({ assets: [], instruments, marks: { ...defaults, ...marks } }, 1).rules;
}

/** A small driver: remembers the state, so that a test reads as what was said and what came out. */
function stageOf(rules: RuleSet): {
  state: MarkStage;
  say: (asset: string, source: string, price: string, t: number) => void;
  book: (instrument: string, price: string, t: number) => void;
  at: (t: number) => MarkFrame;
} {
  const stage = {
    state: emptyStage,
    say(asset: string, source: string, price: string, t: number): void {
      stage.state = quote(stage.state, { asset, source, price: Rational.parse(price), t });
    },
    book(instrument: string, price: string, t: number): void {
      stage.state = bookPrice(stage.state, { instrument, price: Rational.parse(price), t });
    },
    at(t: number): MarkFrame {
      const next = frame(stage.state, rules, t);
      stage.state = next.state;
      return next.frame;
    },
  };
  return stage;
}

const entries = (map: ReadonlyMap<string, string>): [string, string][] => [...map];

describe("frames", () => {
  test("MARK-19 a frame holds what changed, in order of id, with its inputs; the next one nothing", () => {
    const stage = stageOf(rulesWith());
    stage.say("ETH", "a", "3000", 0);
    stage.say("BTC", "b", "50000", 0);
    stage.say("BTC", "a", "50100", 0);
    const first = stage.at(100);
    expect(entries(first.index)).toEqual([
      ["BTC", "50000"],
      ["ETH", "3000"],
    ]);
    expect(entries(first.mark)).toEqual([
      ["BTC-0326", "50000"],
      ["BTC-PERP", "50000"],
      ["ETH-PERP", "3000"],
    ]);
    expect(entries(first.indexQuality)).toEqual([
      ["BTC", "good"],
      ["ETH", "good"],
    ]);
    expect(entries(first.markQuality).length).toBe(3);
    expect(first.inputs.map((one) => one.asset)).toEqual(["BTC", "ETH"]);
    expect(first.inputs[0]?.used).toEqual([
      { source: "a", price: "50100", ageMs: 100, weight: "1" },
      { source: "b", price: "50000", ageMs: 100, weight: "2" },
    ]);
    const second = stage.at(200);
    expect([second.index, second.mark, second.indexQuality, second.markQuality].map((one) => one.size)).toEqual([
      0, 0, 0, 0,
    ]);
    expect(second.inputs).toEqual([]);
  });

  test("MARK-19 only the asset that moved and its instruments are in the frame", () => {
    const stage = stageOf(rulesWith());
    stage.say("ETH", "a", "3000", 0);
    stage.say("BTC", "b", "50000", 0);
    stage.at(0);
    stage.say("ETH", "a", "3001", 50);
    const moved = stage.at(100);
    expect([...moved.index.keys(), ...moved.mark.keys()]).toEqual(["ETH", "ETH-PERP"]);
    expect(moved.indexQuality.size + moved.markQuality.size).toBe(0);
  });

  test("MARK-08 MARK-25 time alone makes a price stale; index and mark stay", () => {
    const stage = stageOf(rulesWith());
    stage.say("BTC", "b", "50000", 0);
    stage.at(0);
    expect(stage.at(10_000).indexQuality.size).toBe(0);
    const late = stage.at(10_001);
    expect(entries(late.indexQuality)).toEqual([["BTC", "stale"]]);
    expect(entries(late.markQuality)).toEqual([
      ["BTC-0326", "stale"],
      ["BTC-PERP", "stale"],
    ]);
    expect(late.index.size + late.mark.size).toBe(0);
    expect(late.inputs[0]?.dropped).toEqual([
      { source: "a", reason: "no_quote" },
      { source: "b", reason: "stale" },
    ]);
  });

  test("MARK-11 a quote earlier than the one known is passed over, one of the same time replaces it", () => {
    const stage = stageOf(rulesWith());
    stage.say("BTC", "b", "50000", 10);
    stage.say("BTC", "b", "49000", 9);
    expect(stage.at(10).index.get("BTC")).toBe("50000");
    stage.say("BTC", "b", "49000", 10);
    expect(stage.at(10).index.get("BTC")).toBe("49000");
  });

  test("MARK-21 the book moves the basis of its own instrument alone, and never the index", () => {
    const stage = stageOf(rulesWith({ basisEmaMs: 60_000 }));
    stage.say("BTC", "b", "50000", 0);
    stage.at(0);
    stage.say("BTC", "b", "50000", 60_000);
    stage.book("BTC-PERP", "50200", 60_000);
    const moved = stage.at(60_000);
    expect(entries(moved.mark)).toEqual([["BTC-PERP", "50100"]]);
    expect(moved.index.size).toBe(0);
    expect(moved.inputs.map((one) => one.asset)).toEqual(["BTC"]);
  });

  test("MARK-21 a book that falls silent is no evidence: the basis fades; while the index is stale it holds", () => {
    const stage = stageOf(rulesWith({ basisEmaMs: 10_000 }));
    stage.say("BTC", "b", "50000", 0);
    stage.at(0);
    stage.book("BTC-PERP", "50200", 10_000);
    stage.say("BTC", "b", "50000", 10_000);
    expect(stage.at(10_000).mark.get("BTC-PERP")).toBe("50100");
    // The index is stale at 20,001: nothing is learnt, and the ten seconds do not count later.
    expect(stage.at(20_001).mark.size).toBe(0);
    stage.say("BTC", "b", "50000", 30_001);
    expect(stage.at(30_001).mark.get("BTC-PERP")).toBe("50050");
  });

  for (const [age, mark] of [
    [10_000, "50100"],
    [10_001, "50000"],
  ] as const)
    test(`MARK-21 a book price ${age} ms old gives a mark of ${mark}`, () => {
      const stage = stageOf(rulesWith({ basisEmaMs: 20_000 }));
      stage.say("BTC", "b", "50000", 0);
      stage.at(0);
      stage.say("BTC", "b", "50000", 20_000);
      stage.book("BTC-PERP", "50200", 20_000 - age);
      stage.at(20_000);
      expect(stage.state.marks.get("BTC-PERP")?.price?.toStringDown()).toBe(mark);
    });

  test("MARK-21 a book price that is not positive is passed over", () => {
    const stage = stageOf(rulesWith({ basisEmaMs: 10_000 }));
    stage.book("BTC-PERP", "0", 0);
    expect(stage.state).toBe(emptyStage);
  });

  test("MARK-21 an asset priced by the own book alone has no index and no mark", () => {
    const stage = stageOf(rulesWith({ basisEmaMs: 10_000 }));
    stage.book("BTC-PERP", "50000", 0);
    const made = stage.at(0);
    expect(made.index.size + made.mark.size + made.indexQuality.size).toBe(0);
  });

  test("MARK-23 below quorum the index goes all the way, disputed, and the mark a step per frame", () => {
    const stage = stageOf(rulesWith({ quorum: 2 }));
    stage.say("BTC", "a", "50000", 0);
    stage.say("BTC", "b", "50000", 0);
    stage.at(0);
    stage.say("BTC", "b", "40000", 10_001);
    const fall = stage.at(10_001);
    expect([fall.index.get("BTC"), fall.indexQuality.get("BTC")]).toEqual(["40000", "disputed"]);
    expect([fall.mark.get("BTC-PERP"), fall.markQuality.get("BTC-PERP")]).toEqual(["45000", "disputed"]);
    expect(stage.at(10_002).mark.get("BTC-PERP")).toBe("40500");
    expect(stage.at(10_003).mark.get("BTC-PERP")).toBe("40000");
    // Once a second source confirms, the way back is one step.
    stage.say("BTC", "a", "50000", 10_004);
    stage.say("BTC", "b", "50000", 10_004);
    const back = stage.at(10_004);
    expect([back.mark.get("BTC-PERP"), back.markQuality.get("BTC-PERP")]).toEqual(["50000", "good"]);
  });

  test("MARK-25 a mark that was held back by the step goes no further while no source is used", () => {
    const stage = stageOf(rulesWith({ quorum: 2 }));
    stage.say("BTC", "b", "50000", 0);
    stage.at(0);
    stage.say("BTC", "b", "40000", 1);
    expect(stage.at(1).mark.get("BTC-PERP")).toBe("45000");
    const late = stage.at(10_002);
    expect([late.mark.size, late.markQuality.get("BTC-PERP")]).toEqual([0, "stale"]);
  });

  test("MARK-25 a mark that would not be positive is invalid and holds", () => {
    const rules = rulesWith({ basisEmaMs: 0 });
    const free = { ...rules, marks: { ...rules.marks, basisMax: null, stepMax: null, staleMs: null } };
    const stage = stageOf(free);
    stage.say("BTC", "b", "100", 0);
    stage.at(0);
    stage.state = { ...stage.state, bases: new Map([["BTC-PERP", { average: Rational.parse("-60"), t: 1 }]]) };
    stage.say("BTC", "b", "50", 1);
    const fall = stage.at(1);
    expect(fall.mark.has("BTC-PERP")).toBe(false);
    expect(fall.markQuality.get("BTC-PERP")).toBe("invalid");
  });

  test("MARK-09 MARK-25 a source that speaks of zero makes index and mark invalid, both holding", () => {
    const stage = stageOf(rulesWith());
    stage.say("ETH", "a", "3000", 0);
    stage.at(0);
    stage.say("ETH", "a", "0", 1);
    const made = stage.at(1);
    expect([made.indexQuality.get("ETH"), made.markQuality.get("ETH-PERP")]).toEqual(["invalid", "invalid"]);
    expect(made.index.size + made.mark.size).toBe(0);
  });

  test("MARK-26 an index given outright replaces what was quoted, until the next quote; a mark is stepped from", () => {
    const stage = stageOf(rulesWith());
    stage.say("ETH", "a", "3000", 0);
    stage.at(0);
    stage.state = setIndex(stage.state, "ETH", Rational.parse("2900"));
    expect(stage.at(99_999).indexQuality.size).toBe(0);
    stage.say("ETH", "a", "2900", 100_000);
    stage.state = setMark(stage.state, "ETH-PERP", Rational.parse("2000"));
    const made = stage.at(100_000);
    expect(made.index.size).toBe(0);
    expect(made.mark.get("ETH-PERP")).toBe("2900");
    stage.state = setMark(stage.state, "ETH-PERP", Rational.parse("2000"));
    const quiet = stageOf(rulesWith({ quorum: 2 }));
    quiet.state = stage.state;
    expect(quiet.at(100_001).mark.get("ETH-PERP")).toBe("2200");
  });

  test("MARK-20 a saved stage goes on as if it had not been saved", () => {
    const rules = rulesWith({ basisEmaMs: 7_000 });
    const stage = stageOf(rules);
    stage.say("BTC", "b", "50000.000000000000000001", 0);
    stage.say("BTC", "a", "50001", 0);
    stage.at(0);
    stage.book("BTC-PERP", "50010", 100);
    stage.at(1_000);
    const text = JSON.stringify(saveStage(stage.state));
    const again = loadStage(JSON.parse(text) as ReturnType<typeof saveStage>);
    expect(JSON.stringify(saveStage(again))).toBe(text);
    expect(frame(again, rules, 2_000).frame).toEqual(frame(stage.state, rules, 2_000).frame);
    expect(frame(again, rules, 2_000).frame.mark.size).toBe(1);
  });
});
