import { expect, test } from "vitest";
import {
  readAmend,
  readBatch,
  readBookPrice,
  readCancelAll,
  readCheck,
  readLiveEntry,
  readNothing,
  readPlaceOrder,
  readQuote,
  readReconcileRequest,
  readResend,
  readStatusRequest,
  readVenueCommand,
  readWhatIf,
  sizeLimits,
} from "#libs/contracts/live/door.ts";
import { liveEntrySchemas } from "#libs/contracts/live/entries.ts";
import type { LiveKind } from "#libs/contracts/live/entries.ts";
import { liveEntries } from "#test/support/live-entries.ts";

type Loose = Readonly<Record<string, unknown>>;
type Outcome = { readonly ok: boolean; readonly problems?: readonly { path: string; code: string }[] };

const found = (outcome: Outcome): readonly (readonly [string, string])[] =>
  (outcome.problems ?? []).map(({ path, code }) => [path, code] as const);
const entry = (kind: LiveKind, change: Loose = {}): string => JSON.stringify({ ...liveEntries[kind], ...change });
const inEntry = (kind: LiveKind, change: Loose) => found(readLiveEntry(entry(kind, change)));

test.each(Object.keys(liveEntrySchemas) as LiveKind[])("a sound %s entry is read as it was written", (kind) => {
  const text = entry(kind);
  expect(readLiveEntry(text, `risk.log.0.${kind}`)).toEqual({ ok: true, entry: liveEntries[kind] });
  expect(readLiveEntry(new TextEncoder().encode(text))).toEqual({ ok: true, entry: liveEntries[kind] });
});

test.each<[what: string, kind: LiveKind, change: Loose, problem: [string, string]]>([
  ["no quantity", "fill", { qty: "0" }, ["$.qty", "out_of_range"]],
  ["a negative quantity", "fill", { qty: "-0.000000000000000001" }, ["$.qty", "out_of_range"]],
  ["no price", "fill", { price: "0.0" }, ["$.price", "out_of_range"]],
  ["a fill of a system account", "fill", { account: "insurance" }, ["$.account", "system_account"]],
  ["a fill that the venue did not say", "fill", { source: "operator" }, ["$.source", "not_permitted"]],
  ["a deposit said by the venue", "cash", { source: "venue" }, ["$.source", "not_permitted"]],
  ["a deposit of nothing", "cash", { amount: "0" }, ["$.amount", "out_of_range"]],
  ["a deposit to the insurance fund", "cash", { account: "insurance" }, ["$.account", "system_account"]],
  ["a JSON number where an amount is", "cash", { amount: 5 }, ["$.amount", "number_not_string"]],
  ["a withdrawal from the fund by nobody", "fund", { amount: "-1", source: "scheduler" }, ["$.amount", "out_of_range"]],
  ["a transfer to itself", "transfer", { to: "alice" }, ["$.to", "same_account"]],
  ["a transfer backwards", "transfer", { amount: "-1" }, ["$.amount", "out_of_range"]],
  ["an index of zero", "frame", { index: { BTC: "0" } }, ["$.index.BTC", "out_of_range"]],
  ["a mark below zero", "frame", { mark: { "BTC-PERP": "-1" } }, ['$.mark["BTC-PERP"]', "out_of_range"]],
  ["a depth below zero", "frame", { depth: { "BTC-PERP": "-1" } }, ['$.depth["BTC-PERP"]', "out_of_range"]],
  ["an order with a stop at nothing", "order", { stop: "0" }, ["$.stop", "out_of_range"]],
  [
    "a haircut above one",
    "frame",
    { haircut: { BTC: { initial: "1.1", maintenance: "0" } } },
    ["$.haircut.BTC.initial", "out_of_range"],
  ],
  [
    "an input that is no amount",
    "frame",
    { inputs: { BTC: { price: "abc", used: [], dropped: [] } } },
    ["$.inputs.BTC.price", "not_an_amount"],
  ],
  ["slots that do not ascend", "attest", { from: 5, to: 5 }, ["$.to", "not_ascending"]],
  ["slots beyond the last", "attest", { to: 4097 }, ["$.to", "out_of_range"]],
  ["a position of zero", "attest", { positions: [["a", "b", "0"]] }, ["$.positions[0][2]", "out_of_range"]],
  [
    "a position twice",
    "attest",
    {
      positions: [
        ["a", "b", "1"],
        ["a", "b", "1"],
      ],
    },
    ["$.positions[1]", "duplicate_id"],
  ],
  ["a position of two items", "attest", { positions: [["a", "b"]] }, ["$.positions[0]", "too_few"]],
  ["a halt of nobody", "halt", { id: undefined }, ["$.id", "missing_key"]],
  ["a global halt of somebody", "halt", { scope: "global" }, ["$.id", "unknown_key"]],
  ["half a character in a reason", "halt", { reason: "\ud800" }, ["$.reason", "not_permitted"]],
  ["a NUL in a reason", "halt", { reason: "a\u0000b" }, ["$.reason", "not_permitted"]],
  ["leverage of zero", "mode", { leverage: "0" }, ["$.leverage", "out_of_range"]],
  ["a payment of more than the notional", "funding", { rate: "1.5" }, ["$.rate", "out_of_range"]],
  ["a settlement at nothing", "expire", { price: "0" }, ["$.price", "out_of_range"]],
  ["a day that begins at noon", "session", { start: 43_200_000 }, ["$.start", "not_permitted"]],
  ["a closing fill of nothing", "closed", { fills: [{ qty: "0", price: "1" }] }, ["$.fills[0].qty", "out_of_range"]],
  ["a key too many", "time", { x: 1 }, ["$.x", "unknown_key"]],
  ["a number that is no number of a source", "time", { sourceSeq: 0 }, ["$.sourceSeq", "out_of_range"]],
  ["a time with a fraction", "time", { t: 1.5 }, ["$.t", "out_of_range"]],
  ["a trace that is none", "time", { trace: "00-1" }, ["$.trace", "not_permitted"]],
  ["an id with a wildcard of NATS", "cash", { account: "a.>" }, ["$.account", "not_an_id"]],
])("an entry with %s is refused", (_, kind, change, problem) => {
  expect(inEntry(kind, change)).toEqual([problem]);
});

