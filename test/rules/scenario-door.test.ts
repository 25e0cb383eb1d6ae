import { describe, expect, test } from "vitest";
import { readScenario } from "#apps/cli/scenario.ts";
import { followedBy, problemsIn, sound, withValue } from "#test/support/door.ts";
import { table } from "#test/support/table.ts";

test("a file in order is read whole", () => {
  const reading = readScenario(JSON.stringify(sound));
  expect(reading.ok && reading.scenario.entries.length).toBe(5);
  expect(reading.ok && reading.scenario.rules.assets.map(({ id }) => id)).toEqual(["USDT", "BTC"]);
});

const texts = table(`
  text                                                        | path             | code             | because
  {"rules":{},"entries":[],}                                  | $                | syntax           | a comma before the end
  {"rules":{},"entries":[}                                    | $.entries[0]     | syntax           | a bracket that closes nothing
  {'rules':{},"entries":[]}                                   | $                | syntax           | single quotes
  {"rules":{},"entries":[{"t":01}]}                           | $.entries[0]     | syntax           | a leading zero
  {"rules":{},"entries":[NaN]}                                | $.entries[0]     | syntax           | not a number
  {"rules":{},"entries":["a]}                                 | $.entries[0]     | syntax           | an open string
  {"rules":{},"entries":["\\x"]}                              | $.entries[0]     | syntax           | an unknown escape
  {"rules":{},"entries":[]} {}                                | $                | syntax           | a second document
  {"rules":{},"rules":{},"entries":[]}                        | $.rules          | duplicate_key    | a key twice
  {"rules":{},"entries":[{"t":0,"k":"time","t":1}]}           | $.entries[0].t   | duplicate_key    | a key twice, deep
  {"rules":{},"entries":[{"t":0,"k":"time","\\u0074":1}]}     | $.entries[0].t   | duplicate_key    | a key twice, once escaped
  []                                                          | $                | wrong_type       | a list
  null                                                        | $                | wrong_type       | nothing
  {"entries":[]}                                              | $.rules          | missing_key      | no rules
  {"rules":{}}                                                | $.entries        | missing_key      | no entries
  {"rules":{},"entries":{}}                                   | $.entries        | wrong_type       | entries that are no list
  {"rules":[],"entries":[]}                                   | $.rules          | wrong_type       | rules that are a list
  {"rules":{},"entries":[],"name":"x"}                        | $.name           | unknown_key      | a key of no meaning
  {"rules":{},"entries":[],"__proto__":{"ok":true}}           | $.__proto__      | unknown_key      | a key that other readers take for more
  {"rules":{"__proto__":{}},"entries":[]}                     | $.rules.__proto__ | unknown_key     | the same among rules
  {"rules":{"constructor":{}},"entries":[]}                   | $.rules.constructor | unknown_key   | the same by another name
  {"rules":{},"entries":[{"t":0,"k":"toString"}]}             | $.entries[0].k   | unknown_kind     | a kind that every object has
  {"rules":{},"entries":[{"t":0,"k":"settle"}]}               | $.entries[0].k   | unknown_kind     | a kind of the log, not of files
  {"rules":{},"entries":[{"t":0,"k":7}]}                      | $.entries[0].k   | wrong_type       | a kind that is a number
  {"rules":{},"entries":[{"t":0}]}                            | $.entries[0].k   | missing_key      | no kind
  {"rules":{},"entries":[{"k":"time"}]}                       | $.entries[0].t   | missing_key      | no time
  {"rules":{},"entries":[{"t":"0","k":"time"}]}               | $.entries[0].t   | wrong_type       | a time in quotes
  {"rules":{},"entries":[{"t":-1,"k":"time"}]}                | $.entries[0].t   | out_of_range     | a time before 1970
  {"rules":{},"entries":[{"t":0.5,"k":"time"}]}               | $.entries[0].t   | out_of_range     | half a millisecond
  {"rules":{},"entries":[{"t":9007199254740992,"k":"time"}]}  | $.entries[0].t   | out_of_range     | a time that numbers cannot count
  {"rules":{},"entries":[{"t":1E400,"k":"time"}]}             | $.entries[0].t   | out_of_range     | an infinite time
  {"rules":{},"entries":[7]}                                  | $.entries[0]     | wrong_type       | an entry that is a number
`);

