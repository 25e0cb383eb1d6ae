import { expect, test } from "vitest";
import type { OrderTerms } from "#libs/contracts/live/pre-trade.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { Engine, Gate, type GateOptions, recheck, refusalCodes } from "#libs/engine/index.ts";
import { perpetual, rules, TestExchange } from "#test/support/exchange.ts";
import { readText } from "#test/support/source.ts";
import { table } from "#test/support/table.ts";

// X stands at 100 with 10 % initial margin: 1,000 USDT carry 100 contracts.
const limit = (id: string, side: "buy" | "sell", qty: string, price = "100", reduceOnly = false): OrderTerms => ({
  id,
  instrument: "X",
  side,
  qty,
  price,
  ...(reduceOnly ? { reduceOnly } : {}),
});

class Bench {
  readonly exchange: TestExchange;
  readonly gate: Gate;
  now = 0;
  #requests = 0;

  constructor(document = rules(), options: Partial<GateOptions> = {}) {
    this.exchange = new TestExchange(document);
    this.gate = new Gate(this.exchange.engine, options);
    this.exchange.cash("alice", "1000");
    this.exchange.cash("maker", "1000000");
  }

  check(order: OrderTerms, account = "alice", request = `q${(this.#requests += 1)}`) {
    return this.gate.check({ request, account, order }, this.now);
  }

  /** The codes against an order; empty: accepted. */
  codes(order: OrderTerms, account = "alice"): readonly string[] {
    return this.check(order, account).codes;
  }

  amend(order: string, qty?: string, price?: string) {
    const request = `q${(this.#requests += 1)}`;
    const asked = { request, account: "alice", order };
    return this.gate.amend(
      { ...asked, ...(qty === undefined ? {} : { qty }), ...(price === undefined ? {} : { price }) },
      this.now,
    );
  }

  /** An entry of the log: applied by the engine, then told to the gate. */
  log(body: EntryBody): void {
    this.exchange.apply(body);
    this.gate.applied({ ...body, t: 0 }, this.now);
  }

  /** A half fill told to the gate, booked as a trade against the maker. */
  fill(order: OrderTerms, qty: string, request?: string): void {
    const [buyer, seller] = order.side === "buy" ? ["alice", "maker"] : ["maker", "alice"];
    const price = order.price ?? "100";
    const { instrument, side, id } = order;
    const own = order.side === "buy" ? { buyOrder: id } : { sellOrder: id };
    this.exchange.apply({ k: "trade", instrument, buyer, seller, qty, price, ...own });
    const half = { k: "fill", trade: "t", account: "alice", instrument, side, qty, price, liquidity: "taker" } as const;
    this.gate.applied({ ...half, order: id, ...(request === undefined ? {} : { request }), t: 0 }, this.now);
  }

  rest(order: OrderTerms, request?: string): void {
    const approval = request === undefined ? {} : { approval: { request, epoch: 1, until: 0 } };
    this.log({ k: "order", account: "alice", ...order, ...approval });
  }

  get held(): string[] {
    return this.gate.reservations("alice").map(({ order, qty, price }) => `${order} ${qty}@${price ?? "mark"}`);
  }
}

test("ORD-09 an approved order is reserved as if it rested: the next one meets what is left", () => {
  const bench = new Bench();
  expect(bench.codes(limit("a", "buy", "60"))).toEqual([]);
  expect(bench.codes(limit("b", "buy", "41"))).toEqual(["initial_margin"]);
  expect(bench.codes(limit("c", "buy", "40"))).toEqual([]);
  expect(bench.held).toEqual(["a 60@100", "c 40@100"]);
  const refused = bench.check(limit("d", "buy", "1"));
  expect(refused.numbers["initial_margin"]).toEqual({ value: "1010", bound: "1000", headroom: "-10" });
  expect(refused.expiresAt).toBe(0);
});

