import fc from "fast-check";
import { expect, test } from "vitest";
import type { OrderTerms } from "#libs/contracts/live/pre-trade.ts";
import { Rational } from "#libs/decimal/index.ts";
import { evaluateCross } from "#libs/domain/health/evaluate.ts";
import { Gate, recheck } from "#libs/engine/index.ts";
import { perpetual, rules, TestExchange } from "#test/support/exchange.ts";
import { type Approved, poolWith, slowCodes, termsOf } from "#test/support/gate-model.ts";
import { propertyOptions } from "#test/support/property.ts";

const ttlMs = 500;
const lifeMs = 3 * ttlMs;
const tiers = [
  { from: "0", im: "0.1", mm: "0.05" },
  { from: "700", im: "0.2", mm: "0.1" },
];
const document = rules({
  instruments: [
    perpetual({ tiers, maxLeverage: "8" }),
    perpetual({ id: "Y", tiers, tierMode: "whole", notional: "entry", maxLeverage: "20" }),
  ],
  limits: { maxLeverage: "12" },
});

const instrument = fc.constantFrom("X", "Y");
const side = fc.constantFrom<"buy" | "sell">("buy", "sell");
const price = fc.integer({ min: 85, max: 115 });
const qty = fc.integer({ min: 1, max: 12 });
const which = fc.nat({ max: 40 });
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("check" as const),
      instrument,
      side,
      qty,
      price: fc.option(price),
      reduceOnly: fc.integer({ min: 0, max: 4 }).map((one) => one === 0),
      again: fc.option(which, { freq: 8 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("amend" as const), which, qty, price: fc.option(price) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("confirm" as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("fill" as const), which, qty, named: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel" as const), which, named: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 700 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("frame" as const), instrument, price }) },
);
type Action = typeof action extends fc.Arbitrary<infer One> ? One : never;

/** The gate beside a slow serial checker that keeps its own list of approvals and asks the plain rules of whole pools. */
class Race {
  readonly exchange = new TestExchange(document);
  readonly gate = new Gate(this.exchange.engine, { ttlMs });
  approved: Approved[] = [];
  now = 0;
  accepted = 0;
  #asked = 0;
  readonly #first = new Map<string, { order: OrderTerms; codes: readonly string[] }>();

  constructor(cash: number) {
    this.exchange.cash("alice", String(cash));
    this.exchange.cash("maker", "100000000");
    // Whoever only takes part as the other side must never be the reason for a liquidation.
    this.exchange.mark("100", "Y");
  }

  step(one: Action): void {
    this.approved = this.approved.filter(({ endsAt }) => this.now < endsAt);
    if (one.do === "wait") this.now += one.ms;
    else if (one.do === "frame") {
      this.exchange.mark(String(one.price), one.instrument);
      this.gate.applied({ k: "frame", mark: { [one.instrument]: String(one.price) }, t: 0 }, this.now);
    } else if (one.do === "check") this.check(one);
    else if (one.do === "amend") this.amend(one);
    else this.venue(one);
    this.approved = this.approved.filter(({ endsAt }) => this.now < endsAt);
    this.gate.age(this.now);
    const held = this.gate.reservations("alice").map(({ request, order, qty: left }) => `${request} ${order} ${left}`);
    expect(held).toEqual(
      this.approved.map(({ request, order, qty: left }) => `${request} ${order} ${left.toStringDown()}`),
    );
    expect(this.gate.size.reservations).toBe(this.approved.length);
  }

  check(one: Extract<Action, { do: "check" }>): void {
    const { engine } = this.exchange;
    const repeated = one.again === null ? undefined : [...this.#first.entries()][one.again % (this.#first.size || 1)];
    if (repeated !== undefined) {
      const [request, { order, codes }] = repeated;
      const answer = this.gate.check({ request, account: "alice", order }, this.now);
      expect([answer.codes, answer.replay]).toEqual([codes, true]);
      return;
    }
    const request = `q${(this.#asked += 1)}`;
    const order: OrderTerms = {
      id: `o${this.#asked}`,
      instrument: one.instrument,
      side: one.side,
      qty: String(one.qty),
      ...(one.price === null ? {} : { price: String(one.price) }),
      reduceOnly: one.reduceOnly,
    };
    const terms = termsOf(engine, "alice", order);
    const expected = slowCodes(engine, poolWith(engine, "alice", this.approved), terms, null);
    const asked = { request, account: "alice", order };
    const { codes, numbers, decision, overlay } = this.gate.check(asked, this.now);
    expect(codes).toEqual(expected);
    if (overlay !== null) expect(recheck(engine, overlay, asked)).toEqual([{ decision, codes, numbers }]);
    this.#first.set(request, { order, codes });
    if (codes.length > 0) return;
    this.accepted += 1;
    this.approved.push({
      request,
      order: order.id,
      amends: false,
      qty: terms.qty,
      terms,
      endsAt: this.now + lifeMs,
    });
  }

  amend(one: Extract<Action, { do: "amend" }>): void {
    const { engine } = this.exchange;
    const pool = poolWith(engine, "alice", this.approved);
    const old = pool.orders[one.which % (pool.orders.length || 1)];
    if (old === undefined) return;
    const request = `q${(this.#asked += 1)}`;
    const terms = {
      ...old,
      qty: Rational.ofInteger(one.qty),
      price: one.price === null ? old.price : Rational.ofInteger(one.price),
    };
    const same = old.price === null ? terms.price === null : terms.price !== null && terms.price.equals(old.price);
    const expected = same && terms.qty.atMost(old.qty) ? [] : slowCodes(engine, pool, terms, old.id);
    const priced = one.price === null ? {} : { price: String(one.price) };
    const asked = { request, account: "alice", order: old.id, qty: String(one.qty), ...priced };
    const { codes, numbers, decision, overlay } = this.gate.amend(asked, this.now);
    expect(codes).toEqual(expected);
    if (overlay !== null) expect(recheck(engine, overlay, asked)).toEqual([{ decision, codes, numbers }]);
    if (codes.length > 0) return;
    this.approved.push({ request, order: old.id, amends: true, qty: terms.qty, terms, endsAt: this.now + lifeMs });
  }

  /** What the venue does with an approval, as its entries tell. */
  venue(one: Extract<Action, { do: "confirm" | "fill" | "cancel" }>): void {
    const chosen = this.approved[one.which % (this.approved.length || 1)];
    if (chosen === undefined) return;
    const { book } = this.exchange.engine.machine;
    const alice = book.findAccount("alice");
    const { request, terms } = chosen;
    const { id, side: own } = terms;
    const number = book.instrumentIndex(terms.instrument.id);
    const before = this.approved.indexOf(chosen);
    if (one.do === "confirm") {
      const resting = book.findOrder(alice, id);
      if (resting !== undefined) book.removeOrder(resting);
      const lots = chosen.qty.floorIn(terms.instrument.lot);
      const seq = book.orders(alice).reduce((last, order) => Math.max(last, order.seq), 0) + 1;
      const { price: limit, reduceOnly } = terms;
      book.addOrder({ account: alice, id, instrument: number, side: own, lots, price: limit, reduceOnly, seq });
      this.approved = this.approved.filter((other, at) => other.order !== id || at > before);
      const approval = { request, epoch: 1, until: 0 };
      const entry = { k: "order", account: "alice", id, instrument: terms.instrument.id, side: own, t: 0 } as const;
      this.gate.applied({ ...entry, qty: chosen.qty.toStringDown(), approval }, this.now);
    } else if (one.do === "fill") this.fill(chosen, Rational.ofInteger(one.qty), one.named);
    else {
      this.approved = this.approved.filter((other) => other.order !== id || (one.named && other.request !== request));
      this.gate.applied({ k: "cancel", account: "alice", id, ...(one.named ? { request } : {}), t: 0 }, this.now);
    }
  }

  fill(chosen: Approved, wanted: Rational, named: boolean): void {
    const { terms, request } = chosen;
    if (!named && chosen.amends) return;
    const filled = Rational.min(wanted, chosen.qty).toStringDown();
    const at = (terms.price ?? this.exchange.engine.machine.market.mark(terms.instrument.id)).toStringDown();
    const [buyer, seller] = terms.side === "buy" ? ["alice", "maker"] : ["maker", "alice"];
    const traded = terms.instrument.id;
    this.exchange.apply({ k: "trade", instrument: traded, buyer, seller, qty: filled, price: at });
    chosen.qty = chosen.qty.minus(Rational.parse(filled));
    if (chosen.qty.isZero()) this.approved = this.approved.filter((other) => other !== chosen);
    const half = { k: "fill", trade: "t", account: "alice", instrument: traded, side: terms.side } as const;
    const about = { qty: filled, price: at, liquidity: "taker", order: terms.id, t: 0 } as const;
    this.gate.applied({ ...half, ...about, ...(named ? { request } : {}) }, this.now);
  }
}

test("ORD-01 ORD-07 ORD-09 ORD-10 in any interleaving the gate accepts what a slow serial checker accepts", () => {
  let accepted = 0;
  let refused = 0;
  const race = (cash: number, actions: readonly Action[]): void => {
    const run = new Race(cash);
    for (const one of actions) {
      const { sagas, book } = run.exchange.engine.machine;
      // A pool in liquidation accepts nothing, and both checkers would only say so.
      if (sagas.size > 0 || book.findAccount("alice") < 0) break;
      run.step(one);
    }
    accepted += run.accepted;
    refused += actions.filter((one) => one.do === "check").length - run.accepted;
  };
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 900 }),
      fc.array(action, { minLength: 12, maxLength: 40, size: "max" }),
      race,
    ),
    propertyOptions({ numRuns: 300 }),
  );
  // Both answers must have come up often, or the agreement would say little.
  expect(Math.min(accepted, refused)).toBeGreaterThan(200);
});

const flatOrder = fc.record({ instrument, side, qty, price });

/** Whether E_I ≥ IM once exactly these orders have filled at their limits, the others still resting. */
function standsAfter(cash: number, orders: readonly OrderTerms[], filled: number): boolean {
  const exchange = new TestExchange(document);
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
    const exchange = new TestExchange(document);
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
    fc.property(actions, fc.option(price), (wanted, mark) => {
      const exchange = new TestExchange(document);
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