test("a refused entry says its kind, source and number, the value found and its bound", () => {
  expect(readLiveEntry(entry("fill", { qty: "-1" }))).toEqual({
    ok: false,
    kind: "fill",
    source: "venue",
    sourceSeq: 7,
    problems: [
      { path: "$.qty", code: "out_of_range", message: 'expected above 0, found "-1"', value: '"-1"', bound: "above 0" },
    ],
  });
});

test("an entry is of the kind of its subject, which decides who may say it", () => {
  const forged = readLiveEntry(entry("fill"), "risk.log.0.cash");
  expect(forged).toMatchObject({ ok: false, kind: "cash", source: "venue", sourceSeq: 7 });
  expect(found(forged)).toEqual([["$.k", "not_permitted"]]);
  expect(readLiveEntry("{", "ns.risk.log.0.fill")).toMatchObject({ ok: false, kind: "fill" });
});

test.each<[what: string, message: string | Uint8Array, problem: [string, string]]>([
  ["nothing", "", ["$", "syntax"]],
  ["half a message", '{"k":"time"', ["$", "syntax"]],
  ["a list", "[]", ["$", "wrong_type"]],
  ["null", "null", ["$", "wrong_type"]],
  ["no kind", '{"t":1}', ["$.k", "missing_key"]],
  ["an inherited kind", '{"k":"constructor"}', ["$.k", "unknown_kind"]],
  ["a kind of scenario files only", '{"k":"trade"}', ["$.k", "unknown_kind"]],
  ["a byte order mark", `\uFEFF${entry("time")}`, ["$", "byte_order_mark"]],
  ["bytes that are not UTF-8", new Uint8Array([0x22, 0xff, 0x22]), ["$", "not_utf8"]],
  ["a message too large", " ".repeat(sizeLimits.entry + 1), ["$", "too_large"]],
  ["a message too deep", "[".repeat(100_000), [`$${"[0]".repeat(16)}`, "too_deep"]],
  ["a key twice", '{"k":"time","t":1,"t":2,"source":"clock","sourceSeq":1}', ["$.t", "duplicate_key"]],
  ["a kind twice", '{"k":"cash","k":"time","t":2,"source":"clock","sourceSeq":1}', ["$.k", "duplicate_key"]],
  [
    "the same number by an escape",
    '{"k":"time","\\u0074":1,"t":2,"source":"clock","sourceSeq":1}',
    ["$.t", "duplicate_key"],
  ],
  ["a number beyond all bounds", '{"k":"time","t":1E400,"source":"clock","sourceSeq":1}', ["$.t", "out_of_range"]],
  [
    "a prototype",
    '{"k":"time","t":1,"source":"clock","sourceSeq":1,"__proto__":{"x":1}}',
    ["$.__proto__", "unknown_key"],
  ],
])("%s is no entry", (_, message, problem) => {
  expect(found(readLiveEntry(message))).toEqual([problem]);
});

test("an id may be a word that objects inherit, and stays a word", () => {
  const reading = readLiveEntry('{"k":"frame","t":1,"source":"mark-price","sourceSeq":1,"index":{"__proto__":"5"}}');
  if (!reading.ok || reading.entry.k !== "frame") throw new Error("expected a frame");
  expect(Object.entries(reading.entry.index ?? {})).toEqual([["__proto__", "5"]]);
  expect(({} as Loose)["5"]).toBeUndefined();
});