test("ORD-01 sides are reserved at the larger, a market order at mark", () => {
  const bench = new Bench();
  expect(bench.codes(limit("a", "buy", "100"))).toEqual([]);
  expect(bench.codes(limit("b", "sell", "100"))).toEqual([]);
  const market: OrderTerms = { id: "m", instrument: "X", side: "sell", qty: "1" };
  expect(bench.codes(market)).toEqual(["initial_margin"]);
  expect(new Bench().codes({ ...market, qty: "100" })).toEqual([]);
});

test("a reservation goes when the book holds the order, and the margin stays taken", () => {
  const bench = new Bench();
  const order = limit("a", "buy", "60");
  const { request } = bench.check(order);
  bench.rest(order, request);
  expect(bench.held).toEqual([]);
  expect(bench.codes(limit("b", "buy", "41"))).toEqual(["initial_margin"]);
  expect(bench.codes(limit("a", "buy", "1"))).toEqual(["duplicate_order_id"]);
  bench.log({ k: "cancel", account: "alice", id: "a" });
  expect(bench.codes(limit("b", "buy", "100"))).toEqual([]);
});

test("an order entry ends its own approval; one without an approval every one of its id", () => {
  const bench = new Bench();
  const { request } = bench.check(limit("a", "buy", "10"));
  bench.check(limit("b", "buy", "10"));
  bench.rest(limit("z", "buy", "1"), request);
  expect(bench.held).toEqual(["a 10@100", "b 10@100"]);
  bench.rest(limit("b", "buy", "10"));
  expect(bench.held).toEqual(["a 10@100"]);
});

test("fills reduce what is held, by request or by order id, and a cancel releases the rest", () => {
  const bench = new Bench();
  const taker = limit("a", "buy", "10");
  const { request } = bench.check(taker);
  bench.fill(taker, "4", request);
  expect(bench.held).toEqual(["a 6@100"]);
  bench.fill(taker, "1");
  expect(bench.held).toEqual(["a 5@100"]);
  bench.fill(taker, "1", "another");
  expect(bench.held).toEqual(["a 5@100"]);
  bench.gate.applied({ k: "cancel", account: "alice", id: "a", request: "another", t: 0 }, 0);
  expect(bench.held).toEqual(["a 5@100"]);
  bench.gate.applied({ k: "cancel", account: "alice", id: "a", request, t: 0 }, 0);
  expect(bench.gate.size.reservations).toBe(0);
});

test("a reservation outlives its approval by twice its life, then it is gone", () => {
  const bench = new Bench();
  const { expiresAt } = bench.check(limit("a", "buy", "100"));
  expect(expiresAt).toBe(500);
  bench.now = 1499;
  expect(bench.codes(limit("b", "buy", "1"))).toEqual(["initial_margin"]);
  bench.now = 1500;
  expect(bench.codes(limit("c", "buy", "100"))).toEqual([]);
  bench.gate.age(3000);
  expect(bench.gate.size.reservations).toBe(0);
});

test("the same request gives the same answer, confirmed or not; with another content it is refused", () => {
  const bench = new Bench();
  const order = limit("a", "buy", "60");
  const first = bench.check(order, "alice", "once");
  bench.now = 100;
  expect(bench.check(order, "alice", "once")).toEqual({ ...first, overlay: null, replay: true });
  bench.rest(order, "once");
  bench.now = 50_000;
  expect(bench.check(order, "alice", "once")).toEqual({ ...first, overlay: null, replay: true });
  expect(bench.check(limit("a", "buy", "61"), "alice", "once").codes).toEqual(["request_reused"]);
  expect(bench.check(order, "bob", "once").codes).toEqual(["request_reused"]);
  expect(bench.held).toEqual([]);
  bench.gate.age(60_000);
  expect(bench.gate.size.requests).toBe(0);
});

