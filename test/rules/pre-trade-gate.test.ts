import { describe, expect, test } from "vitest";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { LimitsDocument } from "#libs/domain/rule-set/limit-documents.ts";
import { shadowable } from "#libs/domain/rule-set/limit-types.ts";
import { Gate, recheck, refusalCodes, type GateAnswer } from "#libs/engine/index.ts";
import { rules, TestExchange } from "#test/support/exchange.ts";
import { codesOf, hold, limitedExchange, termsOf } from "#test/support/limited-exchange.ts";
import { table } from "#test/support/table.ts";

describe("LIM-10 checks in shadow", () => {
  test("what they would have refused is told, and passes", () => {
    const exchange = limitedExchange({ limits: { maxPosition: "10", maxNetUsd: "500" }, shadow: ["position_limit"] });
    expect(codesOf(exchange, "alice", "buy 11 X")).toEqual(["net_limit"]);
    expect(exchange.of("order.shadowed")[0]).toMatchObject({ account: "alice", codes: ["position_limit"] });
    expect(codesOf(exchange, "alice", "buy 5 X")).toEqual([]);
  });

  test("the gate counts them", () => {
    const exchange = limitedExchange({ limits: { maxPosition: "10" }, shadow: ["position_limit"] });
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
    const exchange = limitedExchange(changes);
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

  test("an order counts once in a window, however many levels limit what is in it", () => {
    const also = (limit: object) => ({ limits: { velocity: [{ windowMs: 1000, ...limit }] } });
    const { codes } = asking({
      ...also({ orders: 3, valueUsd: "100000" }),
      tiers: { vip: also({ orders: 4, valueUsd: "600" }) },
      entities: { desk: { accounts: ["alice", "bob"], tier: "vip", ...also({ orders: 3, valueUsd: "100000" }) } },
    });
    for (let order = 0; order < 3; order += 1) expect(codes("alice", "buy 2 X", 0)).toEqual([]);
    expect(codes("bob", "buy 1 X", 0)).toEqual(["velocity_orders", "velocity_value"]);
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
    const { gate } = asking({ limits: { velocity: [{ windowMs: 1000, orders: 3 }] } });
    const placed = termsOf("buy 2 X");
    expect(gate.check({ request: "a0", account: "alice", order: placed }, 0).codes).toEqual([]);
    const order = placed.id;
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

describe("LIM-25 the largest size that would have passed", () => {
  const sizes = table(`
    limits                             | held      | asked     | largest | because
    {"maxPosition":"10"}               | -         | buy 25 X  | 10      | a limit of contracts
    {"maxPosition":"10"}               | alice 4 X | buy 25 X  | 6       | the position counts
    {"maxPosition":"10"}               | alice 4 X | sell 25 X | 14      | through zero
    {"maxGrossUsd":"1050"}             | -         | buy 25 X  | 10      | whole lots
    {"maxGrossUsd":"99"}               | -         | buy 25 X  | -       | not even one
    {"maxPosition":"100"}              | -         | buy 25 X  | 25      | all of it passes
    {"maxRiskShare":"0.001"}           | -         | buy 25 X stop 90 | 10 | risk to the stop
    {"maxPosition":"10","maxNetUsd":"700"} | -     | buy 25 X  | 7       | the strictest of several
  `);
  for (const { limits, held, asked, largest, because } of sizes)
    test(`${limits} holding ${held}, of ${asked}: ${because}`, () => {
      const made = (): TestExchange => {
        const exchange = limitedExchange({ limits: JSON.parse(limits) as LimitsDocument });
        hold(exchange, held);
        return exchange;
      };
      const gate = new Gate(made().engine);
      const answer = gate.whatIf({ request: "w", account: "alice", order: termsOf(asked) }, 0);
      expect(answer.largest ?? "-").toBe(largest);
      if (largest === "-") return;
      const words = asked.split(" ");
      const sized = (qty: string): string => [words[0], qty, ...words.slice(2)].join(" ");
      expect(codesOf(made(), "alice", sized(largest))).toEqual([]);
      if (largest !== words[1]) expect(codesOf(made(), "alice", sized(String(Number(largest) + 1)))).not.toEqual([]);
    });

  test("no size passes what does not depend on it", () => {
    const gate = new Gate(limitedExchange({}).engine);
    gate.setMode("closed", "maintenance");
    expect(gate.whatIf({ request: "w", account: "alice", order: termsOf("buy 5 X") }, 0).largest).toBe(null);
  });

  test("what is approved leaves less, and a window of velocity too", () => {
    const exchange = limitedExchange({
      limits: { maxPosition: "10", velocity: [{ windowMs: 1000, valueUsd: "1100" }] },
    });
    const gate = new Gate(exchange.engine);
    const largest = () => gate.whatIf({ request: "w", account: "alice", order: termsOf("buy 25 X") }, 0).largest;
    expect(largest()).toBe("10");
    gate.check({ request: "r", account: "alice", order: termsOf("buy 3 X") }, 0);
    expect(largest()).toBe("7");
    gate.check({ request: "s", account: "alice", order: termsOf("buy 3 X") }, 0);
    gate.check({ request: "t", account: "alice", order: termsOf("sell 3 X") }, 0);
    expect(largest()).toBe("2");
  });

  test("a receipt says it, whatever the reason was", () => {
    const exchange = new TestExchange(rules({ limits: { maxPosition: "10" } }), { receipts: true });
    exchange.cash("alice", "100000");
    const facts = exchange.apply({ k: "order", account: "alice", ...termsOf("buy 25 X") });
    const rejected = facts.find((one) => one.fact === "order.rejected");
    const receipt = exchange.engine.receiptOf(rejected?.seq ?? 0);
    expect(receipt).toMatchObject({ rule: "LIM-12", avoidedBy: { size: { instrument: "X", qty: "10" } } });
  });
});

test("LIM-27 all stops together warn above their share of equity, and refuse nothing", () => {
  const exchange = limitedExchange({ limits: { maxRiskSumShare: "0.002" } });
  const warned = (text: string): boolean => {
    const before = exchange.of("order.shadowed").length;
    expect(codesOf(exchange, "alice", text)).toEqual([]);
    return exchange.of("order.shadowed").length > before;
  };
  // A position of 10 with its stop at 90 risks 100 of 100,000; another 10 with a stop at 90 are 200, a lot more is above.
  expect(warned("buy 10 X stop 90")).toBe(false);
  hold(exchange, "alice 10 X");
  expect(warned("buy 10 Y stop 90")).toBe(false);
  expect(warned("buy 11 Y stop 90")).toBe(true);
  expect(exchange.of("order.shadowed").at(-1)?.["numbers"]).toEqual({
    risk_sum: { value: "210", bound: "200", headroom: "-10", level: "exchange" },
  });
  // Without a stop, and nowhere liquidated, all of a position is at risk.
  hold(exchange, "alice 2 Z");
  expect(warned("buy 1 Y stop 99")).toBe(true);
});

test("ORD-09 until an amendment is confirmed, the larger quantity counts at the dearer price, which neither approval has alone", () => {
  const exchange = limitedExchange({}, { X: { tiers: [{ from: "0", im: "0.1", mm: "0.05" }] } });
  const gate = new Gate(exchange.engine);
  const placed = termsOf("buy 4000 X");
  expect(gate.check({ request: "a0", account: "alice", order: placed }, 0).codes).toEqual([]);
  const dearer = { request: "a1", account: "alice", order: placed.id, qty: "1", price: "110" };
  expect(gate.amend(dearer, 0).codes).toEqual([]);
  // 4,000 at 110 need 40,000 and lose 40,000 at once: 20,000 of 100,000 are left.
  const more = (request: string, qty: string) =>
    gate.check({ request, account: "alice", order: termsOf(`buy ${qty} X`) }, 0).codes;
  expect(more("b0", "2001")).toEqual(["initial_margin"]);
  expect(more("b1", "2000")).toEqual([]);
});
