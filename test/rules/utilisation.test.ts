import { expect, test } from "vitest";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { Gate, utilisation, velocityUse } from "#libs/engine/index.ts";
import { codesOf, hold, limitedExchange, termsOf } from "#test/support/limited-exchange.ts";
import { table } from "#test/support/table.ts";

// Alice holds 4 X and 2 Y short at 100 on 100,000 of equity, and nobody else has a limit near.
const measures = table(`
  limits                                    | limit            | value   | bound  | share  | because
  {"maxPosition":"5"}                       | maxPosition of X | 4       | 5      | 0.8    | the fuller of two instruments
  {"maxShort":"2","maxLong":"100"}          | maxShort of Y    | 2       | 2      | 1      | the side that is held
  {"maxGrossUsd":"1000"}                    | maxGrossUsd      | 600     | 1000   | 0.6    | both sides add up
  {"maxNetUsd":"1000"}                      | maxNetUsd        | 200     | 1000   | 0.2    | they cancel out
  {"maxDeltaUsd":"1000"}                    | maxDeltaUsd of X | 200     | 1000   | 0.2    | of one underlying
  {"maxNotionalUsd":"800"}                  | maxNotionalUsd   | 600     | 800    | 0.75   | total notional
  {"maxLeverage":"0.01"}                    | maxLeverage      | 600     | 1000   | 0.6    | of equity
  {"maxExposure":"0.01"}                    | maxExposure      | 600     | 1000   | 0.6    | gross over equity
  {"maxPositionShare":"0.01"}               | maxPositionShare of X | 400 | 1000  | 0.4    | the larger position
  {"maxSectorShare":"0.01"}                 | maxSectorShare of X | 600  | 1000   | 0.6    | X and Y are of one sector
  {"maxOpenPositions":3}                    | maxOpenPositions | 2       | 3      | 0.6667 | rounded up
  {"maxPosition":"100","maxGrossUsd":"700"} | maxGrossUsd      | 600     | 700    | 0.8572 | the fullest of several
  {"maxPosition":"0","maxGrossUsd":"100"}   | maxPosition of X | 4       | 0      | -      | what may be nothing is fuller than what is six times too much
  {"maxPosition":"0"}                       | maxPosition of X | 4       | 0      | -      | what may be nothing
`);
for (const { limits, limit, value, bound, share, because } of measures)
  test(`LIM-44 under ${limits} alice uses ${value} of ${bound}: ${because}`, () => {
    const place = { sector: "one" };
    const exchange = limitedExchange(
      { limits: JSON.parse(limits) as RuleDocument["limits"] & object },
      { X: place, Y: place },
    );
    hold(exchange, "alice 4 X, alice -2 Y");
    const [found] = utilisation(exchange.engine, 10).filter((one) => one.account === "alice");
    const named = [found?.limit, found?.instrument].filter((one) => one !== null).join(" of ");
    expect([named, found?.value, found?.bound, found?.share ?? "-", found?.level]).toEqual([
      limit,
      value,
      bound,
      share,
      "exchange",
    ]);
  });

test("LIM-44 orders count, an owner's accounts count together where the limit binds them so, the fullest account comes first", () => {
  const exchange = limitedExchange({
    limits: { maxPosition: "20" },
    entities: { one: { accounts: ["alice", "bob"] } },
    accounts: { bob: { limits: { maxPosition: "6" } } },
  });
  hold(exchange, "alice 4 X, bob 5 X");
  expect(codesOf(exchange, "alice", "buy 3 X")).toEqual([]);
  const found = utilisation(exchange.engine, 10).filter((one) => one.account !== "maker");
  expect(found.map(({ account, value, bound, level }) => [account, value, bound, level])).toEqual([
    ["bob", "5", "6", "account bob"],
    ["alice", "12", "20", "exchange"],
  ]);
  expect(utilisation(exchange.engine, 1)).toHaveLength(1);
  hold(exchange, "bob -11 X");
  const [short] = utilisation(exchange.engine, 10).filter((one) => one.account === "bob");
  expect(short).toMatchObject({ limit: "maxPosition", value: "6", bound: "6" });
});