test("at a bound of the overlay new questions are refused and may be asked again", () => {
  const bench = new Bench(rules(), { reservationsPerAccountMax: 1 });
  bench.check(limit("a", "buy", "1"));
  expect(bench.check(limit("b", "buy", "1"), "alice", "again").codes).toEqual(["overloaded"]);
  expect(bench.codes(limit("m", "buy", "1"), "maker")).toEqual([]);
  bench.gate.applied({ k: "cancel", account: "alice", id: "a", t: 0 }, 0);
  expect(bench.check(limit("b", "buy", "1"), "alice", "again").codes).toEqual([]);
  const few = new Bench(rules(), { requestsMax: 1 });
  expect(few.codes(limit("a", "buy", "1"))).toEqual([]);
  expect(few.codes(limit("b", "buy", "1"))).toEqual(["overloaded"]);
  expect(() => new Gate(bench.exchange.engine, { rememberMs: 1000 })).toThrow(RangeError);
});

test("ORD-05 reduce-only orders count together with those approved", () => {
  const bench = new Bench();
  bench.exchange.trade("alice", "maker", "10");
  expect(bench.codes(limit("a", "sell", "6", "100", true))).toEqual([]);
  expect(bench.codes(limit("b", "sell", "5", "100", true))).toEqual(["reduce_only_violation"]);
  expect(bench.codes(limit("c", "buy", "1", "100", true))).toEqual(["reduce_only_violation"]);
  expect(bench.codes(limit("d", "sell", "4", "100", true))).toEqual([]);
});

test("an amendment is judged in the place of the old order and holds the larger of both", () => {
  const bench = new Bench();
  bench.rest(limit("a", "buy", "60"));
  expect(bench.amend("a", "101").codes).toEqual(["initial_margin"]);
  const up = bench.amend("a", "100");
  expect(up.codes).toEqual([]);
  expect(bench.codes(limit("b", "buy", "1"))).toEqual(["initial_margin"]);
  expect(bench.amend("a", "10").codes).toEqual([]);
  expect(bench.codes(limit("b", "buy", "1"))).toEqual(["initial_margin"]);
  // The venue says what became of it: the order at the first amendment's terms, then at the second's.
  const { machine } = bench.exchange.engine;
  const alice = machine.book.findAccount("alice");
  const order = machine.book.findOrder(alice, "a");
  if (order === undefined) throw new Error("the order rests");
  machine.book.setOrderQty(order, 100n);
  bench.gate.applied(
    {
      k: "order",
      account: "alice",
      ...limit("a", "buy", "100"),
      approval: { request: up.request, epoch: 1, until: 0 },
      t: 0,
    },
    0,
  );
  expect(bench.held).toEqual(["a 10@100"]);
  expect(bench.codes(limit("b", "buy", "1"))).toEqual(["initial_margin"]);
  machine.book.setOrderQty(order, 10n);
  bench.gate.applied({ k: "order", account: "alice", ...limit("a", "buy", "10"), t: 0 }, 0);
  expect(bench.held).toEqual([]);
  expect(bench.codes(limit("b", "buy", "90"))).toEqual([]);
  expect(bench.amend("nothing", "1").codes).toEqual(["order_unknown"]);
});

test("ORD-02 a price further on the wrong side of the mark reserves more while the amendment is open", () => {
  const bench = new Bench();
  bench.rest(limit("a", "buy", "50"));
  // 50 · 10 % and 50 · 10 of difference: all of the 1,000.
  expect(bench.amend("a", undefined, "110").codes).toEqual([]);
  expect(bench.codes(limit("b", "buy", "1"))).toEqual(["initial_margin"]);
  expect(bench.amend("a", undefined, "90").codes).toEqual([]);
  expect(bench.codes(limit("b", "buy", "1"))).toEqual(["initial_margin"]);
});

test("a smaller quantity at the same price passes whatever state the account and the gate are in", () => {
  const bench = new Bench();
  bench.rest(limit("a", "buy", "60"));
  bench.exchange.apply({ k: "halt", scope: "global", state: "no_new_orders", reason: "test" });
  bench.gate.setMode("closed", "test");
  expect(bench.amend("a", "59").codes).toEqual([]);
  expect(bench.amend("a", "61").codes).toEqual(["gate_closed", "halted"]);
  expect(bench.gate.cancel({ request: "c", account: "alice", order: "a" }, 0).decision).toBe("accept");
});

