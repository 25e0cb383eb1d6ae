import { describe, expect, test } from "vitest";
import type { DryRunAccount, DryRunResult } from "#libs/contracts/live/dry-run.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { mergeRules } from "#libs/domain/rule-set/merge.ts";
import { dryRun } from "#libs/engine/index.ts";
import { btc, perpetual, rules, TestExchange, usdt } from "#test/support/exchange.ts";
import { table } from "#test/support/table.ts";

/** Alice with this cash and this many contracts of X at 100: 10 % initial and 5 % maintenance margin. */
function exchangeWith(cash: string, qty: string, changes: Partial<RuleDocument> = {}): TestExchange {
  const exchange = new TestExchange(rules(changes));
  exchange.cash("alice", cash);
  exchange.cash("maker", "1000000");
  exchange.trade("alice", "maker", qty);
  return exchange;
}

function proposed(exchange: TestExchange, set: unknown, most = 10): DryRunResult {
  const found = dryRun(exchange.engine.snapshot(), (present) => mergeRules(present, set), most);
  if ("problems" in found) throw new Error(JSON.stringify(found.problems));
  return found;
}

const aliceIn = ({ accounts }: DryRunResult): DryRunAccount | undefined =>
  accounts.find((one) => one.account === "alice");

// Alice holds 10 X at 100, a notional of 1,000, and has that much cash.
const tiersOf = (im: string, mm: string): string =>
  JSON.stringify({ instruments: [{ id: "X", tiers: [{ from: "0", im, mm }] }] });
const outcomes = table(`
  rule   | cash | set                                | outcome            | why                  | because
  LIM-26 | 200  | {}                                 | -                  | -                    | nothing is another
  LIM-26 | 105  | ${tiersOf("0.12", "0.1")}          | liquidated_in_part | partial              | the ratio comes to 1.05
  LIM-26 | 105.5| ${tiersOf("0.12", "0.1")}          | refused            | initial_margin       | the ratio stays above, margin is no more enough
  LIM-26 | 100  | ${tiersOf("0.12", "0.1")}          | liquidated_in_full | full                 | the ratio comes to 1.00
  LIM-26 | 134  | ${tiersOf("0.12", "0.1")}          | warned             | 1.5                  | a warning at 1.5 and margin for one more
  LIM-26 | 200  | {"limits":{"maxPosition":"9"}}     | refused            | position_limit       | the position is above what the rules permit
  LIM-26 | 200  | {"limits":{"maxPosition":"10"}}    | refused            | position_limit       | nothing may be added at the bound
  LIM-26 | 200  | {"limits":{"maxPosition":"11"}}    | -                  | -                    | one lot more may be
  LIM-26 | 200  | {"limits":{"maxLeverage":"5"}}     | refused            | leverage             | five times equity is held
  LIM-26 | 200  | {"limits":{"maxPosition":"9"},"shadow":["position_limit"]} | - | -                | a check in shadow refuses nothing
  LIM-26 | 200  | {"instruments":[{"id":"X","minNotional":"5000"}]} | -   | -                    | an order's form is no standing
`);
describe("what a proposal does to one account", () => {
  for (const { rule, cash, set, outcome, why, because } of outcomes)
    test(`${rule} with ${cash} under ${set}: ${outcome} ${why}, ${because}`, () => {
      const exchange = exchangeWith(cash, "10");
      const found = aliceIn(proposed(exchange, JSON.parse(set)));
      expect(found?.outcome ?? "-").toBe(outcome);
      const whys = [
        ...(found?.pools ?? []).map((one) => one.after),
        ...(found?.refusals ?? []).flatMap((one) => one.codes),
        ...(found?.warnings ?? []).map((one) => one.level),
      ];
      if (why === "-") expect(whys).toEqual([]);
      else expect(whys).toContain(why);
    });
});

