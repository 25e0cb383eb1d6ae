import { expect, test } from "vitest";
import type { WhatIfRequest } from "#libs/contracts/live/pre-trade.ts";
import type { InstrumentDocument } from "#libs/domain/rule-set/documents.ts";
import { Gate, type MarginSummary } from "#libs/engine/index.ts";
import { perpetual, rules, TestExchange } from "#test/support/exchange.ts";
import { table } from "#test/support/table.ts";

/** Alice with 1,000 USDT and, unless flat, a position in X at 100, cross or isolated at 5x. */
function exchangeOf(held: string, isolated: boolean, changes: Partial<InstrumentDocument> = {}): TestExchange {
  const exchange = new TestExchange(rules({ instruments: [perpetual({ takerFee: "0.001", ...changes })] }));
  exchange.cash("alice", "1000");
  exchange.cash("maker", "1000000");
  if (isolated) exchange.apply({ k: "mode", account: "alice", instrument: "X", mode: "isolated", leverage: "5" });
  if (held !== "0") trade(exchange, Number(held), "100");
  return exchange;
}

function trade(exchange: TestExchange, signed: number, price: string): void {
  const [buyer, seller] = signed > 0 ? ["alice", "maker"] : ["maker", "alice"];
  const taker = signed > 0 ? "buy" : "sell";
  exchange.apply({ k: "trade", instrument: "X", buyer, seller, qty: String(Math.abs(signed)), price, taker });
}

/** What the engine itself says of the account, in the words of a what-if. */
function asItIs(exchange: TestExchange): MarginSummary {
  const { equity, initialEquity, im, mm, ratio, free, positions } = exchange.engine.account("alice");
  return {
    equity,
    initialEquity,
    im,
    mm,
    ratio,
    free,
    positions: positions.map(({ instrument, mode, qty, mark, partialPrice, liqPrice, bankruptcyPrice }) => ({
      instrument,
      mode,
      qty,
      mark,
      partialPrice,
      liqPrice,
      bankruptcyPrice,
    })),
  };
}

const fills = table(`
  rule   | held | isolated | signed | price | because
  POS-07 | 0    | -        | 10     | 100   | opening
  POS-07 | 10   | -        | 7      | 103   | adding above mark
  POS-06 | 10   | -        | -4     | 98    | reducing at a loss
  POS-07 | 10   | -        | -10    | 101   | closing
  POS-07 | 10   | -        | -25    | 99    | through zero
  POS-07 | -10  | -        | 3      | 97    | a short in part
  POS-10 | 0    | yes      | 10     | 100   | opening moves initial margin from cash
  POS-10 | 10   | yes      | 5      | 102   | and so does adding
  POS-11 | 10   | yes      | -4     | 105   | reducing releases margin and pays the profit
  POS-12 | 10   | yes      | -4     | 70    | a loss eats the margin it releases first
  POS-11 | 10   | yes      | -10    | 95    | closing
  POS-10 | 10   | yes      | -15    | 104   | through zero
`);
for (const { rule, held, isolated, signed, price, because } of fills) {
  test(`${rule} a what-if of ${signed} at ${price} holding ${held}, isolated ${isolated}, is what then happens: ${because}`, () => {
    const exchange = exchangeOf(held ?? "", isolated === "yes");
    const size = Number(signed);
    const order = { id: "a", instrument: "X", qty: String(Math.abs(size)), price: price ?? "" };
    const asked: WhatIfRequest = {
      request: "w",
      account: "alice",
      order: { ...order, side: size > 0 ? "buy" : "sell" },
    };
    const { codes, before, after } = new Gate(exchange.engine).whatIf(asked, 0);
    expect([codes, before]).toEqual([[], asItIs(exchange)]);
    trade(exchange, size, price ?? "");
    expect(after).toEqual(asItIs(exchange));
  });
}

test("HEALTH-08 a what-if of other prices is what a frame with them brings", () => {
  const exchange = exchangeOf("20", false);
  const asked = { request: "w", account: "alice", mark: { X: "92.5" }, index: { USDT: "0.98" } };
  const { after } = new Gate(exchange.engine).whatIf(asked, 0);
  exchange.prices(asked.index, asked.mark);
  expect(after).toEqual(asItIs(exchange));
});

test("FUND-04 a what-if books what has accrued before the fill", () => {
  const exchange = exchangeOf("10", false);
  exchange.apply({ k: "funding", instrument: "X", rate: "0.000123" });
  const order = { id: "a", instrument: "X", side: "buy" as const, qty: "1", price: "100" };
  const { after } = new Gate(exchange.engine).whatIf({ request: "w", account: "alice", order }, 0);
  trade(exchange, 1, "100");
  expect(after).toEqual(asItIs(exchange));
});

test("ORD-01 a what-if counts what is approved, and says why it has no answer", () => {
  const exchange = exchangeOf("0", false);
  const gate = new Gate(exchange.engine);
  const order = { id: "a", instrument: "X", side: "buy" as const, qty: "50", price: "100" };
  gate.check({ request: "q", account: "alice", order }, 0);
  expect(gate.whatIf({ request: "w", account: "alice" }, 0).before).toMatchObject({ im: "500", free: "500" });
  const asked = (more: Partial<WhatIfRequest>) =>
    gate.whatIf({ request: "w", account: "alice", ...more }, 0).codes[0] ?? "none";
  expect(asked({ order: { ...order, instrument: "NONE" } })).toBe("unknown_instrument");
  expect(asked({ mark: { NONE: "1" } })).toBe("unknown_instrument");
  expect(asked({ index: { NONE: "1" } })).toBe("unknown_asset");
  expect(asked({ mark: { X: "0" } })).toBe("out_of_range");
  expect(asked({ order: { ...order, qty: "-1" } })).toBe("out_of_range");
  expect(asked({ order: { ...order, qty: "0.5" } })).toBe("lot_size");
  expect(gate.whatIf({ request: "w", account: "nobody", order }, 0).after?.positions).toHaveLength(1);
});