test("a batch is judged in turn; all or none reserves nothing unless every order passes", () => {
  const bench = new Bench();
  const orders = (...qty: string[]) => qty.map((one, at) => ({ account: "alice", order: limit(`o${at}`, "buy", one) }));
  const mixed = orders("60", "50", "40");
  const all = bench.gate.batch({ request: "all", mode: "all", orders: mixed }, 0);
  expect(all.decision).toBe("reject");
  expect(all.results.map((one) => one.codes)).toEqual([["batch_refused"], ["initial_margin"], ["batch_refused"]]);
  expect(bench.held).toEqual([]);
  const each = bench.gate.batch({ request: "each", mode: "each", orders: mixed }, 0);
  expect(each.results.map((one) => one.codes)).toEqual([[], ["initial_margin"], []]);
  expect(bench.held).toEqual(["o0 60@100", "o2 40@100"]);
  expect(bench.gate.batch({ request: "each", mode: "each", orders: mixed }, 0)).toEqual({
    ...each,
    overlay: null,
    replay: true,
  });
  expect(bench.gate.batch({ request: "each", mode: "all", orders: mixed }, 0).results[0]?.codes).toEqual([
    "request_reused",
  ]);
  const many = Array.from({ length: 1001 }, (_, at) => ({ account: "b", order: limit(`m${at}`, "buy", "1") }));
  expect(bench.gate.batch({ request: "many", mode: "each", orders: many }, 0).results[0]?.codes).toEqual([
    "overloaded",
  ]);
});

// Under a global state, a mode of the gate, or a quality of X's price; alice holds `held`.
const closed = table(`
  rule    | held | state         | mode        | quality  | order              | codes
  BRK-01  | 0    | reduce_only   | open        | good     | buy 1              | halted
  BRK-01  | 10   | reduce_only   | open        | good     | sell 10            | -
  BRK-08  | 10   | no_new_orders | open        | good     | sell 1             | halted
  BRK-08  | 10   | no_new_orders | open        | good     | sell 1 reduce      | -
  BRK-05  | 10   | paused        | open        | good     | sell 1 reduce      | halted
  ORD-10  | 10   | normal        | reduce_only | good     | sell 10            | -
  ORD-10  | 10   | normal        | reduce_only | good     | sell 11            | reduce_only_mode
  ORD-10  | 0    | reduce_only   | closed      | good     | buy 1              | gate_closed,halted
  MARK-13 | 0    | normal        | open        | stale    | buy 1              | price_quality
  MARK-13 | 10   | normal        | open        | stale    | sell 1             | -
  MARK-13 | 10   | normal        | open        | invalid  | sell 1             | price_quality
`);
for (const { rule, held, state, mode, quality, order, codes } of closed) {
  test(`${rule} holding ${held}, ${state}, gate ${mode}, price ${quality}: ${order} gives ${codes}`, () => {
    const bench = new Bench();
    if (held !== "0") bench.exchange.trade("alice", "maker", held ?? "");
    if (state !== "normal")
      bench.exchange.apply({ k: "halt", scope: "global", state: state as "reduce_only", reason: "test" });
    if (quality !== "good") bench.exchange.apply({ k: "frame", quality: { X: quality as "stale" } });
    bench.gate.setMode(mode as "open", "commit lag");
    const [side, qty, reduce] = (order ?? "").split(" ");
    const asked = limit("a", side as "buy", qty ?? "", "100", reduce === "reduce");
    expect(bench.codes(asked).join(",") || "-").toBe(codes);
  });
}

test("ORD-11 after a failed self-audit only cancels and smaller quantities pass", () => {
  const bench = new Bench();
  bench.exchange.trade("alice", "maker", "10");
  bench.rest(limit("a", "buy", "2"));
  bench.exchange.engine.machine.auditFailure = "spoilt for the test";
  bench.gate.applied({ k: "time", t: 0 }, 0);
  expect(bench.codes(limit("b", "sell", "1", "100", true))).toEqual(["halted"]);
  expect(bench.amend("a", "1").codes).toEqual([]);
  expect(bench.gate.cancel({ request: "c", account: "alice", order: "a" }, 0).codes).toEqual([]);
});