test("LIM-26 money: requirements before and after, what a liquidation closes, what initial margin lacks", () => {
  const exchange = exchangeWith("100", "10");
  const found = proposed(exchange, JSON.parse(tiersOf("0.12", "0.1")));
  expect(aliceIn(found)).toEqual({
    account: "alice",
    outcome: "liquidated_in_full",
    before: { equity: "100", initialEquity: "100", im: "100", mm: "50" },
    after: { equity: "100", initialEquity: "100", im: "120", mm: "100" },
    pools: [{ instrument: null, before: "none", after: "full", closes: "1000" }],
    warnings: [],
    refusals: [
      {
        instrument: null,
        side: null,
        codes: ["initial_margin"],
        numbers: { initial_margin: { value: "120", bound: "100", headroom: "-20" } },
      },
    ],
    closesUsd: "1000",
    convertsUsd: "0",
    initialMarginMissingUsd: "20",
  });
  expect(found.totals).toMatchObject({
    judged: 2,
    unpriced: 0,
    outcomes: { liquidated_in_full: 1, liquidated_in_part: 0, converted: 0, refused: 0, warned: 0, released: 0 },
    closesUsd: "1000",
    initialMarginMissingUsd: "20",
    before: { im: "200", mm: "100" },
    after: { im: "240", mm: "200" },
  });
});

test("LIM-26 the judgement is what the log's own entry would bring about: who is named is liquidated, nobody else is", () => {
  const document = rules({ warnings: ["1.5", "1.25", "1.1"] });
  const exchange = new TestExchange(document);
  exchange.cash("maker", "1000000");
  for (let at = 0; at < 12; at += 1) {
    exchange.cash(`a${at}`, String(98 + 2 * at));
    exchange.trade(`a${at}`, "maker", "10");
  }
  const set = JSON.parse(tiersOf("0.12", "0.1")) as unknown;
  const found = proposed(exchange, set, 100);
  const named = (...wanted: string[]): string[] =>
    found.accounts
      .filter((one) => wanted.includes(one.outcome))
      .map((one) => one.account)
      .sort();
  const warned = found.accounts.filter((one) => one.warnings.length > 0 && one.pools.length === 0);
  const facts = exchange.apply({ k: "rules", document: mergeRules(exchange.engine.machine.document, set) });
  const told = (fact: string, about = (_one: Record<string, unknown>): boolean => true): string[] =>
    [...new Set(facts.filter((one) => one.fact === fact && about(one)).map((one) => String(one["account"])))].sort();
  const liquidated = told("liquidation.started");
  expect(liquidated.length).toBeGreaterThan(2);
  expect(named("liquidated_in_full", "liquidated_in_part")).toEqual(liquidated);
  expect(warned.map((one) => one.account).sort()).toEqual(
    told("warning", (one) => !liquidated.includes(String(one["account"]))),
  );
});

test("LIM-26 who is being liquidated and would not be is released; the worst are listed first, totals are over all", () => {
  const exchange = new TestExchange(rules({ liquidity: "none" }), { venue: "matching" });
  exchange.cash("maker", "1000000");
  const half = (account: string, side: "buy" | "sell", trade: string) =>
    ({
      k: "fill",
      trade,
      account,
      instrument: "X",
      side,
      qty: "10",
      price: "100",
      liquidity: "taker",
      order: `o-${trade}`,
    }) as const;
  for (const [at, cash] of ["104", "109", "106", "130"].entries()) {
    exchange.cash(`a${at}`, cash);
    exchange.apply({ ...half(`a${at}`, "buy", `t${at}`) });
    exchange.apply({ ...half("maker", "sell", `t${at}`), liquidity: "maker", order: `m-${at}` });
  }
  const tighter = proposed(exchange, JSON.parse(tiersOf("0.12", "0.1")), 2);
  expect(tighter.accounts.map(({ account, outcome }) => [account, outcome])).toEqual([
    ["a0", "liquidated_in_part"],
    ["a2", "refused"],
  ]);
  expect(tighter.totals.outcomes).toMatchObject({ liquidated_in_part: 1, refused: 3 });
  exchange.mark("94.5");
  expect(exchange.engine.machine.sagas.size).toBeGreaterThan(0);
  const easier = proposed(exchange, JSON.parse(tiersOf("0.1", "0.01")));
  expect(easier.accounts.map(({ account, outcome }) => [account, outcome])).toContainEqual(["a0", "released"]);
});

test("LIM-26 who stands at a limit that is lowered is beyond it, though one more was refused before", () => {
  const exchange = exchangeWith("1000", "10", { limits: { maxPosition: "10" } });
  expect(aliceIn(proposed(exchange, { limits: { maxPosition: "9" } }))?.refusals).toEqual([
    {
      instrument: "X",
      side: "buy",
      codes: ["position_limit"],
      numbers: { position_limit: { value: "11", bound: "9", headroom: "-2", level: "exchange" } },
    },
  ]);
  expect(aliceIn(proposed(exchange, { limits: { maxPosition: "10.0" } }))).toBeUndefined();
});

