import { describe, expect, test } from "vitest";
import { readScenario } from "#apps/cli/scenario.ts";
import { followedBy, only, problemsIn, sound } from "#test/support/door.ts";

const usdt = { t: 0, k: "index", asset: "USDT", price: "1" };
const btc = { t: 0, k: "index", asset: "BTC", price: "50000" };
const mark = { t: 0, k: "mark", instrument: "BTC-PERP", price: "50000" };
const deposit = { t: 0, k: "cash", account: "alice", asset: "USDT", amount: "5" };
const collateral = { t: 0, k: "cash", account: "alice", asset: "BTC", amount: "5" };
const withdrawal = { t: 0, k: "cash", account: "alice", asset: "USDT", amount: "-5" };
const order = { t: 0, k: "order", account: "alice", id: "1", instrument: "BTC-PERP", side: "buy", qty: "1" };
const trade = { t: 0, k: "trade", instrument: "BTC-PERP", buyer: "alice", seller: "bob", qty: "1", price: "1" };
const position = { t: 0, k: "position", account: "alice", instrument: "BTC-PERP", qty: "1", entry: "1" };
const ask = { t: 0, k: "ask", what: "account", account: "alice" };
const time = { t: 0, k: "time" };
const quote = { t: 0, k: "quote", asset: "BTC", source: "kraken", price: "50000" };

describe("prices that are needed", () => {
  test("deposits need none, so prices may come after them", () => {
    expect(problemsIn(only(deposit, collateral, time, usdt, btc, ask))).toEqual([]);
  });

  test("a withdrawal or a transfer needs the index of everything the account holds", () => {
    expect(problemsIn(only(deposit, withdrawal))).toEqual([["$.entries[1]", "missing_index"]]);
    expect(problemsIn(only(usdt, deposit, withdrawal))).toEqual([]);
    expect(problemsIn(only(usdt, deposit, collateral, withdrawal))).toEqual([["$.entries[3]", "missing_index"]]);
    const transfer = { t: 0, k: "transfer", from: "alice", to: "bob", asset: "USDT", amount: "1" };
    expect(problemsIn(only(deposit, transfer))).toEqual([["$.entries[1]", "missing_index"]]);
    expect(problemsIn(only(usdt, deposit, transfer))).toEqual([]);
  });

  test.each([
    ["an order", order],
    ["a trade", trade],
  ])("%s needs the mark and the settle asset's index", (_, entry) => {
    expect(problemsIn(only(entry))).toEqual([
      ["$.entries[0]", "missing_mark"],
      ["$.entries[0]", "missing_index"],
    ]);
    expect(problemsIn(only(mark, entry))).toEqual([["$.entries[1]", "missing_index"]]);
    expect(problemsIn(only(usdt, entry))).toEqual([["$.entries[1]", "missing_mark"]]);
    expect(problemsIn(only(usdt, mark, entry))).toEqual([]);
    expect(problemsIn(only(usdt, mark, collateral, entry))).toEqual([["$.entries[3]", "missing_index"]]);
  });

  test("a position set up needs none before the next entry that looks at health", () => {
    expect(problemsIn(only(position, deposit, usdt, mark, time, ask))).toEqual([]);
    expect(problemsIn(only(usdt, position, time))).toEqual([["$.entries[2]", "missing_mark"]]);
    expect(problemsIn(only(usdt, position, ask))).toEqual([["$.entries[2]", "missing_mark"]]);
    expect(problemsIn(only(usdt, position, { t: 0, k: "ask", what: "exchange" }))).toEqual([
      ["$.entries[2]", "missing_mark"],
    ]);
  });

  test("a positive quote gives an index, and a mark to what follows it", () => {
    expect(problemsIn(only(usdt, quote, collateral, order))).toEqual([]);
    expect(problemsIn(only(usdt, { ...quote, price: "-1" }, order))).toEqual([["$.entries[2]", "missing_mark"]]);
  });

  test("an index entry gives no mark", () => {
    expect(problemsIn(only(usdt, btc, order))).toEqual([["$.entries[2]", "missing_mark"]]);
  });

  test("funding, convert, alloc and reduce need theirs", () => {
    const funding = { t: 0, k: "funding", instrument: "BTC-PERP", rate: "0.1" };
    expect(problemsIn(only(funding))).toEqual([["$.entries[0]", "missing_mark"]]);
    expect(problemsIn(only(mark, funding))).toEqual([]);
    expect(problemsIn(only(deposit, { t: 0, k: "convert", account: "alice" }))[0]?.[1]).toBe("missing_index");
    const alloc = { t: 0, k: "ask", what: "alloc", instrument: "BTC-PERP", side: "long", qty: "1" };
    expect(problemsIn(only(alloc))[0]?.[1]).toBe("missing_mark");
    expect(problemsIn(only(deposit, { ...ask, what: "reduce" }))[0]?.[1]).toBe("missing_index");
  });
});

describe("what is not a problem of the file", () => {
  test("orders off tick or lot, orders twice and withdrawals too large are answered by facts", () => {
    const odd = { ...order, t: 1, id: "a-1", qty: "0.0005", price: "1.05" };
    expect(problemsIn(followedBy(odd, { ...withdrawal, t: 1, amount: "-1000000" }))).toEqual([]);
  });

  test("market is the one system account that trades", () => {
    expect(problemsIn(followedBy({ ...trade, t: 1, seller: "market" }))).toEqual([]);
  });

  test("names that objects inherit are names like others", () => {
    const inherited = Object.getOwnPropertyNames(Object.prototype);
    const file = JSON.stringify(sound).replaceAll('"USDT"', '"__proto__"').replaceAll('"alice"', '"constructor"');
    const reading = readScenario(file);
    const [frame] = reading.ok ? reading.scenario.entries : [];
    expect(frame?.k === "frame" && Object.keys(frame.index ?? {})).toEqual(["__proto__", "BTC"]);
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(inherited);
  });

  test("an underlying need not be an asset that may be held, and an inverse contract brings its own", () => {
    const rules = {
      assets: [{ id: "USDT" }],
      instruments: [
        { id: "SOL-PERP", kind: "linear", base: "SOL", quote: "USDT", settle: "USDT" },
        { id: "ETH-INV", kind: "inverse", base: "ETH", quote: "USD", settle: "ETH" },
      ],
    };
    const eth = { ...deposit, asset: "ETH" };
    const reading = readScenario(JSON.stringify({ rules, entries: [{ ...btc, asset: "SOL" }, eth] }));
    expect(reading.ok && reading.scenario.rules.assets).toMatchObject([
      { id: "USDT" },
      { id: "ETH" },
      { id: "SOL", slices: [{ weight: "0" }] },
    ]);
    const sol = { ...deposit, asset: "SOL" };
    expect(problemsIn(JSON.stringify({ rules, entries: [sol] }))).toEqual([["$.entries[0].asset", "unknown_asset"]]);
  });
});