describe("text", () => {
  for (const { text, path, code, because } of texts) {
    test(`${because} is refused as ${code}`, () => {
      expect(problemsIn(text)).toContainEqual([path, code]);
    });
  }

  test("a byte order mark and bytes that are not UTF-8 are refused", () => {
    const bytes = new TextEncoder().encode(JSON.stringify(sound));
    expect(problemsIn(bytes)).toEqual([]);
    expect(problemsIn(new Uint8Array([0xef, 0xbb, 0xbf, ...bytes]))).toEqual([["$", "byte_order_mark"]]);
    expect(problemsIn(new Uint8Array([...bytes, 0xff]))).toEqual([["$", "not_utf8"]]);
    expect(problemsIn(`\uFEFF${JSON.stringify(sound)}`)).toEqual([["$", "byte_order_mark"]]);
  });

  test("nesting beyond 64 levels is refused without recursing into it", () => {
    const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;
    expect(problemsIn(nested(64))).toEqual([["$", "wrong_type"]]);
    expect(problemsIn(nested(65))[0]?.[1]).toBe("too_deep");
    expect(problemsIn(nested(200_000))[0]?.[1]).toBe("too_deep");
  });

  test("a text that would fill the memory is refused where it passes a limit", () => {
    const keys = Array.from({ length: 100_001 }, (_, at) => `"k${at}":0`).join(",");
    expect(problemsIn(`{"rules":{${keys}},"entries":[]}`)).toEqual([["$.rules", "too_many"]]);
    expect(problemsIn(`{"rules":{},"entries":[${"0,".repeat(5_000_000)}0]}`)).toEqual([["$.entries", "too_many"]]);
    const half = `[${"[],".repeat(3_000_000)}[]]`;
    expect(problemsIn(`[${half},${half}]`)[0]?.[1]).toBe("too_many");
  });

  test("more than 64 MiB are refused unread", () => {
    expect(problemsIn(new Uint8Array(64 * 1024 * 1024 + 1))).toEqual([["$", "too_large"]]);
  });

  test("a problem's path and message do not grow with the file", () => {
    const long = "k".repeat(1_000_000);
    const many = '{"a":1,"a":2}'.concat(',{"a":1,"a":2}'.repeat(2000));
    const reading = readScenario(`{"${long}":[${many}],"rules":"${long}","entries":[{"t":0,"k":"${long}"}]}`);
    expect(JSON.stringify(reading).length).toBeLessThan(1_000_000);
    const frame = `{"t":0,"k":"frame","index":"${long}","mark":["${long}"]}`;
    expect(problemsIn(`{"rules":{},"entries":[${frame}]}`).map(([, code]) => code)).toEqual([
      "wrong_type",
      "wrong_type",
    ]);
  });

  test("the place of a syntax error is named by line and column", () => {
    const reading = readScenario('{\n  "rules": {},\n  "entries": [,]\n}');
    expect(reading.ok ? "" : reading.problems[0]?.message).toBe('line 3, column 15: expected a value, found ","');
  });
});