test("LIM-26 a warning that stands given is not given again, and free margin that shrinks refuses nothing by itself", () => {
  // At a ratio of 1.4 the warning of 1.5 has been given; at 1.35 it still stands.
  expect(aliceIn(proposed(exchangeWith("70", "10"), JSON.parse(tiersOf("0.06", "0.052"))))).toBeUndefined();
  // 105 of equity covers 100 of margin but not one lot more; at a weight of 0.99 it is 103.95, and neither has changed.
  const weight = { assets: [{ id: "USDT", slices: [{ weight: "0.99" }] }] };
  expect(aliceIn(proposed(exchangeWith("105", "10"), weight))).toBeUndefined();
});

test("LIM-26 orders that may open are asked about like positions, each on its side", () => {
  const exchange = exchangeWith("1000", "1");
  const rest = (account: string, side: "buy" | "sell", price: string) =>
    exchange.apply({ k: "order", account, id: `o-${account}`, instrument: "X", side, qty: "5", price });
  exchange.cash("bob", "1000");
  exchange.cash("carol", "1000");
  rest("bob", "buy", "99");
  rest("carol", "sell", "101");
  const found = proposed(exchange, { limits: { maxPosition: "5" } });
  const refused = found.accounts.map(({ account, refusals }) => [account, refusals.map((one) => one.side)]);
  expect(refused.filter(([account]) => account !== "maker")).toEqual([
    ["bob", ["buy"]],
    ["carol", ["sell"]],
  ]);
});

for (const { convertAt, outcome, sold } of table(`
  convertAt | outcome   | sold
  0.81      | -         | 0
  0.8       | converted | 80
`))
  test(`LIM-26 a debt of 80 against 100 of equity, where debts are converted from ${convertAt} of it on: ${outcome}`, () => {
    const exchange = new TestExchange(rules({ assets: [usdt, { ...btc, conversionOrder: 1 }] }));
    exchange.apply({ k: "house", asset: "USDT", amount: "1000" });
    exchange.cash("alice", "1.8", "BTC");
    exchange.cash("maker", "1000");
    exchange.trade("alice", "maker", "1", "100");
    exchange.trade("maker", "alice", "1", "20");
    const found = proposed(exchange, { convertAt });
    expect([aliceIn(found)?.outcome ?? "-", found.totals.convertsUsd]).toEqual([outcome, sold]);
    expect(aliceIn(found)?.convertsUsd ?? "0").toBe(sold);
    expect(exchange.of("conversion.booked")).toEqual([]);
  });

test("LIM-26 accounts of the same ratio are listed by id", () => {
  const exchange = new TestExchange();
  exchange.cash("maker", "1000000");
  for (const account of ["b", "c", "a", "d"]) {
    exchange.cash(account, "100");
    exchange.trade(account, "maker", "10");
  }
  const found = proposed(exchange, JSON.parse(tiersOf("0.12", "0.1")));
  expect(found.accounts.map((one) => one.account)).toEqual(["a", "b", "c", "d"]);
});

test("LIM-26 nothing happens to the book that was copied, and the answer names the entry it was made after", () => {
  const exchange = exchangeWith("100", "10");
  const hash = exchange.engine.stateHash();
  const found = proposed(exchange, JSON.parse(tiersOf("0.12", "0.1")));
  expect(exchange.engine.stateHash()).toBe(hash);
  expect(found).toMatchObject({ entries: exchange.engine.machine.appliedSeq, ruleVersion: 1 });
});

test("LIM-26 rules that would be refused are, with every problem, and those that drop what is in use", () => {
  const exchange = exchangeWith("100", "10");
  const run = (set: unknown) => dryRun(exchange.engine.snapshot(), (present) => mergeRules(present, set), 10);
  expect(run({ instruments: [{ id: "X", tiers: [{ from: "0", im: "0.01", mm: "0.05" }] }] })).toHaveProperty(
    "problems.0.path",
  );
  const other = rules({ instruments: [perpetual({ id: "Y" })] });
  expect(dryRun(exchange.engine.snapshot(), () => other, 10)).toHaveProperty("problems.0.path", "$.document.X");
});
