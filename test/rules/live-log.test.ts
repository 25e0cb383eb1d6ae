import { describe, expect, test } from "vitest";
import type { EntryBody } from "#libs/contracts/log.ts";
import { slotOf } from "#libs/contracts/live/shards.ts";
import { Rational } from "#libs/decimal/index.ts";
import { Engine, EntryRefused, SequenceGap } from "#libs/engine/index.ts";
import { noteMoved } from "#libs/engine/moved-elsewhere.ts";
import { perpetual, rules } from "#test/support/exchange.ts";
import { LiveLog } from "#test/support/live-run.ts";

function shard(): LiveLog {
  const live = new LiveLog(rules({ instruments: [perpetual()] }));
  live.apply({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100" } });
  for (const account of ["a", "b"]) live.apply({ k: "cash", account, asset: "USDT", amount: "1000" });
  return live;
}

describe("numbers of producers", () => {
  test("INV-09 the clock may skip numbers like frames, and nobody else may", () => {
    const { engine } = shard();
    engine.apply({ k: "time", t: 1, source: "clock", sourceSeq: 7 });
    expect(engine.machine.sourceSeqs.get("clock")).toBe(7);
    expect(engine.apply({ k: "time", t: 2, source: "clock", sourceSeq: 6 }).facts).toEqual([]);
    expect(engine.machine.t).toBe(1);
    expect(() => engine.apply({ k: "settle", instrument: "X", t: 2, source: "scheduler", sourceSeq: 2 })).toThrow(
      SequenceGap,
    );
  });

  test("INV-09 what stands in place of a refused entry advances its producer's number and nothing else", () => {
    const { engine } = shard();
    const header = { t: 5, source: "support", sourceSeq: 1 };
    const cash = { k: "cash", account: "a", asset: "DOGE", amount: "1", ...header } as const;
    expect(() => engine.apply(cash)).toThrow("unknown_asset");
    const refused = { k: "refused", of: "cash", code: "unknown_asset", what: "DOGE", ...header } as const;
    const { facts, transactions } = engine.apply(refused);
    expect(facts).toMatchObject([
      { fact: "entry.refused", of: "cash", code: "unknown_asset", what: "DOGE", source: "support", sourceSeq: 1 },
    ]);
    expect(transactions).toEqual([]);
    expect(engine.machine.sourceSeqs.get("support")).toBe(1);
    const next = engine.apply({ ...cash, asset: "USDT", sourceSeq: 2 });
    expect(next.facts.map((one) => one.fact)).toContain("cash.deposited");
  });
});

const none = "1e5";
const trade = { account: "a", instrument: "X", side: "buy" } as const;
const fill = { k: "fill", ...trade, trade: "t", liquidity: "taker", order: "o" } as const;
const unreadable: readonly EntryBody[] = [
  { k: "frame", index: { BTC: none } },
  { k: "frame", index: { BTC: "90" }, mark: { X: none } },
  { k: "frame", index: { BTC: "90" }, haircut: { BTC: { initial: "0.1", maintenance: none } } },
  { k: "cash", account: "a", asset: "USDT", amount: none },
  { k: "fund", asset: "USDT", amount: none },
  { k: "transfer", from: "a", to: "b", asset: "USDT", amount: none },
  { k: "mode", account: "a", instrument: "X", mode: "isolated", leverage: none },
  { k: "order", ...trade, id: "o", qty: none },
  { k: "order", ...trade, id: "o", qty: "1", price: none },
  { ...fill, qty: none, price: "100" },
  { ...fill, qty: "1", price: none },
  { k: "attest", from: 0, to: 4096, positions: [["a", "X", none]] },
  { k: "margin", account: "a", instrument: "X", amount: none },
  { k: "funding", instrument: "X", rate: none },
  { k: "expire", instrument: "X", price: none },
];

test.each(unreadable.map((body) => [JSON.stringify(body), body] as const))(
  "NUM-01 INV-09 text that is no amount is refused before anything has changed: %s",
  (_, body) => {
    const live = shard();
    const before = live.engine.stateHash();
    const refusal = ((): unknown => {
      try {
        return live.apply(body);
      } catch (error) {
        return error;
      }
    })();
    expect(refusal).toBeInstanceOf(EntryRefused);
    expect(refusal).toMatchObject({ code: "not_an_amount", what: none });
    expect(live.engine.stateHash()).toBe(before);
  },
);

test("INV-11 positions that the matching engine attests are compared with the book, and every difference is named", () => {
  const live = shard();
  live.trade("t1", "a", "b", "4", "100");
  const attest = (positions: [string, string, string][], from = 0, to = 4096) =>
    live.apply({ k: "attest", from, to, positions }).facts;
  const [same] = attest([
    ["a", "X", "4"],
    ["b", "X", "-4"],
  ]);
  expect(same).toMatchObject({ fact: "positions.attested", accounts: 2 });
  const [other] = attest([
    ["a", "X", "5"],
    ["carol", "X", "1"],
  ]);
  expect(other).toMatchObject({
    fact: "positions.differ",
    count: 3,
    differences: [
      { account: "a", instrument: "X", venue: "5", engine: "4" },
      { account: "b", instrument: "X", venue: "0", engine: "-4" },
      { account: "carol", instrument: "X", venue: "1", engine: "0" },
    ],
  });
  const slot = slotOf("a");
  const [part] = attest([["a", "X", "4"]], slot, slot + 1);
  expect(part?.fact).toBe("positions.attested");
});

test("INV-11 what changed hands without the matching engine counts from the fact on that it has read", () => {
  const live = shard();
  live.trade("t1", "a", "b", "4", "100");
  const { machine } = live.engine;
  const [account, against] = ["a", "b"].map((id) => machine.book.findAccount(id)) as [number, number];
  const seq = machine.factSeq;
  noteMoved(machine, seq, { account, against, instrument: 0 }, Rational.parse("-1"));
  const attest = (facts: number) => {
    const positions: [string, string, string][] = [
      ["a", "X", "5"],
      ["b", "X", "-5"],
    ];
    return live.apply({ k: "attest", from: 0, to: 4096, positions, facts }).facts[0];
  };
  expect(attest(seq - 1)).toMatchObject({ fact: "positions.attested" });
  const restored = Engine.restore(live.engine.snapshot(), machine.options);
  expect(restored.stateHash()).toBe(live.engine.stateHash());
  expect(attest(seq)).toMatchObject({ fact: "positions.differ", count: 2 });
  // It has read of it: from now on it is part of what it says.
  expect(attest(seq - 1)).toMatchObject({ fact: "positions.differ", count: 2 });
});

test("HEALTH-18 losses of a session are measured from what an account was worth, deposits aside", () => {
  const live = shard();
  live.trade("t1", "a", "b", "4", "100");
  const [opened] = live.apply({ k: "session", session: "day", start: 1 }).facts;
  expect(opened).toMatchObject({ fact: "session.opened", remaining: 0 });
  live.apply({ k: "frame", mark: { X: "98" } });
  expect(live.engine.sessionLoss("a").day?.loss).toBe("8");
  live.apply({ k: "cash", account: "a", asset: "USDT", amount: "500" });
  expect(live.engine.sessionLoss("a").day?.loss).toBe("8");
  expect(live.engine.sessionLoss("b").day?.loss).toBe("-8");
  expect(live.engine.sessionLoss("a").week).toBeNull();
});

describe("operators' entries", () => {
  const settle = (price: string) => ({ k: "expire", instrument: "X", price }) as const;

  test.each([
    ["110", "taken"],
    ["110.000000000000000001", "settlement_band"],
    ["90", "taken"],
    ["89.999999999999999999", "settlement_band"],
  ])("EXP-05 an operator settles near the index of 100: at %s it is %s", (price, outcome) => {
    const live = shard();
    const applied = () => live.apply(settle(price), "operator");
    if (outcome === "taken") expect(applied().facts[0]).toMatchObject({ fact: "instrument.expired" });
    else expect(applied).toThrow(outcome);
  });

  test("EXP-05 a schedule settles wherever its index stood, an operator not where there never was one", () => {
    expect(shard().apply(settle("50"), "scheduler").facts[0]).toMatchObject({ fact: "instrument.expired" });
    const unpriced = new LiveLog(rules({ instruments: [perpetual()] }));
    expect(() => unpriced.apply(settle("100"), "operator")).toThrow("price_unknown");
  });

  test.each(["stale", "disputed", "invalid"] as const)(
    "EXP-05 an operator does not settle by an index that is %s, a schedule does",
    (quality) => {
      const live = shard();
      live.apply({ k: "frame", quality: { BTC: quality } });
      expect(() => live.apply(settle("100"), "operator")).toThrow(`price_quality BTC is ${quality}`);
      live.apply({ k: "frame", quality: { BTC: "good" } });
      expect(live.apply(settle("100"), "operator").facts[0]).toMatchObject({ fact: "instrument.expired" });
      const other = shard();
      other.apply({ k: "frame", quality: { BTC: quality } });
      expect(other.apply(settle("100"), "scheduler").facts[0]).toMatchObject({ fact: "instrument.expired" });
    },
  );

  test("a change of the rules that was made from another version is refused", () => {
    const live = shard();
    const document = rules({ instruments: [perpetual()] });
    expect(() => live.apply({ k: "rules", document, base: 2 })).toThrow("rules_moved");
    expect(live.apply({ k: "rules", document, base: 1 }).facts[0]).toMatchObject({ fact: "rules.changed", version: 2 });
  });
});
