import { test } from "vitest";
import { readScenario } from "#apps/cli/scenario.ts";
import { runScenario } from "#libs/simulation/scenario.ts";
import { sound } from "#test/support/door.ts";
const usdt = { t: 0, k: "index", asset: "USDT", price: "1" };
const btc = { t: 0, k: "index", asset: "BTC", price: "50000" };
const mark = { t: 0, k: "mark", instrument: "BTC-PERP", price: "50000" };
const dep = { t: 0, k: "cash", account: "alice", asset: "USDT", amount: "5" };
const big = { ...dep, amount: "100000" };
const col = { t: 0, k: "cash", account: "alice", asset: "BTC", amount: "5" };
const order = { t: 0, k: "order", account: "alice", id: "1", instrument: "BTC-PERP", side: "buy", qty: "1" };
const trade = { t: 0, k: "trade", instrument: "BTC-PERP", buyer: "alice", seller: "bob", qty: "1", price: "50000" };
const pos = { t: 0, k: "position", account: "alice", instrument: "BTC-PERP", qty: "1", entry: "50000" };
const ask = { t: 0, k: "ask", what: "account", account: "alice" };
const ex = { t: 0, k: "ask", what: "exchange" };
const time = { t: 0, k: "time" };
const q = { t: 0, k: "quote", asset: "BTC", source: "kraken", price: "50000" };
const cases: [string, unknown[]][] = [
  ["unpriced position, prices one by one", [big, pos, usdt, mark, time, ask]],
  ["unpriced position, mark first", [big, pos, mark, usdt, ask]],
  ["position, cash, prices", [pos, big, { t: 0, k: "fund", asset: "USDT", amount: "1" }, usdt, mark, ask, ex]],
  ["btc collateral unpriced, then price", [col, pos, usdt, mark, btc, ask]],
  ["deposit only no prices exchange", [dep, col, time, ex]],
  ["self trade", [usdt, mark, big, { ...trade, seller: "alice" }, ask]],
  ["market self trade", [usdt, mark, { ...trade, buyer: "market", seller: "market" }, ex]],
  ["odd order", [usdt, mark, big, { ...order, qty: "0.0005", price: "1.05" }, ask]],
  ["order huge", [usdt, mark, big, { ...order, qty: "99999999999999999999", price: "99999999999999999999" }, ask]],
  ["huge cash", [usdt, mark, { ...dep, amount: "99999999999999999999.99999999" }, { ...dep, amount: "99999999999999999999.99999999" }, trade, ask, ex]],
  ["huge trade", [usdt, mark, big, { ...trade, qty: "99999999999999999999", price: "99999999999999999999" }, ask, ex]],
  ["dup order", [usdt, mark, big, { ...order, price: "50000" }, { ...order, price: "50000" }, ask]],
  ["withdraw too much", [usdt, dep, { ...dep, amount: "-10" }, ask]],
  ["withdraw of nobody", [usdt, { ...dep, account: "zoe", amount: "-10" }]],
  ["quotes: disputed with one, then order", [usdt, big, q, order, ask]],
  ["quote neg first", [usdt, big, { ...q, price: "-1" }, time, ask]],
  ["rules add instrument", [usdt, mark, big, trade, { t: 0, k: "rules", set: { assets: [{ id: "SOL" }], instruments: [{ id: "SOL-PERP", kind: "linear", base: "SOL", quote: "USDT", settle: "USDT" }, { id: "ADA", kind: "inverse", base: "ADA", quote: "USD", settle: "ADA" }] } }, { t: 1, k: "mark", instrument: "SOL-PERP", price: "1" }, { ...trade, t: 1, instrument: "SOL-PERP", price: "1" }, { ...ask, t: 2 }, { ...ex, t: 2 }]],
  ["rules lot finer", [usdt, mark, big, trade, { t: 0, k: "rules", set: { assets: [{ id: "USDT", quantum: "0.000000001" }], instruments: [{ id: "BTC-PERP", lot: "0.0001" }] } }, { ...trade, qty: "0.0001" }, ask, ex]],
  ["rules entities/limits", [usdt, mark, big, trade, { t: 0, k: "rules", set: { entities: { x: { accounts: ["alice"] } }, limits: { maxLeverage: "1" } } }, ask]],
  ["expire then trade", [usdt, btc, { ...mark, instrument: "BTC-0326" }, col, { ...trade, instrument: "BTC-0326", qty: "100" }, { t: 9, k: "expire", instrument: "BTC-0326", price: "49000" }, { ...trade, t: 9, instrument: "BTC-0326", qty: "100" }, { t: 9, k: "expire", instrument: "BTC-0326", price: "49000" }, { ...ask, t: 9 }, { ...ex, t: 9 }]],
  ["empty frame", [{ t: 0, k: "frame" }, { t: 0, k: "frame", index: {}, mark: {} }]],
  ["quality unpriced", [{ t: 0, k: "quality", id: "BTC", quality: "invalid" }, { t: 0, k: "quality", id: "BTC-PERP", quality: "invalid" }, time]],
  ["margin cross", [usdt, mark, big, trade, { t: 0, k: "margin", account: "alice", instrument: "BTC-PERP", amount: "10" }]],
  ["funding no pos", [mark, { t: 0, k: "funding", instrument: "BTC-PERP", rate: "99999999999999999999" }, usdt, big, trade, { t: 0, k: "funding", instrument: "BTC-PERP", rate: "-99999999999999999999" }, ask]],
  ["tiny prices", [{ ...usdt, price: "0.000000000000000001" }, { ...mark, price: "0.000000000000000001" }, big, { ...trade, price: "0.000000000000000001" }, ask, ex]],
  ["depth without prices", [{ t: 0, k: "depth", instrument: "BTC-PERP", bids: [["1", "1"]] }]],
  ["depth with unpriced position", [big, pos, { t: 0, k: "depth", instrument: "BTC-PERP", bids: [["1", "1"]] }, usdt, mark, ask]],
  ["transfer to new", [usdt, big, { t: 0, k: "transfer", from: "alice", to: "zoe", asset: "USDT", amount: "100000" }, ask]],
  ["halt", [{ t: 0, k: "halt", scope: "global", state: "paused" }, dep, { t: 0, k: "halt", scope: "entity", id: "desk", state: "cancel_all" }, time]],
  ["alloc", [usdt, mark, big, trade, { t: 0, k: "ask", what: "alloc", instrument: "BTC-PERP", side: "long", qty: "1000000", policy: "hedge-aware-pro-rata" }]],
  ["reduce flat", [usdt, big, { ...ask, what: "reduce" }]],
  ["convert flat", [usdt, big, { t: 0, k: "convert", account: "alice" }]],
  ["order other account provider", [usdt, mark, { ...order, account: "dora" }]],
];
test("try", () => {
  for (const [name, entries] of cases) {
    const r = readScenario(JSON.stringify({ ...sound, entries }));
    if (!r.ok) { console.log("REFUSED", name, JSON.stringify(r.problems)); continue; }
    try {
      const x = runScenario(r.scenario, { receipts: true });
      console.log(x.ok ? "ok" : "NOT OK " + JSON.stringify(x.invariants), name, x.facts.map((f) => f.fact + (f["codes"] ? JSON.stringify(f["codes"]) : "")).join(" ").slice(0, 300));
    } catch (e) { console.log("THROW", name, String((e as Error).stack).split("\n").slice(0, 5).join(" | ")); }
  }
});
