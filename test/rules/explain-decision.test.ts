import { expect, test } from "vitest";
import type { CheckRequest } from "#libs/contracts/live/pre-trade.ts";
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
  const { verdicts, receipt } = explainDecision(exchange.engine, overlayOf(refused), asked("second", "8"));
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
  const { receipt } = explainDecision(exchange.engine, overlayOf(refused), asked("second", "50"));
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
    receipt: null,
  });
  const alone = { ...overlay, alone: "overloaded" };
  expect(explainDecision(exchange.engine, alone, asked("first", "1")).receipt).toBeNull();
  const unlisted = asked("first", "1");
  const nowhere = { ...unlisted, order: { ...unlisted.order, instrument: "Q" } };
  expect(explainDecision(exchange.engine, overlay, nowhere)).toMatchObject({
    verdicts: [{ codes: ["unknown_instrument"] }],
    receipt: null,
  });
});
