import fc from "fast-check";
import { expect, test } from "vitest";
import type { OrderTerms } from "#libs/contracts/live/pre-trade.ts";
import { evaluateCross } from "#libs/domain/health/evaluate.ts";
import { Gate } from "#libs/engine/index.ts";
import { TestExchange } from "#test/support/exchange.ts";
import { termsOf } from "#test/support/gate-model.ts";
import { GateRace, raceActions, raceCash, raceRules } from "#test/support/gate-race.ts";
import { propertyOptions } from "#test/support/property.ts";

test("ORD-01 ORD-07 ORD-09 ORD-10 BRK-08 in any interleaving the gate accepts what a slow serial checker accepts, and holds no more", () => {
  const counts = { accepted: 0, refused: 0, halted: 0 };
  fc.assert(
    fc.property(raceCash, raceActions, (cash, actions) => {
      const race = new GateRace(cash);
      for (const one of actions) if (race.calm) race.step(one);
      race.end();
      for (const what of ["accepted", "refused", "halted"] as const) counts[what] += race.counts[what];
    }),
    propertyOptions({ numRuns: 300 }),
  );
  // All answers must have come up often, or the agreement would say little.
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(200);
});

const flatOrder = fc.record({
  instrument: fc.constantFrom("X", "Y"),
  side: fc.constantFrom<"buy" | "sell">("buy", "sell"),
  qty: fc.integer({ min: 1, max: 12 }),
  price: fc.integer({ min: 85, max: 115 }),
});

/** Whether E_I ≥ IM once exactly these orders have filled at their limits, the others still resting. */
function standsAfter(cash: number, orders: readonly OrderTerms[], filled: number): boolean {
  const exchange = new TestExchange(raceRules);
  exchange.cash("alice", String(cash));
  exchange.cash("maker", "100000000");
  orders.forEach((order, at) => {
    const [buyer, seller] = order.side === "buy" ? ["alice", "maker"] : ["maker", "alice"];
    const { instrument: traded, qty: all, price: limit } = order;
    if ((filled >> at) & 1)
      exchange.apply({ k: "trade", instrument: traded, buyer, seller, qty: all, price: limit ?? "", fees: false });
  });
  const rest = orders.filter((_, at) => ((filled >> at) & 1) === 0);
  const { machine } = exchange.engine;
  const view = machine.book.crossView(machine.book.findAccount("alice"));
  const pool = { ...view, orders: rest.map((order) => termsOf(exchange.engine, "alice", order)) };
  const health = evaluateCross(pool, machine.market, machine.rules);
  return health.im.atMost(health.initialEquity);
}

test("ORD-09 whichever of the accepted orders fill, initial equity still carries the margin of position and rest", () => {
  let subsets = 0;
  const stands = (
    cash: number,
    wanted: readonly { side: "buy" | "sell"; instrument: string; qty: number; price: number }[],
  ): void => {
    const exchange = new TestExchange(raceRules);
    exchange.cash("alice", String(cash));
    const gate = new Gate(exchange.engine);
    const accepted: OrderTerms[] = [];
    wanted.forEach((one, at) => {
      const order = { ...one, id: `o${at}`, qty: String(one.qty), price: String(one.price) };
      const { decision } = gate.check({ request: `q${at}`, account: "alice", order }, 0);
      if (decision === "accept") accepted.push(order);
    });
    for (let filled = 0; filled < 1 << accepted.length; filled += 1) {
      subsets += 1;
      expect(standsAfter(cash, accepted, filled), `subset ${filled} of ${JSON.stringify(accepted)}`).toBe(true);
    }
  };
  fc.assert(
    fc.property(
      fc.integer({ min: 20, max: 500 }),
      fc.array(flatOrder, { minLength: 2, maxLength: 6, size: "max" }),
      stands,
    ),
    propertyOptions({ numRuns: 40 }),
  );
  expect(subsets).toBeGreaterThan(100);
});

test("INV-08 a what-if, a check or a batch leaves the state of the shard as it was", () => {
  const actions = fc.array(flatOrder, { maxLength: 8 });
  fc.assert(
    fc.property(actions, fc.option(fc.integer({ min: 85, max: 115 })), (wanted, mark) => {
      const exchange = new TestExchange(raceRules);
      exchange.cash("alice", "300");
      exchange.cash("maker", "1000000");
      exchange.trade("alice", "maker", "5");
      const { engine } = exchange;
      const gate = new Gate(engine);
      const before = engine.stateHash();
      const orders = wanted.map((one, at) => ({
        account: at % 3 === 2 ? "stranger" : "alice",
        order: { ...one, id: `o${at}`, qty: String(one.qty), price: String(one.price) },
      }));
      orders.forEach((one, at) => {
        const held = gate.reservations(one.account);
        const marks = mark === null ? {} : { mark: { X: String(mark) }, index: { USDT: "0.99" } };
        expect(gate.whatIf({ request: "w", ...one, ...marks }, 0).codes).toEqual([]);
        expect(gate.reservations(one.account)).toEqual(held);
        gate.check({ request: `q${at}`, ...one }, 0);
      });
      if (orders.length > 0) gate.batch({ request: "b", mode: "all", orders }, 0);
      expect(engine.stateHash()).toBe(before);
      expect(engine.machine.book.findAccount("stranger")).toBe(-1);
    }),
    propertyOptions({ numRuns: 30 }),
  );
});