const entries = table(`
  entry                                                                                   | path                   | code
  {"k":"ask","what":"account","account":"zoe"}                                            | $.entries[5].account   | unknown_account
  {"k":"ask","what":"account","account":"house"}                                          | $.entries[5].account   | system_account
  {"k":"ask","what":"weather"}                                                            | $.entries[5].what      | unknown_kind
  {"k":"ask"}                                                                             | $.entries[5].what      | missing_key
  {"k":"ask","what":"exchange","account":"alice"}                                         | $.entries[5].account   | unknown_key
  {"k":"ask","what":"alloc","instrument":"X","side":"long","qty":"1"}                     | $.entries[5].instrument | unknown_instrument
  {"k":"ask","what":"alloc","instrument":"BTC-PERP","side":"buy","qty":"1"}               | $.entries[5].side      | not_permitted
  {"k":"ask","what":"alloc","instrument":"BTC-PERP","side":"long","qty":"0.0001"}         | $.entries[5].qty       | off_lot
  {"k":"cancel","account":"zoe","id":"a-1"}                                               | $.entries[5].account   | unknown_account
  {"k":"cancel","account":"bob","id":"a-1"}                                               | $.entries[5].id        | unknown_order
  {"k":"transfer","from":"zoe","to":"bob","asset":"USDT","amount":"1"}                    | $.entries[5].from      | unknown_account
  {"k":"transfer","from":"bob","to":"fees","asset":"USDT","amount":"1"}                   | $.entries[5].to        | system_account
  {"k":"transfer","from":"bob","to":"alice","asset":"USDT","amount":"-1"}                 | $.entries[5].amount    | out_of_range
  {"k":"transfer","from":"bob","to":"bob","asset":"USDT","amount":"1"}                    | $.entries[5].to        | same_account
  {"k":"fund","asset":"USDT","amount":"-1"}                                               | $.entries[5].amount    | out_of_range
  {"k":"house","asset":"X","amount":"1"}                                                  | $.entries[5].asset     | unknown_asset
  {"k":"position","account":"carol","instrument":"BTC-PERP","qty":"0","entry":"1"}        | $.entries[5].qty       | out_of_range
  {"k":"position","account":"carol","instrument":"BTC-PERP","qty":"-1","entry":"0"}       | $.entries[5].entry     | out_of_range
  {"k":"position","account":"carol","instrument":"BTC-PERP","qty":"0.0001","entry":"1"}   | $.entries[5].qty       | off_lot
  {"k":"margin","account":"alice","instrument":"BTC-PERP","amount":"0.000000001"}         | $.entries[5].amount    | off_quantum
  {"k":"mode","account":"alice","instrument":"BTC-PERP","leverage":"0"}                   | $.entries[5].leverage  | out_of_range
  {"k":"quote","asset":"BTC","source":"binance","price":"1"}                              | $.entries[5].source    | unknown_source
  {"k":"quote","asset":"USDT","source":"kraken","price":"1"}                              | $.entries[5].source    | unknown_source
  {"k":"quality","id":"X","quality":"good"}                                               | $.entries[5].id        | unknown_id
  {"k":"quality","id":"BTC","quality":"fine"}                                             | $.entries[5].quality   | not_permitted
  {"k":"depth","instrument":"BTC-PERP","bids":[["1","1"],["2","1"]]}                      | $.entries[5].bids[1][0] | not_descending
  {"k":"depth","instrument":"BTC-PERP","asks":[["2","1"],["1","1"]]}                      | $.entries[5].asks[1][0] | not_ascending
  {"k":"depth","instrument":"BTC-PERP","bids":[["1","-1"]]}                               | $.entries[5].bids[0][1] | out_of_range
  {"k":"depth","instrument":"BTC-PERP","bids":[["1"]]}                                    | $.entries[5].bids[0]   | too_few
  {"k":"depth","instrument":"BTC-PERP","bids":[["1","1","1"]]}                            | $.entries[5].bids[0]   | too_many
  {"k":"depth","instrument":"BTC-PERP","bids":[["1",1]]}                                  | $.entries[5].bids[0][1] | number_not_string
  {"k":"halt","scope":"entity","id":"alice","state":"paused","reason":"x"}                | $.entries[5].id        | unknown_entity
  {"k":"halt","scope":"account","id":"zoe","state":"paused","reason":"x"}                 | $.entries[5].id        | unknown_account
  {"k":"halt","scope":"instrument","state":"paused","reason":"x"}                         | $.entries[5].id        | missing_key
  {"k":"halt","scope":"global","id":"alice","state":"paused","reason":"x"}                | $.entries[5].id        | unknown_key
  {"k":"halt","scope":"global","state":"closed","reason":"x"}                             | $.entries[5].state     | not_permitted
  {"k":"halt","scope":"global","state":"paused","reason":"a\\u0000b"}                     | $.entries[5].reason    | not_permitted
  {"k":"halt","scope":"global","state":"paused","reason":"a\\ud800b"}                     | $.entries[5].reason    | not_permitted
  {"k":"expire","instrument":"BTC-PERP","price":"1"}                                      | $.entries[5].instrument | not_dated
  {"k":"expire","instrument":"BTC-0326","price":"0"}                                      | $.entries[5].price     | out_of_range
  {"k":"rules","set":[]}                                                                  | $.entries[5].set       | wrong_type
  {"k":"rules","set":{"liquidation":{"target":1.2}}}                                      | $.entries[5].set.liquidation.target | number_not_string
  {"k":"rules","set":{"liquidation":{"target":"1"}}}                                      | $.entries[5].set.liquidation.target | out_of_range
  {"k":"rules","set":{"liquidation":{"goal":"1.2"}}}                                      | $.entries[5].set.liquidation.goal | unknown_key
  {"k":"rules","set":{"instruments":[{"id":"BTC-0326","tiers":[{"from":"1","im":"1","mm":"1"}]}]}} | $.entries[5].set.instruments[0].tiers[0].from | out_of_range
  {"k":"rules","set":{"instruments":[{"id":"BTC-0326","multiplier":"2"}]}}                | $.entries[5].set.instruments[0].multiplier | not_changeable
  {"k":"rules","set":{"assets":[{"id":"BTC","quantum":"0.01"}]}}                          | $.entries[5].set.assets[0].quantum | not_changeable
  {"k":"rules","set":{"assets":[{"id":"BTC","quantum":"0.000000001"}]}}                   | $.entries[5].set.assets[0].quantum | not_changeable
  {"k":"rules","set":{"instruments":[{"id":"BTC-PERP","lot":"0.0001"}]}}                  | $.entries[5].set.instruments[0].lot | not_changeable
  {"k":"rules","set":{"instruments":[{"id":"BTC-PERP","quote":"USD"}]}}                   | $.entries[5].set.instruments[0].quote | not_changeable
  {"k":"rules","set":{"assets":[{"id":"DAI"},{"id":"DAI"}]}}                              | $.entries[5].set.assets[1].id | duplicate_id
  {"k":"rules","set":{"__proto__":{"liquidity":"none"}}}                                  | $.entries[5].set.__proto__ | unknown_key
  {"k":"rules","set":{"assets":null}}                                                     | $.entries[5].set.assets | wrong_type
`);

