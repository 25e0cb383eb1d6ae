import { describe, expect, test } from "vitest";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { AccountDocument, LimitsDocument } from "#libs/domain/rule-set/limit-documents.ts";
import { Gate } from "#libs/engine/index.ts";
import { btc, rules, TestExchange, usdt } from "#test/support/exchange.ts";
import { codesOf, hold, limitedExchange, termsOf } from "#test/support/limited-exchange.ts";
import { table } from "#test/support/table.ts";

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
      const exchange = limitedExchange({ limits: JSON.parse(limits) as LimitsDocument }, of);
      hold(exchange, held);
      return exchange;
    };
    expect([codesOf(made(), "alice", passes), codesOf(made(), "alice", refused)]).toEqual([[], [code]]);
  });
}

test("LIM-12 orders that rest count with the position, and the reason says how much is left and who says so", () => {
  const exchange = limitedExchange({ limits: { maxPosition: "10" } });
  expect(codesOf(exchange, "alice", "buy 8 X")).toEqual([]);
  expect(codesOf(exchange, "alice", "buy 3 X")).toEqual(["position_limit"]);
  expect(exchange.of("order.rejected")[0]?.["numbers"]).toEqual({
    position_limit: { value: "11", bound: "10", headroom: "-1", level: "exchange" },
  });
});

test("LIM-15 a position is one that is held or that orders may open: adding to one opens none", () => {
  const exchange = limitedExchange({ limits: { maxOpenPositions: 2 } });
  hold(exchange, "alice 1 Y");
  expect(codesOf(exchange, "alice", "buy 1 X")).toEqual([]);
  expect(codesOf(exchange, "alice", "buy 1 Z")).toEqual(["open_positions"]);
  expect(exchange.of("order.rejected").at(-1)?.["numbers"]).toMatchObject({
    open_positions: { value: "3", bound: "2" },
  });
  for (const text of ["sell 2 X", "buy 1 Y"]) expect(codesOf(exchange, "alice", text)).toEqual([]);
  const gate = new Gate(exchange.engine);
  const ask = (text: string) => gate.check({ request: text, account: "bob", order: termsOf(text) }, 0).codes;
  expect(["buy 1 X", "buy 1 Y", "buy 1 Z", "buy 2 X"].map(ask)).toEqual([[], [], ["open_positions"], []]);
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
  const exchange = limitedExchange({});
  hold(exchange, "alice 5 X");
  exchange.apply({ k: "rules", document: { ...exchange.engine.machine.document, limits } });
  expect(codesOf(exchange, "alice", "sell 5 X")).toEqual([]);
  expect(codesOf(exchange, "alice", "sell 1 X")).not.toEqual([]);
});

test("LIM-20 a stop must lie where the order loses; without one it is judged where it would be liquidated", () => {
  const margins = [{ from: "0", im: "0.1", mm: "0.05" }];
  const exchange = limitedExchange({ limits: { maxRiskShare: "0.5" } }, { X: { tiers: margins } });
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
        const exchange = limitedExchange({ entities, limits: JSON.parse(limits) as LimitsDocument });
        hold(exchange, held);
        return exchange;
      };
      if (passes !== "-") expect(codesOf(made(), "alice", passes)).toEqual([]);
      if (refused !== "-") expect(codesOf(made(), "alice", refused)).toEqual([code]);
    });

  test("the gate asks the key that an order came with", () => {
    const keys = { bot: { limits: { maxPosition: "2" }, restricted: ["Y"] } };
    const until = 1_000;
    const overrides = [
      { level: "key", of: "hand", account: "alice", limit: "maxPosition", value: "1", until, reason: "new" } as const,
    ];
    const exchange = limitedExchange({ accounts: { alice: { keys } }, overrides });
    const gate = new Gate(exchange.engine);
    const ask = (text: string) => gate.check({ request: text, account: "alice", order: termsOf(text) }, 0).codes;
    expect(ask("buy 3 X key bot")).toEqual(["position_limit"]);
    expect(ask("buy 1 Y key bot")).toEqual(["instrument_restricted"]);
    expect(ask("buy 2 X key hand")).toEqual(["position_limit"]);
    expect(ask("buy 3 X key other")).toEqual([]);
    expect(ask("buy 1 Y")).toEqual([]);
  });

  test("what the account's own level says binds the account alone", () => {
    const accounts: Record<string, AccountDocument> = {
      alice: { limits: { maxPosition: "5" }, keys: { bot: { limits: { maxPosition: "2" } } } },
    };
    const exchange = limitedExchange({ entities, limits: { maxPosition: "10" }, accounts });
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
  const exchange = limitedExchange({ accounts, entities, limits }, { Y: { counterparty: "broker", venue: "here" } });
  hold(exchange, "bob 8 Y");
  expect(codesOf(exchange, "alice", "buy 3 X")).toEqual(["counterparty_limit"]);
  expect(codesOf(exchange, "alice", "buy 2 X")).toEqual([]);
  // bob's venue is the instrument's: nothing of his stands where alice does.
  expect(
    codesOf(limitedExchange({ accounts, entities, limits: { maxVenueUsd: "1000" } }), "alice", "buy 10 X"),
  ).toEqual([]);
});

