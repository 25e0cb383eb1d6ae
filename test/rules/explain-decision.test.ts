import { expect, test } from "vitest";
import type { AmendRequest, BatchRequest, CheckRequest } from "#libs/contracts/live/pre-trade.ts";
import { explainDecision, Gate, type OverlaySnapshot, recheck } from "#libs/engine/index.ts";
import { TestExchange } from "#test/support/exchange.ts";
import { limitedExchange } from "#test/support/limited-exchange.ts";

const asked = (request: string, qty: string): CheckRequest => ({
  request,
  account: "alice",
  order: { id: request, instrument: "X", side: "buy", qty, price: "100" },
});

/** What a decision that was not a repetition had read. */
function overlayOf({ overlay }: { readonly overlay: OverlaySnapshot | null }): OverlaySnapshot {
  if (overlay === null) throw new Error("a repetition");
  return overlay;
}

/** What the gate would say of this quantity on that overlay. */
const codesAt = (exchange: TestExchange, overlay: OverlaySnapshot, qty: string): readonly string[] | undefined =>
  recheck(exchange.engine, overlay, asked("again", qty))[0]?.codes;

test("LIM-25 the receipt of a refusal counts what was approved: its largest size passes, one lot more does not", () => {
  const exchange = limitedExchange({ limits: { maxPosition: "10" } });
  const gate = new Gate(exchange.engine);
  expect(gate.check(asked("first", "4"), 1).decision).toBe("accept");
  const refused = gate.check(asked("second", "8"), 2);
  expect(refused.codes).toEqual(["position_limit"]);
  // What happened since must not matter: the overlay is the recorded one.
  gate.check(asked("third", "2"), 3);
  const {
    verdicts,
    receipts: [receipt],
  } = explainDecision(exchange.engine, overlayOf(refused), asked("second", "8"));
  expect(verdicts).toMatchObject([{ decision: "reject", codes: ["position_limit"] }]);
  expect(receipt).toMatchObject({
    kind: "rejection",
    subject: { account: "alice", instrument: "X", reference: "second" },
    avoidedBy: { size: { instrument: "X", qty: "6" } },
  });
  expect(codesAt(exchange, overlayOf(refused), "6")).toEqual([]);
  expect(codesAt(exchange, overlayOf(refused), "7")).toEqual(["position_limit"]);
});

test("LIQ-22 a deposit that would have been enough counts what was approved, and a quantum less would not", () => {
  const exchange = new TestExchange();
  exchange.cash("alice", "1000");
  const gate = new Gate(exchange.engine);
  expect(gate.check(asked("first", "60"), 1).decision).toBe("accept");
  const refused = gate.check(asked("second", "50"), 2);
  expect(refused.codes).toEqual(["initial_margin"]);
  const {
    receipts: [receipt],
  } = explainDecision(exchange.engine, overlayOf(refused), asked("second", "50"));
  expect(receipt?.avoidedBy).toEqual({
    deposit: { asset: "USDT", amount: "100" },
    size: { instrument: "X", qty: "40" },
  });
  exchange.cash("alice", "99.99");
  expect(codesAt(exchange, overlayOf(refused), "50")).toEqual(["initial_margin"]);
  exchange.cash("alice", "0.01");
  expect(codesAt(exchange, overlayOf(refused), "50")).toEqual([]);
});

test("LIQ-22 an approval and what the overlay refused by itself have no receipt, and neither has an unknown instrument", () => {
  const exchange = new TestExchange();
  exchange.cash("alice", "1000");
  const gate = new Gate(exchange.engine);
  const overlay = overlayOf(gate.check(asked("first", "1"), 1));
  expect(explainDecision(exchange.engine, overlay, asked("first", "1"))).toMatchObject({
    verdicts: [{ decision: "accept" }],
    receipts: [null],
  });
  const alone = { ...overlay, alone: "overloaded" };
  expect(explainDecision(exchange.engine, alone, asked("first", "1")).receipts).toEqual([null]);
  const unlisted = asked("first", "1");
  const nowhere = { ...unlisted, order: { ...unlisted.order, instrument: "Q" } };
  expect(explainDecision(exchange.engine, overlay, nowhere)).toMatchObject({
    verdicts: [{ codes: ["unknown_instrument"] }],
    receipts: [null],
  });
});

/** What has to be changed in each order's size for it to have passed. */
const sizes = (explained: ReturnType<typeof explainDecision>): (string | null | undefined)[] =>
  explained.receipts.map((one) => (one === null ? null : one.avoidedBy?.size?.qty));

const batch = (mode: BatchRequest["mode"], ...qtys: string[]): BatchRequest => ({
  request: "many",
  mode,
  orders: qtys.map((qty, at) => ({ account: "alice", order: { ...asked(`o${at}`, qty).order } })),
});

test("LIM-25 each refused order of a batch has its receipt, with the orders before it approved; what another one refuses has none", () => {
  const exchange = limitedExchange({
    limits: { maxPosition: "10", velocity: [{ windowMs: 20_000, orders: 3 }] },
  });
  for (const [mode, passed] of [
    ["each", "accept"],
    ["all", "reject"],
  ] as const) {
    const gate = new Gate(exchange.engine);
    gate.check(asked("first", "2"), 1);
    const many = batch(mode, "5", "7", "2", "1");
    const answer = gate.batch(many, 2);
    const explained = explainDecision(exchange.engine, overlayOf(answer), many);
    expect(explained.verdicts).toEqual(answer.results);
    expect(answer.results.map((one) => one.decision)).toEqual([passed, "reject", passed, "reject"]);
    // 2 and 5 are taken of 10; once another 2 are, three orders have been approved in the window.
    expect(sizes(explained)).toEqual([null, "3", null, undefined]);
    expect(answer.results[3]?.codes).toEqual(["velocity_orders"]);
  }
});

test("LIM-25 a refused amendment has its receipt: the largest quantity passes in the old one's place, one lot more does not", () => {
  const exchange = limitedExchange({ limits: { maxPosition: "10" } });
  const order = { id: "o", instrument: "X", side: "buy", qty: "4", price: "100" } as const;
  exchange.apply({ k: "order", account: "alice", ...order });
  const gate = new Gate(exchange.engine);
  gate.check(asked("other", "3"), 1);
  const amend: AmendRequest = { request: "more", account: "alice", order: "o", qty: "9", price: "99" };
  const refused = gate.amend(amend, 2);
  expect(refused.codes).toEqual(["position_limit"]);
  const overlay = overlayOf(refused);
  expect(sizes(explainDecision(exchange.engine, overlay, amend))).toEqual(["7"]);
  const codes = (qty: string) => recheck(exchange.engine, overlay, { ...amend, qty })[0]?.codes;
  expect([codes("7"), codes("8")]).toEqual([[], ["position_limit"]]);
  // At its own price it keeps what it has, though the limit is lower by now.
  const { document } = exchange.engine.machine;
  exchange.apply({ k: "rules", document: { ...document, limits: { maxPosition: "2" } } });
  const { price: _, ...same } = amend;
  const again = gate.amend({ ...same, request: "same" }, 3);
  expect(sizes(explainDecision(exchange.engine, overlayOf(again), same))).toEqual(["4"]);
});

test("LIM-25 an amendment of an order that is not there has no receipt", () => {
  const exchange = limitedExchange({});
  const amend: AmendRequest = { request: "more", account: "alice", order: "o", qty: "9" };
  const answer = new Gate(exchange.engine).amend(amend, 1);
  expect(explainDecision(exchange.engine, overlayOf(answer), amend)).toMatchObject({
    verdicts: [{ codes: ["order_unknown"] }],
    receipts: [null],
  });
});