test("LIM-44 initial margin is a limit like the others", () => {
  const exchange = limitedExchange({}, { X: { tiers: [{ from: "0", im: "0.1", mm: "0.05" }] } });
  hold(exchange, "alice 4 X");
  expect(utilisation(exchange.engine, 10)).toContainEqual({
    account: "alice",
    limit: "initialMargin",
    instrument: null,
    value: "40",
    bound: "100000",
    share: "0.0004",
    level: "margin",
  });
});

test("LIM-44 orders and trades of the day count against what a day may see, those of an owner's accounts together", () => {
  const exchange = limitedExchange({
    limits: { ordersPerDay: 5, tradesPerDay: 4 },
    entities: { one: { accounts: ["alice", "bob"] } },
  });
  for (const account of ["alice", "bob"]) expect(codesOf(exchange, account, "buy 1 X")).toEqual([]);
  const of = (account: string) => utilisation(exchange.engine, 10).filter((one) => one.account === account);
  expect(of("alice")).toMatchObject([
    { limit: "ordersPerDay", value: "2", bound: "5", share: "0.4", level: "exchange" },
  ]);
  hold(exchange, "bob 1 X, alice 1 X, bob 1 X");
  expect(of("bob")).toMatchObject([{ limit: "tradesPerDay", value: "3", bound: "4", share: "0.75" }]);
});

test("LIM-44 a loss counts against what may be lost of what the session began with", () => {
  const exchange = limitedExchange({ limits: { dayLoss: "0.01" } });
  hold(exchange, "alice 400 X");
  exchange.apply({ k: "session", session: "day", start: 0 });
  exchange.mark("98");
  const [alice] = utilisation(exchange.engine, 10).filter((one) => one.account === "alice");
  expect(alice).toMatchObject({ limit: "dayLoss", value: "800", bound: "1000", share: "0.8" });
});

test("LIM-44 LIM-08 windows of velocity are as full as decisions found them, of what binds whom they count", () => {
  const window = (orders: number, windowMs = 1000) => ({
    limits: { velocity: [{ windowMs, orders, valueUsd: "1000" }] },
  });
  const exchange = limitedExchange({
    entities: { one: { accounts: ["alice", "bob"], ...window(4) } },
    accounts: { alice: { keys: { bot: window(2, 2000) } } },
  });
  const gate = new Gate(exchange.engine);
  const seen = new Map<string, readonly [string, string]>();
  for (const [request, account, text] of [
    ["1", "alice", "buy 1 X key bot"],
    ["2", "bob", "buy 4 X"],
    ["3", "alice", "buy 1 X key bot"],
  ] as const) {
    const { overlay } = gate.check({ request, account, order: termsOf(text) }, 0);
    for (const [id, read] of Object.entries(overlay?.rates ?? {})) seen.set(id, read);
  }
  const windows = [...seen, ["client gone 1000", ["9", "9"]] as const, ["account bob 777", ["9", "9"]] as const].map(
    ([id, [orders, value]]) => ({ window: id, orders: BigInt(orders), valueUsd: BigInt(value) }),
  );
  expect(velocityUse(exchange.engine, windows, 3)).toEqual([
    {
      account: "alice",
      limit: "velocityOrders",
      instrument: null,
      value: "1",
      bound: "2",
      share: "0.5",
      level: "key bot",
    },
    {
      account: "one",
      limit: "velocityOrders",
      instrument: null,
      value: "2",
      bound: "4",
      share: "0.5",
      level: "entity one",
    },
    {
      account: "one",
      limit: "velocityValueUsd",
      instrument: null,
      value: "500",
      bound: "1000",
      share: "0.5",
      level: "entity one",
    },
  ]);
});
