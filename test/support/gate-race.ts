import fc from "fast-check";
import { expect } from "vitest";
import type { OrderTerms } from "#libs/contracts/live/pre-trade.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { Rational } from "#libs/decimal/index.ts";
import { cancelsRestingOrders, strictest } from "#libs/domain/breakers/states.ts";
import type { CrossPool, RestingOrder } from "#libs/domain/positions/views.ts";
import type { HaltState } from "#libs/domain/rule-set/types.ts";
import { Gate, type GateVerdict, recheck } from "#libs/engine/index.ts";
import { perpetual, rules } from "./exchange.ts";
import { type Approved, haltedCodes, poolWith, slowCodes, termsOf } from "./gate-model.ts";
import { LiveLog } from "./live-run.ts";

const ttlMs = 500;
/** A reservation lives three times as long as its approval. */
const lifeMs = 3 * ttlMs;
const tiers = [
  { from: "0", im: "0.1", mm: "0.05" },
  { from: "700", im: "0.2", mm: "0.1" },
];
export const raceRules = rules({
  instruments: [
    perpetual({ tiers, maxLeverage: "8" }),
    perpetual({ id: "Y", tiers, tierMode: "whole", notional: "entry", maxLeverage: "20" }),
  ],
  limits: { maxLeverage: "12" },
});