test("LIM-18 banned, located and restricted", () => {
  const of = { X: { shorting: "banned" }, Y: { shorting: "locate" } } as const;
  const exchange = limitedExchange({ locates: { alice: { Y: "5" } }, accounts: { bob: { restricted: ["Z"] } } }, of);
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

test("LIM-02 two accounts of an owner cannot both use the same room", () => {
  const exchange = limitedExchange({
    entities: { desk: { accounts: ["alice", "bob"] } },
    limits: { maxPosition: "10" },
  });
  const gate = new Gate(exchange.engine);
  const ask = (account: string, text: string) =>
    gate.check({ request: `${account}${text}`, account, order: termsOf(text) }, 0).codes;
  expect(ask("alice", "buy 6 X")).toEqual([]);
  expect(ask("bob", "buy 5 X")).toEqual(["position_limit"]);
  expect(ask("bob", "buy 4 X")).toEqual([]);
  expect(ask("alice", "buy 1 X")).toEqual(["position_limit"]);
});

const leverages = table(`
  rule   | base | level                                                                | most   | because
  LIM-05 | BTC  | {"profile":"exchange"}                                               | 100000 | 100 times 100,000 on a major
  LIM-05 | SOL  | {"profile":"exchange"}                                               | 20000  | 20 times on all else
  LIM-05 | SOL  | {}                                                                   | -      | without a profile there is no default
  ORD-07 | BTC  | {"profile":"exchange","limits":{"maxInstrumentLeverage":"50"}}       | 50000  | a level's figure in its place
  ORD-07 | BTC  | {"tiers":{"new":{"limits":{"maxInstrumentLeverage":"5"}}},"accounts":{"alice":{"tier":"new"}}} | 5000 | of the client's tier
  ORD-07 | BTC  | {"accounts":{"alice":{"instruments":{"X":{"maxInstrumentLeverage":"2"}}}}} | 2000 | of the client on the instrument
  ORD-08 | BTC  | {"accounts":{"alice":{"limits":{"maxLeverage":"3"}}}}                | 3000   | of all instruments together
`);
for (const { rule, base, level, most, because } of leverages)
  test(`${rule} on ${base} under ${level} the most is ${most}: ${because}`, () => {
    const tiers = [{ from: "0", im: "0.001", mm: "0.0005" }];
    const exchange = new TestExchange(
      rules({
        assets: [usdt, btc, { id: "SOL", slices: [{ weight: "0" }] }],
        instruments: [{ id: "X", kind: "linear", base, quote: "USDT", settle: "USDT", lot: "1", tiers }],
        ...(JSON.parse(level) as Partial<RuleDocument>),
      }),
    );
    exchange.prices({ SOL: "100" }, {});
    exchange.cash("alice", "100000");
    const codes = (size: number): string[] => codesOf(exchange, "alice", `buy ${size} X`);
    if (most === "-") return expect(codes(900_000)).toEqual([]);
    // The larger first: what is accepted rests.
    const refused = codes(Number(most) + 1);
    expect([refused[0], codes(Number(most))]).toEqual(["leverage", []]);
  });

test("LIM-05 TIER-09 under a profile of the exchange the default leverage is the instrument's own, for initial margin too", () => {
  const document = (profile: Partial<RuleDocument>) =>
    rules({
      assets: [usdt, btc, { id: "SOL", slices: [{ weight: "0" }] }],
      instruments: [{ id: "X", kind: "linear", base: "SOL", quote: "USDT", settle: "USDT", lot: "1" }],
      ...profile,
    });
  const imOf = (profile: Partial<RuleDocument>): string => {
    const exchange = new TestExchange(document(profile));
    exchange.prices({ SOL: "100" }, {});
    exchange.cash("alice", "100000");
    expect(codesOf(exchange, "alice", "buy 100 X")).toEqual([]);
    return exchange.engine.account("alice").im;
  };
  expect([imOf({}), imOf({ profile: "exchange" }), imOf({ accounts: { alice: { profile: "exchange" } } })]).toEqual([
    "0",
    "500",
    "0",
  ]);
});