describe("one wrong entry", () => {
  for (const { entry, path, code } of entries) {
    test(`${entry} is refused as ${code}, and nothing else is`, () => {
      const file = JSON.parse(JSON.stringify(sound)) as { entries: unknown[] };
      file.entries.push("HERE");
      const text = JSON.stringify(file).replace('"HERE"', () => entry.replace("{", '{"t":1,'));
      expect(problemsIn(text)).toEqual([[path, code]]);
    });
  }
});

const values = table(`
  at                   | to                          | path                          | code
  entries/1/amount     | 6000                        | $.entries[1].amount           | number_not_string
  entries/1/amount     | "6e3"                       | $.entries[1].amount           | not_an_amount
  entries/1/amount     | "+6000"                     | $.entries[1].amount           | not_an_amount
  entries/1/amount     | " 6000"                     | $.entries[1].amount           | not_an_amount
  entries/1/amount     | "6000\\n"                   | $.entries[1].amount           | not_an_amount
  entries/1/amount     | "0.000000001"               | $.entries[1].amount           | off_quantum
  entries/1/amount     | "0.0000000000000000001"     | $.entries[1].amount           | not_an_amount
  entries/1/amount     | "100000000000000000000"     | $.entries[1].amount           | not_an_amount
  entries/1/account    | "a/b"                       | $.entries[1].account          | not_an_id
  entries/1/account    | ""                          | $.entries[1].account          | not_an_id
  entries/1/account    | "insurance"                 | $.entries[1].account          | system_account
  entries/1/account    | "market"                    | $.entries[1].account          | system_account
  entries/1/asset      | "DOGE"                      | $.entries[1].asset            | unknown_asset
  entries/1/note       | "hello"                     | $.entries[1].note             | unknown_key
  entries/0/index/USDT | "0"                         | $.entries[0].index.USDT       | out_of_range
  entries/0/index/a b  | "1"                         | $.entries[0].index["a b"]     | not_an_id
  entries/0/mark/BTC-PERP | 50000                    | $.entries[0].mark["BTC-PERP"] | number_not_string
  entries/0/mark/X     | "1"                         | $.entries[0].mark.X           | unknown_instrument
  entries/0/inputs     | {}                          | $.entries[0].inputs           | unknown_key
  entries/3/side       | "long"                      | $.entries[3].side             | not_permitted
  entries/3/qty        | "-1"                        | $.entries[3].qty              | out_of_range
  entries/3/stop       | "0"                         | $.entries[3].stop             | out_of_range
  entries/3/key        | "a b"                       | $.entries[3].key              | not_an_id
  entries/0/depth      | {"X":"1"}                   | $.entries[0].depth.X          | unknown_instrument
  entries/0/depth      | {"BTC-PERP":"-1"}           | $.entries[0].depth["BTC-PERP"] | out_of_range
  entries/3/reduceOnly | 1                           | $.entries[3].reduceOnly       | wrong_type
  entries/3/instrument | "ETH-PERP"                  | $.entries[3].instrument       | unknown_instrument
  entries/4/qty        | "0.0005"                    | $.entries[4].qty              | off_lot
  entries/4/qty        | "0"                         | $.entries[4].qty              | out_of_range
  entries/4/price      | "0"                         | $.entries[4].price            | out_of_range
  entries/4/buyOrder   | "a-2"                       | $.entries[4].buyOrder         | unknown_order
  entries/4/seller     | "bad_debt"                  | $.entries[4].seller           | system_account
  entries/4/t          | 0                           | $.entries[4].t                | time_falls
`);

