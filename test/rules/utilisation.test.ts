import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { breakerProgress, Gate, limitUse, utilisation, velocityUse } from "#libs/engine/index.ts";
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
    // As it is recorded.
    const rates = JSON.parse(JSON.stringify(overlay?.rates ?? {})) as Record<string, readonly [string, string]>;
    for (const [id, read] of Object.entries(rates)) seen.set(id, read);
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

const half = Rational.fraction(1n, 2n);

test("LIM-44 whose limits are used further than a share is told in turns, of losses and of the rest the fullest, margin left out", () => {
  const exchange = limitedExchange({ limits: { maxPosition: "8", maxGrossUsd: "1000", dayLoss: "0.01" } });
  exchange.apply({ k: "session", session: "day", start: 0 });
  hold(exchange, "alice 5 X, bob 4 X");
  const { engine } = exchange;
  const most = engine.machine.book.accountCount;
  const shown = (found: ReturnType<typeof limitUse>) =>
    found.used.map(({ account, limit, share }) => [account, limit, share]);
  // Bob uses half, which is not more than half.
  expect(shown(limitUse(engine, 0, most, half, 10)).filter(([account]) => account !== "maker")).toEqual([
    ["alice", "maxPosition", "0.625"],
  ]);
  hold(exchange, "alice 145 Y");
  exchange.mark("96", "Y");
  expect(shown(limitUse(engine, 0, most, half, 10))).toContainEqual(["alice", "dayLoss", "0.58"]);
  expect(shown(limitUse(engine, 0, most, half, 1))).toHaveLength(1);
  const turns = new Set<string | undefined>();
  for (let from: number | null = 0; from !== null;) {
    const found: ReturnType<typeof limitUse> = limitUse(engine, from, 3, half, 10);
    for (const { account } of found.used) turns.add(account);
    from = found.next;
  }
  expect(turns).toEqual(new Set(limitUse(engine, 0, most, half, 10).used.map(({ account }) => account)));
});

test("BRK-09 BRK-14 BRK-15 LIM-13 how near the exchange is to what trips it", () => {
  const exchange = limitedExchange(
    {
      breakers: {
        priceMove: { reduceOnlyAt: "0.1" },
        fundDrawdown: { at: "0.3" },
        liquidationRate: { countMax: 4 },
      },
      fund: { brake: { drawdown: "0.2", until: "0.1", hours: "8" } },
    },
    { X: { limits: { maxOpenInterest: "10" }, tiers: [{ from: "0", im: "0.1", mm: "0.05" }] } },
  );
  exchange.apply({ k: "fund", asset: "USDT", amount: "1000" });
  hold(exchange, "alice 6 X");
  exchange.prices({ BTC: "100" }, {});
  exchange.prices({ BTC: "104" }, { X: "104" });
  const near = (): (string | number)[][] =>
    breakerProgress(exchange.engine.machine)
      .map(({ what, of, value, bound }) => [what, of, value.toNumber(), bound.toNumber()])
      .filter(([what, of]) => what !== "price_move" || of === "X")
      .filter(([what, of]) => what !== "fund_drawdown" || of === "USDT");
  expect(near()).toEqual([
    ["fund_drawdown", "USDT", 0, 0.2],
    ["liquidation_rate", "", 0, 5],
    ["price_move", "X", 0.04, 0.1],
    ["open_interest", "X", 6, 10],
  ]);
  exchange.cash("poor", "100");
  exchange.trade("poor", "maker", "9", "104", "X");
  exchange.mark("80", "X");
  const [fund, rate] = near();
  expect(rate).toEqual(["liquidation_rate", "", 1, 5]);
  expect(fund?.[2]).toBeGreaterThan(0);
});