const account = fc.constantFrom("alice", "alice", "bob");
const instrument = fc.constantFrom("X", "Y");
const price = fc.integer({ min: 85, max: 115 });
const qty = fc.integer({ min: 1, max: 12 });
const which = fc.nat({ max: 40 });
const wish = fc.record({
  account,
  instrument,
  side: fc.constantFrom<"buy" | "sell">("buy", "sell"),
  qty,
  price: fc.option(price),
  reduceOnly: fc.integer({ min: 0, max: 4 }).map((one) => one === 0),
});
const state = fc.constantFrom<HaltState>(
  ...(["normal", "normal", "normal", "reduce_only", "no_new_orders", "cancel_all", "paused"] as const),
);
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("check" as const), wish, again: fc.option(which, { freq: 8 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("batch" as const),
      wishes: fc.array(wish, { minLength: 1, maxLength: 5 }),
      mode: fc.constantFrom<"each" | "all">("each", "all"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("amend" as const), which, qty, price: fc.option(price) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("confirm" as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("fill" as const), which, qty, named: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("match" as const), account, which, qty }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel" as const), which, named: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("withdrawn" as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 700 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("frame" as const), instrument, price }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("halt" as const), state, global: fc.boolean(), account }) },
);
type Wish = typeof wish extends fc.Arbitrary<infer One> ? One : never;
export type RaceAction = typeof action extends fc.Arbitrary<infer One> ? One : never;
type Does<Kind extends RaceAction["do"]> = Extract<RaceAction, { do: Kind }>;

/** Interleavings of questions with what the matching engine, the market and operators do. */
export const raceActions = fc.array(action, { minLength: 12, maxLength: 50, size: "max" });
export const raceCash = fc.integer({ min: 100, max: 900 });

interface Asked {
  readonly account: string;
  readonly order: OrderTerms;
}

/**
 * The gate of a shard behind a matching engine, beside a slow serial checker that keeps its own list of approvals and asks the
 * plain rules of whole pools. Every step is a question or an entry; after each both hold the same.
 */
export class GateRace {
  readonly live = new LiveLog(raceRules);
  readonly gate = new Gate(this.live.engine, { ttlMs });
  approved: Approved[] = [];
  now = 0;
  readonly counts = { accepted: 0, refused: 0, halted: 0 };
  readonly #halts = new Map<string, HaltState>();
  /** Scopes that the matching engine has not said to be empty yet; the exchange's is "". */
  readonly #emptying = new Set<string>();
  #named = 0;
  readonly #first = new Map<string, Asked & { readonly codes: readonly string[] }>();

  constructor(cash: number) {
    this.live.apply({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100", Y: "100" } });
    for (const [of, amount] of [
      ["alice", String(cash)],
      ["bob", "500"],
      // Whoever only takes part as the other side must never be the reason for a liquidation.
      ["maker", "100000000"],
    ] as const)
      this.live.apply({ k: "cash", account: of, asset: "USDT", amount });
  }

  /** Nobody's pool is being liquidated: such a pool accepts nothing, and both checkers would only say so. */
  get calm(): boolean {
    return this.live.engine.machine.sagas.size === 0;
  }

  step(one: RaceAction): void {
    this.expire();
    if (one.do === "check") this.check(one);
    else if (one.do === "batch") this.batch(one);
    else if (one.do === "amend") this.amend(one);
    else this.happen(one);
    this.expire();
    this.gate.age(this.now);
    for (const of of ["alice", "bob"]) {
      const held = this.gate.reservations(of).map(({ request, order, qty: left }) => `${request} ${order} ${left}`);
      const own = this.approved.filter((each) => each.account === of);
      expect(held).toEqual(own.map(({ request, order, qty: left }) => `${request} ${order} ${left.toStringDown()}`));
    }
    expect(this.gate.size.reservations).toBe(this.approved.length);
  }

  /** When nothing comes any more nothing stays held. */
  end(): void {
    this.now += lifeMs;
    this.gate.age(this.now);
    expect(this.gate.size.reservations).toBe(0);
  }

  private expire(): void {
    this.approved = this.approved.filter(({ endsAt }) => this.now < endsAt);
  }

  private happen(one: RaceAction): void {
    if (one.do === "wait") this.now += one.ms;
    else if (one.do === "frame") this.tell({ k: "frame", mark: { [one.instrument]: String(one.price) } });
    else if (one.do === "halt") this.halt(one);
    else if (one.do === "withdrawn") this.withdrawn(one);
    else if (one.do === "match") this.match(one);
    else if (one.do !== "check" && one.do !== "batch" && one.do !== "amend") this.venue(one);
  }

  private tell(body: EntryBody): void {
    this.live.apply(body);
    const entry = this.live.log.at(-1);
    if (entry !== undefined) this.gate.applied(entry, this.now);
  }

  private nextName(prefix: string): string {
    this.#named += 1;
    return `${prefix}${this.#named}`;
  }

  private asked(one: Wish): Asked {
    const order = {
      id: this.nextName("o"),
      instrument: one.instrument,
      side: one.side,
      qty: String(one.qty),
      ...(one.price === null ? {} : { price: String(one.price) }),
      reduceOnly: one.reduceOnly,
    };
    return { account: one.account, order };
  }

  private codesOf({ account: of, order }: Asked): string[] {
    const { engine } = this.live;
    const pool = poolWith(engine, of, this.approved);
    const terms = termsOf(engine, of, order);
    return [...this.halted(of, pool, terms, null), ...slowCodes(engine, pool, terms, null)];
  }

  private approve(request: string, { account: of, order }: Asked): void {
    const terms = termsOf(this.live.engine, of, order);
    const { qty: held } = terms;
    const common = { account: of, request, order: order.id, amends: false };
    this.approved.push({ ...common, qty: held, terms, endsAt: this.now + lifeMs });
  }

  private check(one: Does<"check">): void {
    const repeated = one.again === null ? undefined : [...this.#first][one.again % (this.#first.size || 1)];
    if (repeated !== undefined) {
      const [request, { codes, ...asked }] = repeated;
      const answer = this.gate.check({ request, ...asked }, this.now);
      expect([answer.codes, answer.replay]).toEqual([codes, true]);
      return;
    }
    const request = this.nextName("q");
    const asked = this.asked(one.wish);
    const expected = this.codesOf(asked);
    const { codes, numbers, decision, overlay } = this.gate.check({ request, ...asked }, this.now);
    expect(codes).toEqual(expected);
    if (overlay !== null)
      expect(recheck(this.live.engine, overlay, { request, ...asked })).toEqual([{ decision, codes, numbers }]);
    this.#first.set(request, { ...asked, codes });
    this.count([{ decision, codes, numbers }]);
    if (codes.length === 0) this.approve(request, asked);
  }

  private count(verdicts: readonly GateVerdict[]): void {
    for (const { decision, codes } of verdicts) {
      if (decision === "accept") this.counts.accepted += 1;
      else this.counts.refused += 1;
      if (codes.includes("halted")) this.counts.halted += 1;
    }
  }

  /** As if one by one; all or nothing where that was asked for. */
  private batch({ wishes, mode }: Does<"batch">): void {
    const request = this.nextName("q");
    const orders = wishes.map((one) => this.asked(one));
    const before = this.approved;
    this.approved = [...before];
    let expected = orders.map((one) => {
      const codes = this.codesOf(one);
      if (codes.length === 0) this.approve(request, one);
      return codes;
    });
    if (mode === "all" && expected.some((codes) => codes.length > 0)) {
      this.approved = before;
      expected = expected.map((codes) => (codes.length === 0 ? ["batch_refused"] : codes));
    }
    const asked = { request, mode, orders };
    const { results, overlay } = this.gate.batch(asked, this.now);
    expect(results.map(({ codes }) => codes)).toEqual(expected);
    if (overlay !== null) expect(recheck(this.live.engine, overlay, asked)).toEqual(results);
    this.count(results);
  }

  private amend(one: Does<"amend">): void {
    const { engine } = this.live;
    const of = one.which % 3 === 0 ? "bob" : "alice";
    const pool = poolWith(engine, of, this.approved);
    const old = pool.orders[one.which % (pool.orders.length || 1)];
    if (old === undefined) return;
    const request = this.nextName("q");
    const terms = {
      ...old,
      qty: Rational.ofInteger(one.qty),
      price: one.price === null ? old.price : Rational.ofInteger(one.price),
    };
    const same = old.price === null ? terms.price === null : terms.price !== null && terms.price.equals(old.price);
    const expected =
      same && terms.qty.atMost(old.qty)
        ? []
        : [...this.halted(of, pool, terms, old.id), ...slowCodes(engine, pool, terms, old.id)];
    const priced = one.price === null ? {} : { price: String(one.price) };
    const asked = { request, account: of, order: old.id, qty: String(one.qty), ...priced };
    const { codes, numbers, decision, overlay } = this.gate.amend(asked, this.now);
    expect(codes).toEqual(expected);
    if (overlay !== null) expect(recheck(engine, overlay, asked)).toEqual([{ decision, codes, numbers }]);
    if (codes.length > 0) return;
    const common = { account: of, request, order: old.id, amends: true };
    this.approved.push({ ...common, qty: terms.qty, terms, endsAt: this.now + lifeMs });
  }

  /** What the matching engine does with an approval, as its entries tell. */
  private venue(one: Does<"confirm" | "fill" | "cancel">): void {
    const chosen = this.approved[one.which % (this.approved.length || 1)];
    if (chosen === undefined) return;
    const { request, account: of } = chosen;
    const { id } = chosen.terms;
    const own = (other: Approved): boolean => other.account === of && other.order === id;
    if (one.do === "fill") this.fill(chosen, Rational.ofInteger(one.qty), one.named);
    else if (one.do === "confirm") {
      const before = this.approved.indexOf(chosen);
      this.approved = this.approved.filter((other, at) => !own(other) || at > before);
      this.confirmed(chosen);
    } else {
      this.approved = this.approved.filter((other) => !own(other) || (one.named && other.request !== request));
      this.tell({ k: "cancel", account: of, id, ...(one.named ? { request } : {}) });
    }
  }

  private confirmed({ account: of, request, terms, qty: left }: Approved): void {
    const { id, side, reduceOnly } = terms;
    this.tell({
      k: "order",
      account: of,
      id,
      instrument: terms.instrument.id,
      side,
      qty: left.toStringDown(),
      ...(terms.price === null ? {} : { price: terms.price.toStringDown() }),
      reduceOnly,
      approval: { request, epoch: 1, until: this.live.t },
    });
  }

  private fill(chosen: Approved, most: Rational, named: boolean): void {
    const { terms, request, account: of } = chosen;
    // Without a request it would be the order as it rests that has filled.
    if (!named && chosen.amends) return;
    const filled = Rational.min(most, chosen.qty);
    chosen.qty = chosen.qty.minus(filled);
    if (chosen.qty.isZero()) this.approved = this.approved.filter((other) => other !== chosen);
    const at = terms.price ?? this.live.engine.machine.market.mark(terms.instrument.id);
    this.traded(of, terms.instrument.id, terms.side, filled, at, { order: terms.id, ...(named ? { request } : {}) });
  }

  /** What rests has been taken by somebody: no approval speaks of it. */
  private match({ account: of, which: n, qty: most }: Does<"match">): void {
    const { book } = this.live.engine.machine;
    const orders = book.orders(book.findAccount(of));
    const resting = orders[n % (orders.length || 1)];
    if (resting === undefined || this.approved.some((one) => one.account === of && one.order === resting.id)) return;
    const { id, lot } = book.instrumentRules(resting.instrument);
    const filled = Rational.min(Rational.ofInteger(most), lot.times(Rational.ofInteger(resting.lots)));
    const at = resting.price ?? this.live.engine.machine.market.mark(id);
    this.traded(of, id, resting.side, filled, at, { order: resting.id });
  }

  private traded(
    of: string,
    traded: string,
    side: "buy" | "sell",
    filled: Rational,
    at: Rational,
    about: { readonly order: string; readonly request?: string },
  ): void {
    const common = {
      k: "fill",
      trade: this.nextName("t"),
      instrument: traded,
      qty: filled.toStringDown(),
      price: at.toStringDown(),
    } as const;
    this.tell({ ...common, account: of, side, liquidity: "taker", ...about });
    const other = side === "buy" ? "sell" : "buy";
    this.tell({ ...common, account: "maker", side: other, liquidity: "maker", order: "m" });
  }

  private withdrawn({ which: n }: Does<"withdrawn">): void {
    const asked = this.live.engine.openEffects();
    const open = asked.flatMap((one) => (one.effect === "withdraw" || one.effect === "cancel_all" ? [one] : []));
    const effect = open[n % (open.length || 1)];
    if (effect?.effect === "withdraw") this.tell({ k: "withdrawn", effect: effect.id });
    if (effect?.effect !== "cancel_all") return;
    const gone = this.live.ordersOf(effect);
    for (const { account: of, id } of gone) {
      this.approved = this.approved.filter((one) => one.account !== of || one.order !== id);
      this.tell({ k: "cancel", account: of, id });
    }
    this.tell({ k: "cancelled", effect: effect.id, orders: gone.length });
    this.#emptying.delete(effect.of ?? "");
  }

  /** BRK-20: while a scope is being emptied its `cancel_all` permits nothing. */
  private halted(of: string, pool: CrossPool, terms: RestingOrder, replaces: string | null): string[] {
    const states = ["", of].map((scope) => this.#halts.get(scope) ?? "normal");
    const emptying = this.#emptying.has("") || this.#emptying.has(of);
    return strictest(states) === "cancel_all" && emptying ? ["halted"] : haltedCodes(states, pool, terms, replaces);
  }

  private halt({ state: to, global, account: of }: Does<"halt">): void {
    this.#halts.set(global ? "" : of, to);
    if (cancelsRestingOrders(to)) this.#emptying.add(global ? "" : of);
    const where = global ? { scope: "global" as const } : { scope: "account" as const, id: of };
    this.tell({ k: "halt", ...where, state: to, reason: "drill" });
  }
}