const order = { id: "o-1", instrument: "BTC-PERP", side: "buy", qty: "1", price: "5" };
const asked = { request: "r-1", account: "alice" };
const close = {
  effect: "close",
  id: "1-2-3",
  saga: "1-2",
  account: "alice",
  instrument: "BTC-PERP",
  side: "sell",
  qty: "1",
  limit: "0.3333333333333333333333333333",
  depthShare: null,
  whenDeep: false,
  backing: null,
};
const command = (effect: unknown): string => JSON.stringify({ shard: "0", epoch: 1, attempt: 1, effect });

test.each<[what: string, reading: Outcome, problems: [string, string][]]>([
  ["a question", readCheck(JSON.stringify({ ...asked, order })), []],
  [
    "a question of nothing",
    readCheck(JSON.stringify({ ...asked, order: { ...order, qty: "0" } })),
    [["$.order.qty", "out_of_range"]],
  ],
  ["a change", readAmend(JSON.stringify({ ...asked, order: "o-1", qty: "2" })), []],
  ["a change of nothing", readAmend(JSON.stringify({ ...asked, order: "o-1" })), [["$.qty", "missing_key"]]],
  [
    "a batch",
    readBatch(
      JSON.stringify({
        request: "r",
        mode: "all",
        orders: [
          { account: "a", order },
          { account: "b", order },
        ],
      }),
    ),
    [],
  ],
  [
    "an order twice",
    readBatch(
      JSON.stringify({
        request: "r",
        mode: "all",
        orders: [
          { account: "a", order },
          { account: "a", order },
        ],
      }),
    ),
    [["$.orders[1].order.id", "duplicate_id"]],
  ],
  ["an empty batch", readBatch('{"request":"r","mode":"all","orders":[]}'), [["$.orders", "too_few"]]],
  ["a what-if", readWhatIf(JSON.stringify({ ...asked, mark: { "BTC-PERP": "1" } })), []],
  [
    "a what-if at nothing",
    readWhatIf(JSON.stringify({ ...asked, index: { BTC: "0" } })),
    [["$.index.BTC", "out_of_range"]],
  ],
  ["a status without a body", readStatusRequest(new Uint8Array()), []],
  ["a question without a body", readNothing(""), []],
  ["a page of accounts", readReconcileRequest('{"after":"alice","limit":5000}'), []],
  ["a page too large", readReconcileRequest('{"limit":5001}'), [["$.limit", "out_of_range"]]],
  ["a quote of any price", readQuote('{"price":"-1","t":1}'), []],
  ["a quote of a negative size", readQuote('{"price":"1","size":"-1","t":1}'), [["$.size", "out_of_range"]]],
  ["a book at zero", readBookPrice('{"instrument":"BTC-PERP","price":"0","t":1}'), [["$.price", "out_of_range"]]],
  ["a close", readVenueCommand(command(close)), []],
  ["a close of nothing", readVenueCommand(command({ ...close, qty: "0" })), [["$.effect.qty", "out_of_range"]]],
  [
    "an effect of no kind",
    readVenueCommand(command({ ...close, effect: "resume" })),
    [["$.effect.effect", "not_permitted"]],
  ],
  [
    "a close without its size",
    readVenueCommand(command({ ...close, qty: undefined })),
    [["$.effect.qty", "missing_key"]],
  ],
  ["an effect that is none", readVenueCommand(command(7)), [["$.effect", "wrong_type"]]],
  [
    "a backing below zero",
    readVenueCommand(command({ ...close, backing: { reference: "1", budget: "-1" } })),
    [["$.effect.backing.budget", "out_of_range"]],
  ],
  ["numbers backwards", readResend('{"shard":"0","from":5,"to":4}'), [["$.to", "not_ascending"]]],
  ["too many numbers", readResend('{"shard":"0","from":1,"to":501}'), [["$.to", "too_many"]]],
  ["an order of a trader", readPlaceOrder(JSON.stringify({ account: "alice", ...order })), []],
  [
    "an order of a trader with a stop at nothing",
    readPlaceOrder(JSON.stringify({ account: "alice", ...order, stop: "0" })),
    [["$.stop", "out_of_range"]],
  ],
  [
    "a question with a stop below zero",
    readCheck(JSON.stringify({ request: "r", account: "a", order: { ...order, stop: "-1", key: "bot" } })),
    [["$.order.stop", "out_of_range"]],
  ],
  [
    "an order of the exchange",
    readPlaceOrder(JSON.stringify({ account: "house", ...order })),
    [["$.account", "system_account"]],
  ],
  [
    "a market order that rests",
    readPlaceOrder(JSON.stringify({ account: "alice", ...order, price: undefined, ioc: false })),
    [["$.ioc", "not_permitted"]],
  ],
  ["a cancel of all", readCancelAll('{"account":"alice"}'), []],
])("%s at its border", (_, reading, problems) => {
  expect(reading.ok).toBe(problems.length === 0);
  expect(found(reading)).toEqual(problems);
});
