import { expect, test } from "vitest";
import type { EntryBody } from "#libs/contracts/log.ts";
import { perpetual, rules } from "#test/support/exchange.ts";
import { LiveLog } from "#test/support/live-run.ts";

/** `a` is long 10 at 100 against `b`, short 6 and in front of the queue at lower prices, and `c`, short 4 with more behind it. */
function shard(): LiveLog {
  const live = new LiveLog(rules({ instruments: [perpetual()] }));
  live.apply({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100" } });
  for (const [account, amount] of [
    ["a", "500"],
    ["b", "300"],
    ["c", "5000"],
  ] as const)
    live.apply({ k: "cash", account, asset: "USDT", amount });
  live.trade("t1", "a", "b", "6", "100");
  live.trade("t2", "a", "c", "4", "100");
  live.apply({ k: "frame", mark: { X: "95" } });
  return live;
}
const deleverage = (qty: string, account = "a"): EntryBody => ({ k: "deleverage", account, instrument: "X", qty });
const held = (live: LiveLog, account: string): string => live.engine.account(account).positions[0]?.qty ?? "0";

test("ADL-19 an operator closes part of a position at its mark, from the head of the queue, and nobody's equity changes", () => {
  const live = shard();
  const worth = (): string[] => ["a", "b", "c"].map((account) => live.engine.account(account).fullEquity);
  const before = worth();
  live.apply(deleverage("7"));
  expect(live.of("adl.allocated")).toMatchObject([{ saga: null, side: "short", price: "95", need: "7", taken: "7" }]);
  expect(live.of("adl.filled")).toMatchObject([
    { saga: null, account: "b", against: "a", qty: "6", price: "95", rank: 1 },
    { saga: null, account: "c", against: "a", qty: "1", price: "95" },
  ]);
  expect(["a", "b", "c"].map((account) => held(live, account))).toEqual(["3", "0", "-3"]);
  expect(worth()).toEqual(before);
  expect(live.clearing()).toEqual([]);
  expect(live.broken()).toEqual([]);
});

test("ADL-19 it is possible while everything is paused, and takes the orders of whoever is deleveraged with it", () => {
  const live = shard();
  live.apply({ k: "halt", scope: "global", state: "paused", reason: "test" });
  live.apply(deleverage("2"));
  expect(live.of("adl.filled")).toMatchObject([{ account: "b", qty: "2" }]);
});

test.each([
  ["10.000001", "off_lot"],
  ["11", "position_too_small"],
])("ADL-19 %s contracts of ten are refused: %s", (qty, code) => {
  const live = shard();
  if (code === "off_lot") expect(() => live.apply(deleverage(qty))).toThrow(code);
  else {
    live.apply(deleverage(qty));
    expect(live.of("deleverage.rejected")).toMatchObject([{ account: "a", qty, codes: [code] }]);
  }
  expect(held(live, "a")).toBe("10");
});

test("ADL-19 who has nothing, who is liquidated and who has nobody against them are left alone", () => {
  const live = shard();
  live.apply(deleverage("1", "d"));
  live.apply({ k: "frame", mark: { X: "50" } });
  expect(live.of("liquidation.started")).toMatchObject([{ account: "a" }]);
  live.apply(deleverage("1"));
  live.apply(deleverage("1", "b"));
  expect(live.of("deleverage.rejected").map(({ account, codes }) => [account, codes])).toEqual([
    ["d", ["position_too_small"]],
    ["a", ["pool_liquidating"]],
    ["b", ["no_counterparty"]],
  ]);
});

test("ADL-19 a copy of the engine comes to the same state", () => {
  const live = shard();
  live.restart();
  live.apply(deleverage("7"));
  const other = shard();
  other.apply(deleverage("7"));
  expect(live.engine.stateHash()).toBe(other.engine.stateHash());
});