describe("one wrong value in an entry", () => {
  for (const { at, to, path, code } of values) {
    test(`${at} as ${to} is refused as ${code}, and nothing else is`, () => {
      expect(problemsIn(withValue(at, to))).toEqual([[path, code]]);
    });
  }
});

test("every problem of a file is listed, rules first, at most a thousand", () => {
  const file = JSON.parse(withValue("rules/assets/0/quantum", "1")) as { entries: unknown[] };
  file.entries.push({ t: 0, k: "cash", account: "a b", asset: "X", amount: 1 });
  file.entries.push({ t: 2, k: "ask", what: "account", account: "zoe" });
  expect(problemsIn(JSON.stringify(file))).toEqual([
    ["$.rules.assets[0].quantum", "number_not_string"],
    ["$.entries[5].t", "time_falls"],
    ["$.entries[5].account", "not_an_id"],
    ["$.entries[5].amount", "number_not_string"],
    ["$.entries[6].account", "unknown_account"],
  ]);
  const many = JSON.stringify({ rules: {}, entries: Array.from({ length: 5000 }, () => 7) });
  expect(problemsIn(many).length).toBe(1000);
});

test("rule changes are merged and carried as whole documents, list items by id", () => {
  const reading = readScenario(
    followedBy(
      {
        t: 1,
        k: "rules",
        set: { liquidation: { target: "1.2" }, instruments: [{ id: "BTC-PERP", takerFee: "0.001" }] },
      },
      { t: 1, k: "rules", set: { liquidation: { closeMin: "0.3" }, assets: [{ id: "DAI" }] } },
      { t: 1, k: "cash", account: "alice", asset: "DAI", amount: "0" },
    ),
  );
  if (!reading.ok) throw new Error(JSON.stringify(reading.problems));
  const last = reading.scenario.entries[6];
  if (last?.k !== "rules") throw new Error("no rule change");
  expect(last.document.liquidation).toEqual({ target: "1.2", closeMin: "0.3" });
  expect(last.document.instruments[0]).toMatchObject({ id: "BTC-PERP", takerFee: "0.001", lot: "0.001" });
  expect(last.document.assets.map(({ id }) => id)).toEqual(["USDT", "BTC", "DAI"]);
  expect(reading.scenario.rules.liquidation).toBeUndefined();
});