test("ORD-11 every reason is given, in order of precedence, with numbers", () => {
  const bench = new Bench(
    rules({
      instruments: [
        perpetual({
          tick: "0.5",
          lot: "1",
          minNotional: "1000",
          priceBand: "0.1",
          limits: { maxPosition: "5", maxOrderQty: "4" },
        }),
      ],
    }),
  );
  bench.gate.setMode("reduce_only", "commit lag");
  const answer = bench.check(limit("a", "buy", "6.5", "120.3"));
  expect(answer.codes).toEqual([
    "reduce_only_mode",
    "tick_size",
    "lot_size",
    "order_size",
    "min_notional",
    "price_band",
    "position_limit",
  ]);
  expect(answer.numbers["position_limit"]).toEqual({
    value: "6.5",
    bound: "5",
    headroom: "-1.5",
    level: "instrument X",
  });
  const order = Object.keys(refusalCodes);
  expect(answer.codes).toEqual(answer.codes.toSorted((left, right) => order.indexOf(left) - order.indexOf(right)));
});

test("NUM-07 what is not listed, out of range or without a price is a reason, not an error", () => {
  const bench = new Bench(rules({ instruments: [perpetual(), perpetual({ id: "Y" })] }));
  expect(bench.codes({ ...limit("a", "buy", "1"), instrument: "NONE" })).toEqual(["unknown_instrument"]);
  for (const qty of ["0", "-1"]) expect(bench.codes(limit("a", "buy", qty))).toEqual(["out_of_range"]);
  expect(bench.codes(limit("a", "buy", "1", "0"))).toEqual(["out_of_range"]);
  const huge = "99999999999999999999";
  expect(bench.codes(limit("a", "buy", huge, huge))).toEqual(["out_of_range"]);
  const bare = new Bench();
  const empty = new Gate(Engine.create(rules()));
  expect(empty.check({ request: "r", account: "x", order: limit("a", "buy", "1") }, 0).codes).toEqual([
    "price_missing",
  ]);
  expect(bare.codes(limit("a", "buy", "1"), "nobody")).toEqual(["leverage", "initial_margin"]);
  expect(bare.exchange.engine.machine.book.findAccount("nobody")).toBe(-1);
});

test("an amendment of an approved order counts as the larger of both at the dearer price, for what is asked next too", () => {
  const bench = new Bench();
  expect(bench.codes(limit("a", "sell", "40"))).toEqual([]);
  expect(bench.amend("a", "1", "90").codes).toEqual([]);
  // 40 at 90 need 400 of margin and lose 400; 30 more need 300.
  expect(bench.codes(limit("b", "sell", "30"))).toEqual(["initial_margin"]);
  expect(bench.codes(limit("c", "sell", "20"))).toEqual([]);
});

test("the decision can be made again from what it had read", () => {
  const bench = new Bench();
  bench.check(limit("a", "buy", "60"));
  bench.gate.setMode("reduce_only", "commit lag");
  const request = { request: "r", account: "alice", order: limit("b", "buy", "41") };
  const { overlay, decision, codes, numbers } = bench.gate.check(request, 0);
  if (overlay === null) throw new Error("a first answer says what it has read");
  expect(codes).toEqual(["reduce_only_mode", "initial_margin"]);
  const recorded = JSON.parse(JSON.stringify(overlay)) as typeof overlay;
  expect(recheck(bench.exchange.engine, recorded, request)).toEqual([{ decision, codes, numbers }]);
});

test("docs/gate.md names every code of refusal in order, and no other", () => {
  const rows = [...readText("docs/gate.md").matchAll(/^\| (\d+) \| `(\w+)` \| (.*) \|$/gm)];
  expect(rows.map((row) => [row[2], row[3]])).toEqual(Object.entries(refusalCodes));
  expect(rows.map((row) => Number(row[1]))).toEqual(rows.map((_, at) => at + 1));
});
