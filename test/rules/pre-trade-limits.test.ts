import { describe, expect, test } from "vitest";
import type { OrderTerms } from "#libs/contracts/live/pre-trade.ts";
import type { InstrumentDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { AccountDocument, LimitsDocument } from "#libs/domain/rule-set/limit-documents.ts";
import { shadowable } from "#libs/domain/rule-set/limit-types.ts";
import { Gate, type GateAnswer, recheck, refusalCodes } from "#libs/engine/index.ts";
import { perpetual, rules, TestExchange, usdt } from "#test/support/exchange.ts";
import { table } from "#test/support/table.ts";

const day = 86_400_000;

/** X and Y on BTC, Z on ETH, INV inverse on BTC, all at 100 with lots of 1; alice and bob with 100,000 USDT each. */
function exchangeOf(
  changes: Partial<RuleDocument>,
  of: Record<string, Partial<InstrumentDocument>> = {},
): TestExchange {
  const free = { tiers: [], lot: "1" };
  const document = rules({
    assets: [usdt, { id: "BTC" }, { id: "ETH", slices: [{ weight: "0" }] }],
    instruments: [
      perpetual({ ...free, ...of["X"] }),
      perpetual({ ...free, id: "Y", ...of["Y"] }),
      perpetual({ ...free, id: "Z", base: "ETH", ...of["Z"] }),
      perpetual({ ...free, id: "INV", kind: "inverse", settle: "BTC", quote: "USD", ...of["INV"] }),
    ],
    ...changes,
  });
  const exchange = new TestExchange(document);
  exchange.prices({ ETH: "100" }, {});
  for (const account of ["alice", "bob", "maker"]) exchange.cash(account, account === "maker" ? "10000000" : "100000");
  return exchange;
}

let orders = 0;
/** `buy 5 X`, `sell 5 X at 90`, `buy 5 X stop 80`: the codes of the log's own check. */
function codesOf(exchange: TestExchange, account: string, text: string): string[] {
  const facts = exchange.apply({ k: "order", account, ...termsOf(text) });
  const rejected = facts.find((one) => one.fact === "order.rejected");
  return rejected === undefined ? [] : (rejected["codes"] as string[]);
}

function termsOf(text: string): OrderTerms {
  const [side = "", qty = "", instrument = "", ...more] = text.split(" ");
  const named = Object.fromEntries(more.flatMap((word, at) => (at % 2 === 0 ? [[word, more[at + 1] ?? ""]] : [])));
  orders += 1;
  return {
    id: `o${orders}`,
    side: side === "buy" ? "buy" : "sell",
    qty,
    instrument,
    price: named["at"] ?? "100",
    ...(named["stop"] === undefined ? {} : { stop: named["stop"] }),
    ...(named["key"] === undefined ? {} : { key: named["key"] }),
  };
}

/** `alice 5 X, bob -3 Y`: positions from trades at 100 against the maker. */
function hold(exchange: TestExchange, text: string): void {
  if (text === "-") return;
  for (const one of text.split(", ")) {
    const [account = "", signed = "", instrument = ""] = one.split(" ");
    const qty = signed.replace("-", "");
    if (signed.startsWith("-")) exchange.trade("maker", account, qty, "100", instrument);
    else exchange.trade(account, "maker", qty, "100", instrument);
  }
}

// Each line: what alice holds, an order that just passes, and one of a lot more that does not.
const figures = table(`
  rule   | limits                            | held                  | passes      | refused     | code                | because
  LIM-12 | {"maxPosition":"10"}              | -                     | buy 10 X    | buy 11 X    | position_limit      | contracts on either side
  LIM-12 | {"maxPosition":"10"}              | alice -4 X            | sell 6 X    | sell 7 X    | position_limit      | the position counts
  LIM-12 | {"maxPosition":"10"}              | alice -4 X            | buy 14 X    | buy 15 X    | position_limit      | what closes it does not
  LIM-12 | {"maxLong":"10","maxShort":"3"}   | -                     | sell 3 X    | sell 4 X    | position_limit      | each side by itself
  LIM-13 | {"maxOpenInterest":"20"}          | bob 15 X              | buy 5 X     | buy 6 X     | open_interest_limit | all accounts
  LIM-13 | {"maxOpenInterestShare":"0.5"}    | bob 10 X              | buy 10 X    | buy 11 X    | open_interest_share | with the order itself
  LIM-15 | {"maxGrossUsd":"1000"}            | alice -4 Y            | buy 6 X     | buy 7 X     | gross_limit         | both sides add up
  LIM-15 | {"maxNetUsd":"1000"}              | alice -4 Y            | buy 14 X    | buy 15 X    | net_limit           | they cancel out
  LIM-15 | {"maxNetUsd":"1000"}              | alice 12 Y            | sell 22 X   | sell 25 X   | net_limit           | an order that lowers it passes though it is above
  LIM-15 | {"maxDeltaUsd":"1000"}            | alice 4 Y             | buy 6 X     | buy 7 X     | delta_limit         | one underlying
  LIM-15 | {"maxDeltaUsd":"1000"}            | alice 400 INV         | buy 6 X     | buy 7 X     | delta_limit         | inverse contracts by what they stand for
  LIM-15 | {"maxDeltaUsd":"1000"}            | alice 40 Z            | buy 10 X    | buy 11 X    | delta_limit         | another underlying does not count
  ORD-08 | {"maxNotionalUsd":"1000"}         | alice -4 Y            | buy 6 X     | buy 7 X     | notional_limit      | total notional
  LIM-16 | {"maxExposure":"0.01"}            | alice 4 Y             | buy 6 X     | buy 7 X     | exposure            | gross notional over 100,000 of equity
  LIM-16 | {"maxPositionShare":"0.01"}       | alice 4 X, alice 9 Y  | buy 6 X     | buy 7 X     | position_share      | one position alone
  LIM-16 | {"maxSectorShare":"0.01"}         | alice 4 Y, alice 9 Z  | buy 6 X     | buy 7 X     | sector_share        | X and Y are of one sector, Z of none
  LIM-17 | {"maxCounterpartyUsd":"1000"}     | alice 4 Y             | buy 6 X     | buy 7 X     | counterparty_limit  | X and Y stand with one
  LIM-17 | {"maxVenueUsd":"1000"}            | alice 4 Y, alice 9 Z  | buy 6 X     | buy 7 X     | venue_limit         | Z stands at another
  LIM-20 | {"maxRiskShare":"0.001"}          | -                     | buy 10 X stop 90 | buy 11 X stop 90 | risk_per_trade | 10 lost on each of 10 is a thousandth of equity
  LIM-20 | {"maxRiskShare":"0.001"}          | -                     | sell 5 X stop 120 | sell 6 X stop 120 | risk_per_trade | a sell loses above
  LIM-20 | {"maxRiskShare":"0.001"}          | alice 200 X           | buy 1 X     | buy 2 X     | risk_per_trade      | without a price that liquidates it all of the order is at risk
`);
for (const { rule, limits, held, passes, refused, code, because } of figures) {
  test(`${rule} under ${limits} holding ${held}, ${passes} passes and ${refused} does not: ${because}`, () => {
    const place = { sector: "one", counterparty: "broker", venue: "here" };
    const of = { X: place, Y: place, Z: { venue: "there" } };
    const made = (): TestExchange => {
      const exchange = exchangeOf({ limits: JSON.parse(limits) as LimitsDocument }, of);
      hold(exchange, held);
      return exchange;
    };
    expect([codesOf(made(), "alice", passes), codesOf(made(), "alice", refused)]).toEqual([[], [code]]);
  });
}

test("LIM-12 orders that rest count with the position, and the reason says how much is left and who says so", () => {
  const exchange = exchangeOf({ limits: { maxPosition: "10" } });
  expect(codesOf(exchange, "alice", "buy 8 X")).toEqual([]);
  expect(codesOf(exchange, "alice", "buy 3 X")).toEqual(["position_limit"]);
  expect(exchange.of("order.rejected")[0]?.["numbers"]).toEqual({
    position_limit: { value: "11", bound: "10", headroom: "-1", level: "exchange" },
  });
});

test("LIM-15 a position is one that is held: the tenth passes, the eleventh does not, adding to one does", () => {
  const exchange = exchangeOf({ limits: { maxOpenPositions: 2 } });
  hold(exchange, "alice 1 Y");
  expect(codesOf(exchange, "alice", "buy 1 X")).toEqual([]);
  hold(exchange, "alice 1 Z");
  expect(codesOf(exchange, "alice", "buy 1 X")).toEqual(["open_positions"]);
  expect(codesOf(exchange, "alice", "buy 1 Y")).toEqual([]);
});

test("LIM-11 an order that only shrinks the position meets no limit", () => {
  const none = "0";
  const limits = {
    maxPosition: none,
    maxGrossUsd: none,
    maxNetUsd: none,
    maxDeltaUsd: none,
    maxExposure: none,
    maxRiskShare: none,
  };
  const exchange = exchangeOf({});
  hold(exchange, "alice 5 X");
  exchange.apply({ k: "rules", document: { ...exchange.engine.machine.document, limits } });
  expect(codesOf(exchange, "alice", "sell 5 X")).toEqual([]);
  expect(codesOf(exchange, "alice", "sell 1 X")).not.toEqual([]);
});

test("LIM-20 a stop must lie where the order loses; without one it is judged where it would be liquidated", () => {
  const margins = [{ from: "0", im: "0.1", mm: "0.05" }];
  const exchange = exchangeOf({ limits: { maxRiskShare: "0.5" } }, { X: { tiers: margins } });
  expect(codesOf(exchange, "alice", "buy 1 X stop 100")).toEqual(["stop_price"]);
  expect(codesOf(exchange, "alice", "sell 1 X stop 99")).toEqual(["stop_price"]);
  // 4,000 at 100 of 100,000: liquidated near 79, where 84,000 are lost; 2,000 would lose about half.
  expect(codesOf(exchange, "alice", "buy 4000 X")).toEqual(["risk_per_trade"]);
  expect(codesOf(exchange, "alice", "buy 4000 X stop 90")).toEqual([]);
});

describe("LIM-02 limits of owners", () => {
  const entities = { desk: { accounts: ["alice", "bob"] } };
  const pairs = table(`
    limits                             | held                | passes   | refused  | code
    {"maxPosition":"10"}               | bob 6 X             | buy 4 X  | buy 5 X  | position_limit
    {"maxPosition":"10"}               | bob -6 X            | buy 16 X | buy 17 X | position_limit
    {"maxOpenInterestShare":"0.5"}     | bob 6 X, carol 10 X | buy 4 X  | buy 5 X  | open_interest_share
    {"maxNotionalUsd":"1000"}          | bob 6 Y             | buy 4 X  | buy 5 X  | notional_limit
    {"maxGrossUsd":"1000"}             | bob 6 Y             | buy 4 X  | buy 5 X  | gross_limit
    {"maxNetUsd":"1000"}               | bob -6 Y            | buy 16 X | buy 17 X | net_limit
    {"maxDeltaUsd":"1000"}             | bob 6 Y             | buy 4 X  | buy 5 X  | delta_limit
    {"maxExposure":"0.01"}             | bob 6 Y             | buy 14 X | buy 15 X | exposure
    {"maxOpenPositions":2}             | bob 6 Y             | buy 1 X  | -        | -
    {"maxOpenPositions":1}             | bob 6 Y             | -        | buy 1 X  | open_positions
  `);
  for (const { limits, held, passes, refused, code } of pairs)
    test(`${limits} with ${held} of the same owner: ${passes} passes, ${refused} does not`, () => {
      const made = (): TestExchange => {
        const exchange = exchangeOf({ entities, limits: JSON.parse(limits) as LimitsDocument });
        hold(exchange, held);
        return exchange;
      };
      if (passes !== "-") expect(codesOf(made(), "alice", passes)).toEqual([]);
      if (refused !== "-") expect(codesOf(made(), "alice", refused)).toEqual([code]);
    });

  test("what the account's own level says binds the account alone", () => {
    const accounts: Record<string, AccountDocument> = {
      alice: { limits: { maxPosition: "5" }, keys: { bot: { limits: { maxPosition: "2" } } } },
    };
    const exchange = exchangeOf({ entities, limits: { maxPosition: "10" }, accounts });
    hold(exchange, "bob 3 X");
    expect(codesOf(exchange, "alice", "buy 6 X")).toEqual(["position_limit"]);
    expect(codesOf(exchange, "alice", "buy 3 X key bot")).toEqual(["position_limit"]);
    expect(codesOf(exchange, "alice", "buy 2 X key bot")).toEqual([]);
    expect(codesOf(exchange, "alice", "buy 3 X")).toEqual([]);
    expect(codesOf(exchange, "bob", "buy 3 X")).toEqual(["position_limit"]);
  });
});

test("LIM-17 the account's own word on where it stands goes before the instrument's", () => {
  const accounts = { alice: { counterparty: "prime", venue: "away" }, bob: { counterparty: "prime" } };
  const entities = { desk: { accounts: ["alice", "bob"] } };
  const limits = { maxCounterpartyUsd: "1000", maxVenueUsd: "1000" };
  const exchange = exchangeOf({ accounts, entities, limits }, { Y: { counterparty: "broker", venue: "here" } });
  hold(exchange, "bob 8 Y");
  expect(codesOf(exchange, "alice", "buy 3 X")).toEqual(["counterparty_limit"]);
  expect(codesOf(exchange, "alice", "buy 2 X")).toEqual([]);
  // bob's venue is the instrument's: nothing of his stands where alice does.
  expect(codesOf(exchangeOf({ accounts, entities, limits: { maxVenueUsd: "1000" } }), "alice", "buy 10 X")).toEqual([]);
});

test("LIM-18 banned, located and restricted", () => {
  const of = { X: { shorting: "banned" }, Y: { shorting: "locate" } } as const;
  const exchange = exchangeOf({ locates: { alice: { Y: "5" } }, accounts: { bob: { restricted: ["Z"] } } }, of);
  hold(exchange, "alice 3 X");
  expect(codesOf(exchange, "alice", "sell 4 X")).toEqual(["short_ban"]);
  expect(codesOf(exchange, "alice", "sell 3 X")).toEqual([]);
  expect(codesOf(exchange, "alice", "sell 6 Y")).toEqual(["locate"]);
  expect(codesOf(exchange, "alice", "sell 5 Y")).toEqual([]);
  expect(codesOf(exchange, "alice", "sell 1 Y")).toEqual(["locate"]);
  expect(codesOf(exchange, "bob", "sell 1 Y")).toEqual(["locate"]);
  expect(codesOf(exchange, "bob", "buy 1 Z")).toEqual(["instrument_restricted"]);
  expect(codesOf(exchange, "alice", "buy 1 Z")).toEqual([]);
  expect(exchange.of("order.rejected").at(-1)?.["numbers"]).toEqual({
    instrument_restricted: { value: "Z", bound: "account bob" },
  });
});

const losses = table(`
  limits             | lost | codes     | because
  {"dayLoss":"0.03"} | 2999 | -         | below 3 % of 100,000
  {"dayLoss":"0.03"} | 3000 | day_loss  | at it
  {"weekLoss":"0.08"} | 7999 | -        | below 8 %
  {"weekLoss":"0.08"} | 8000 | week_loss | at it
`);
for (const { limits, lost, codes, because } of losses)
  test(`LIM-19 under ${limits} a loss of ${lost}: ${because}`, () => {
    const exchange = exchangeOf({ limits: JSON.parse(limits) as LimitsDocument });
    for (const session of ["day", "week"] as const) exchange.apply({ k: "session", session, start: 0 });
    hold(exchange, "alice 1000 X");
    exchange.mark(String(100 - Number(lost) / 1000));
    const refused = codes === "-" ? [] : [codes];
    expect(codesOf(exchange, "alice", "buy 1 X")).toEqual(refused);
    expect(codesOf(exchange, "alice", "sell 1 X")).toEqual([]);
    expect(codesOf(exchange, "bob", "buy 1 Y")).toEqual([]);
  });

test("LIM-19 losses of an owner's accounts add up; without a session there is none", () => {
  const entities = { desk: { accounts: ["alice", "bob"] } };
  const exchange = exchangeOf({ entities, limits: { dayLoss: "0.03" } });
  hold(exchange, "alice 1000 X");
  exchange.mark("94.1");
  expect(codesOf(exchange, "bob", "buy 1 Y")).toEqual([]);
  exchange.mark("100");
  exchange.apply({ k: "session", session: "day", start: day });
  exchange.mark("94.1");
  expect(codesOf(exchange, "bob", "buy 1 Y")).toEqual([]);
  exchange.mark("94");
  expect(codesOf(exchange, "bob", "buy 1 Y")).toEqual(["day_loss"]);
});

describe("LIM-10 checks in shadow", () => {
  test("what they would have refused is told, and passes", () => {
    const exchange = exchangeOf({ limits: { maxPosition: "10", maxNetUsd: "500" }, shadow: ["position_limit"] });
    expect(codesOf(exchange, "alice", "buy 11 X")).toEqual(["net_limit"]);
    expect(exchange.of("order.shadowed")[0]).toMatchObject({ account: "alice", codes: ["position_limit"] });
    expect(codesOf(exchange, "alice", "buy 5 X")).toEqual([]);
  });

  test("the gate counts them", () => {
    const exchange = exchangeOf({ limits: { maxPosition: "10" }, shadow: ["position_limit"] });
    const gate = new Gate(exchange.engine);
    const answer = gate.check({ request: "r", account: "alice", order: termsOf("buy 11 X") }, 0);
    expect(answer).toMatchObject({ decision: "accept", codes: [], shadow: ["position_limit"] });
    expect(answer.numbers["position_limit"]).toEqual({ value: "11", bound: "10", headroom: "-1", level: "exchange" });
    expect([...gate.shadowed]).toEqual([["position_limit", 1]]);
    expect(gate.size.reservations).toBe(1);
  });

  test("every code that may run in shadow is a reason of refusal", () => {
    expect([...shadowable].filter((code) => !(code in refusalCodes))).toEqual([]);
  });
});

describe("LIM-08 velocity", () => {
  const accounts = { alice: { keys: { bot: { limits: { velocity: [{ windowMs: 1000, orders: 1 }] } } } } };
  const entities = { desk: { accounts: ["alice", "bob"] } };
  const windows = {
    velocity: [
      { windowMs: 1000, orders: 3 },
      { windowMs: 60_000, valueUsd: "1000" },
    ],
  };
  const asking = (changes: Partial<RuleDocument>) => {
    const exchange = exchangeOf(changes);
    const gate = new Gate(exchange.engine);
    let requests = 0;
    const check = (account: string, text: string, now: number): GateAnswer => {
      requests += 1;
      return gate.check({ request: `r${requests}`, account, order: termsOf(text) }, now);
    };
    return { exchange, gate, check, codes: (...asked: [string, string, number]) => check(...asked).codes };
  };

  test("orders in a window; what is refused does not count", () => {
    const { codes } = asking({ limits: windows });
    for (let order = 0; order < 3; order += 1) expect(codes("alice", "buy 1 X", 0)).toEqual([]);
    expect(codes("alice", "buy 1 X", 999)).toEqual(["velocity_orders"]);
    expect(codes("bob", "buy 1 X", 999)).toEqual([]);
    expect(codes("alice", "buy 1 X", 1000)).toEqual([]);
  });

  test("their value in another, with its numbers", () => {
    const { check } = asking({ limits: windows });
    expect(check("alice", "buy 10 X", 0).codes).toEqual([]);
    const { codes, numbers } = check("alice", "buy 1 X at 99", 59_999);
    expect(codes).toEqual(["velocity_value"]);
    expect(numbers["velocity_value"]).toEqual({ value: "1099", bound: "1000", headroom: "-99", level: "exchange" });
    expect(check("alice", "buy 1 X", 60_000).codes).toEqual([]);
  });

  test("all accounts of an owner count together, a key by itself", () => {
    const { codes } = asking({ limits: windows, entities, accounts });
    expect(codes("alice", "buy 1 X key bot", 0)).toEqual([]);
    expect(codes("alice", "buy 1 X key bot", 0)).toEqual(["velocity_orders"]);
    expect(codes("alice", "buy 1 X", 0)).toEqual([]);
    expect(codes("bob", "buy 1 X", 0)).toEqual([]);
    expect(codes("bob", "buy 1 X", 0)).toEqual(["velocity_orders"]);
  });

  test("a batch that is refused as a whole counts for nothing", () => {
    const { gate, codes } = asking({ limits: windows });
    const orders = ["buy 1 X", "buy 1 X", "buy 1 X", "buy 1 X"].map((text) => ({
      account: "alice",
      order: termsOf(text),
    }));
    const { results } = gate.batch({ request: "b", mode: "all", orders }, 0);
    expect(results.map((one) => one.codes)).toEqual([
      ["batch_refused"],
      ["batch_refused"],
      ["batch_refused"],
      ["velocity_orders"],
    ]);
    for (let order = 0; order < 3; order += 1) expect(codes("alice", "buy 1 X", 0)).toEqual([]);
  });

  test("an amendment counts like an order, a smaller quantity does not", () => {
    const { gate, codes } = asking({ limits: { velocity: [{ windowMs: 1000, orders: 3 }] } });
    expect(codes("alice", "buy 2 X", 0)).toEqual([]);
    const order = `o${orders}`;
    const amend = (request: string, qty: string) => gate.amend({ request, account: "alice", order, qty }, 0).codes;
    expect(amend("a1", "3")).toEqual([]);
    expect(amend("a2", "4")).toEqual([]);
    expect(amend("a3", "5")).toEqual(["velocity_orders"]);
    expect(amend("a4", "1")).toEqual([]);
  });

  test("a decision can be made again from what it had read, of the owner's other accounts too", () => {
    const { exchange, check } = asking({ limits: { ...windows, maxPosition: "4" }, entities });
    for (const account of ["alice", "bob", "alice"]) check(account, "buy 1 X", 0);
    const order = termsOf("buy 2 X");
    const gate = new Gate(exchange.engine);
    expect(gate.check({ request: "q", account: "bob", order }, 0).codes).toEqual([]);
    const again = check("bob", "buy 2 X", 0);
    expect(again.codes).toEqual(["position_limit", "velocity_orders"]);
    const { decision, codes, numbers } = again;
    const request = { request: "q", account: "bob", order: { ...order, id: "other" } };
    expect(recheck(exchange.engine, JSON.parse(JSON.stringify(again.overlay)) as never, request)).toEqual([
      { decision, codes, numbers },
    ]);
  });
});

test("LIM-02 two accounts of an owner cannot both use the same room", () => {
  const exchange = exchangeOf({ entities: { desk: { accounts: ["alice", "bob"] } }, limits: { maxPosition: "10" } });
  const gate = new Gate(exchange.engine);
  const ask = (account: string, text: string) =>
    gate.check({ request: `${account}${text}`, account, order: termsOf(text) }, 0).codes;
  expect(ask("alice", "buy 6 X")).toEqual([]);
  expect(ask("bob", "buy 5 X")).toEqual(["position_limit"]);
  expect(ask("bob", "buy 4 X")).toEqual([]);
  expect(ask("alice", "buy 1 X")).toEqual(["position_limit"]);
});
