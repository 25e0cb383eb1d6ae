import type {
  AmendRequest,
  BatchRequest,
  CancelRequest,
  CheckRequest,
  OrderTerms,
  WhatIfRequest,
} from "#libs/contracts/live/pre-trade.ts";
import type { Entry } from "#libs/contracts/log.ts";
import { Rational } from "#libs/decimal/index.ts";
import type { RestingOrder } from "#libs/domain/positions/views.ts";
import type { Engine } from "../engine.ts";
import { Certain } from "./certain.ts";
import { exactOrder, type GateMode, judge, judgeUnlisted, type Terms } from "./checks.ts";
import { type Bounded, Refusal, type RefusalCode } from "./codes.ts";
import { type Held, ordersWith, type OverlaySnapshot, Reservations, type ReservationView } from "./overlay.ts";
import { Requests } from "./requests.ts";
import { type Change, Standing } from "./standing.ts";
import { whatIf, type WhatIfAnswer } from "./what-if.ts";

export interface GateOptions {
  /** How long an approval may be used, ms. Its reservation outlives it by twice that. */
  readonly ttlMs: number;
  /** How long request ids are remembered, ms; at least a minute and at least as long as a reservation lives. */
  readonly rememberMs: number;
  /** Bounds of what is held at once; at a bound new questions are refused as `overloaded`. */
  readonly requestsMax: number;
  readonly reservationsMax: number;
  readonly reservationsPerAccountMax: number;
}

const defaults: GateOptions = {
  ttlMs: 500,
  rememberMs: 60_000,
  requestsMax: 1_000_000,
  reservationsMax: 200_000,
  reservationsPerAccountMax: 2000,
};
const rememberMsMin = 60_000;
/** A reservation lives this many times its approval: as long as that, and twice as long again. */
const livesPerTtl = 3;
const ordersPerBatchMax = 1000;
/** Standings kept while the log stands still. */
const standingsMax = 4096;
/** With more orders than this a standing that follows them one by one is quicker than a look at all of them. */
const ordersScreened = 64;

export interface GateVerdict {
  readonly decision: "accept" | "reject";
  /** In order of precedence; empty where accepted. */
  readonly codes: readonly RefusalCode[];
  /** By code: what was found and what is permitted. */
  readonly numbers: Readonly<Record<string, Bounded>>;
}

interface Common {
  readonly request: string;
  /** Monotonic ms: when it was made, and until when an approval may be used (0 where refused). */
  readonly at: number;
  readonly expiresAt: number;
  /** Entries applied, frames applied and rule version of the book that it was made on. */
  readonly entries: number;
  readonly frame: number;
  readonly ruleVersion: number;
  /** What of the overlay was read; null in a repeated answer. */
  readonly overlay: OverlaySnapshot | null;
  /** The answer of an earlier question with the same id, given again. */
  readonly replay: boolean;
}

export interface GateAnswer extends GateVerdict, Common {}
/** `decision`: accept when at least one order (mode `all`: every order) was. */
export interface GateBatchAnswer extends Common {
  readonly decision: "accept" | "reject";
  readonly results: readonly GateVerdict[];
}

const accepted: GateVerdict = { decision: "accept", codes: [], numbers: {} };
const rejected = (codes: readonly RefusalCode[], numbers: Readonly<Record<string, Bounded>> = {}): GateVerdict => ({
  decision: "reject",
  codes,
  numbers,
});
const verdictOf = (refusal: Refusal): GateVerdict =>
  refusal.isEmpty ? accepted : rejected(refusal.codes(), refusal.numbers);

const contentOf = (account: string, { id, instrument, side, qty, price, reduceOnly }: OrderTerms): string =>
  `${account} ${id} ${instrument} ${side} ${qty} ${price ?? "-"} ${reduceOnly === true}`;

/**
 * The pre-trade check: an overlay of reservations, request ids and a mode beside the book of one engine. It is never read by
 * `apply`, never hashed and in no snapshot. Pure and synchronous: `now` is a monotonic time in ms, which never falls.
 */
export class Gate {
  readonly #engine: Engine;
  readonly #options: GateOptions;
  readonly #reservations = new Reservations();
  readonly #requests: Requests<GateAnswer | GateBatchAnswer>;
  readonly #certain: Certain;
  #terms: Terms = { mode: "open", reason: "" };
  #now = 0;
  /** Standings of accounts at one log position. */
  readonly #standings = new Map<string, Standing>();
  #standingsAt = -1;

  /** Throws `RangeError` for options that could not keep a repeated request from reserving twice. */
  constructor(engine: Engine, options: Partial<GateOptions> = {}) {
    this.#engine = engine;
    this.#certain = new Certain(engine.machine);
    this.#options = { ...defaults, ...options };
    const { rememberMs, ttlMs } = this.#options;
    if (ttlMs <= 0 || rememberMs < rememberMsMin || rememberMs < livesPerTtl * ttlMs)
      throw new RangeError("rememberMs must be at least a minute and three times ttlMs");
    this.#requests = new Requests(rememberMs, this.#options.requestsMax);
  }

  /** How many reservations and request ids are held. */
  get size(): { readonly reservations: number; readonly requests: number } {
    return { reservations: this.#reservations.size, requests: this.#requests.size };
  }
  get mode(): GateMode {
    return this.#terms.mode;
  }
  reservations(account: string): readonly ReservationView[] {
    return this.#reservations.views(account);
  }
  setMode(mode: GateMode, reason: string): void {
    this.#terms = { mode, reason };
  }

  /** Drops reservations whose life is over and forgets old request ids; every question does so by itself. */
  age(now: number): void {
    this.#now = Math.max(this.#now, now);
    const after = (livesPerTtl - 1) * this.#options.ttlMs;
    const before = this.#reservations.size;
    this.#reservations.dropUntil((held) => this.#now >= held.view.expiresAt + after);
    if (this.#reservations.size !== before) this.#standings.clear();
    this.#requests.forget(this.#now);
  }

  /** May this order be sent to the book? An accepted one is reserved as if it rested. */
  check({ request, account, order }: CheckRequest, now: number): GateAnswer {
    return this.#once(request, contentOf(account, order), now, account, () =>
      this.#decide(request, account, order, false),
    );
  }

  /** May the order have this quantity (still open) and price? Judged as the old one away and the new one in its place. */
  amend(asked: AmendRequest, now: number): GateAnswer {
    const { request, account, order, qty, price } = asked;
    const content = `amend ${account} ${order} ${qty ?? "-"} ${price ?? "-"}`;
    return this.#once(request, content, now, account, () => this.#decideAmend(asked));
  }

  /** Always yes, whatever state the account, the market or the gate is in. It releases nothing: the venue's entry does. */
  cancel({ request }: CancelRequest, now: number): GateAnswer {
    this.age(now);
    return this.#answer(request, accepted, this.#snapshot([], null));
  }

  /** Orders judged in turn, as if one by one; in mode `all` nothing is reserved unless every one of them passes. */
  batch({ request, mode, orders }: BatchRequest, now: number): GateBatchAnswer {
    this.age(now);
    const content = `batch ${mode} ${orders.map(({ account, order }) => contentOf(account, order)).join("\n")}`;
    const known = this.#known(request, content, !this.#hasRoomFor(orders));
    if (known !== null && typeof known !== "string") return known as GateBatchAnswer;
    const answer = (results: readonly GateVerdict[], overlay: OverlaySnapshot): GateBatchAnswer => {
      const yes = (one: GateVerdict): boolean => one.decision === "accept";
      const passes = mode === "all" ? results.every(yes) : results.some(yes);
      const decision = passes ? "accept" : "reject";
      return { decision, results, ...this.#basis(request, passes), overlay, replay: false };
    };
    if (known !== null) {
      const verdict = rejected([known]);
      return answer(
        orders.map(() => verdict),
        this.#snapshot([], known),
      );
    }
    const overlay = this.#snapshot(new Set(orders.map((one) => one.account)), null);
    const several = orders.length > 1;
    let results = orders.map(({ account, order }) => this.#decide(request, account, order, several));
    if (mode === "all" && results.some((one) => one.decision === "reject")) {
      for (const { account } of orders) this.#release(account, (one) => one.view.request === request);
      results = results.map((one) => (one.decision === "accept" ? rejected(["batch_refused"]) : one));
    }
    const made = answer(results, overlay);
    this.#keep(content, made);
    return made;
  }

  /** Margin and prices of liquidation as they are, and after an order has filled or prices have moved. Changes nothing. */
  whatIf(asked: WhatIfRequest, now: number): WhatIfAnswer {
    this.age(now);
    const { machine } = this.#engine;
    const held = this.#reservations.of(asked.account);
    return whatIf(machine, asked, (account, view) => ordersWith(machine, account, view, held));
  }

  /** Tells the gate of an entry after the engine has applied it. */
  applied(entry: Entry, now: number): void {
    this.age(now);
    this.#standings.clear();
    if (entry.k === "order") this.#confirm(entry.account, entry.id, entry.approval?.request);
    else if (entry.k === "cancel") {
      const { id, request } = entry;
      this.#release(
        entry.account,
        ({ view }) => view.order === id && (request === undefined || view.request === request),
      );
    } else if (entry.k === "fill") {
      const { order, request } = entry;
      // Without a request it may be the order as it rests that has filled: an amendment of it is still to come.
      const own = this.#reservations
        .of(entry.account)
        .find(({ view }) => view.order === order && (request === undefined ? !view.amends : view.request === request));
      if (own !== undefined) this.#reservations.reduce(own, Rational.parse(entry.qty));
    }
  }

  /** Takes over what a recorded decision had read. */
  load(snapshot: OverlaySnapshot): void {
    this.setMode(snapshot.mode, snapshot.reason);
    for (const [account, views] of Object.entries(snapshot.reservations))
      for (const view of views) this.#reservations.add(account, view);
  }

  /** The book holds the order now: its approval and those before it have done their work; without a request all have. */
  #confirm(account: string, order: string, request: string | undefined): void {
    const own = this.#reservations.of(account).filter(({ view }) => view.order === order);
    const last = request === undefined ? own.length - 1 : own.findIndex(({ view }) => view.request === request);
    for (const held of own.slice(0, last + 1)) this.#reservations.drop(held);
  }

  #release(account: string, which: (held: Held) => boolean): void {
    this.#standings.delete(account);
    for (const held of this.#reservations.of(account).filter(which)) this.#reservations.drop(held);
  }

  /** The remembered answer of a request, or the code with which the overlay refuses it, or null: it is to be judged. */
  #known(request: string, content: string, tooLarge = false): GateAnswer | GateBatchAnswer | RefusalCode | null {
    const known = this.#requests.find(request, content);
    if (known === "reused") return "request_reused";
    if (known !== null) return known;
    return tooLarge || this.#requests.isFull ? "overloaded" : null;
  }

  #keep(content: string, made: GateAnswer | GateBatchAnswer): void {
    this.#requests.keep(made.request, content, { ...made, overlay: null, replay: true }, this.#now);
  }

  #once(request: string, content: string, now: number, account: string, decide: () => GateVerdict): GateAnswer {
    this.age(now);
    const known = this.#known(request, content);
    if (known !== null && typeof known !== "string") return known as GateAnswer;
    if (known !== null) return this.#answer(request, rejected([known]), this.#snapshot([], known));
    const overlay = this.#snapshot([account], null);
    const verdict = decide();
    // A full overlay may have room again when the question is repeated.
    if (verdict.codes[0] === "overloaded") return this.#answer(request, verdict, this.#snapshot([], "overloaded"));
    const made = this.#answer(request, verdict, overlay);
    this.#keep(content, made);
    return made;
  }

  #answer(request: string, { decision, codes, numbers }: GateVerdict, overlay: OverlaySnapshot): GateAnswer {
    return { decision, codes, numbers, ...this.#basis(request, decision === "accept"), overlay, replay: false };
  }

  #basis(request: string, approval: boolean): Omit<Common, "overlay" | "replay"> {
    const { machine } = this.#engine;
    return {
      request,
      at: this.#now,
      expiresAt: approval ? this.#now + this.#options.ttlMs : 0,
      entries: machine.appliedSeq,
      frame: machine.frame,
      ruleVersion: machine.rules.version,
    };
  }

  #snapshot(accounts: Iterable<string>, alone: RefusalCode | null): OverlaySnapshot {
    // Without a prototype: a shape for each account's name would be made, and kept, otherwise.
    const reservations = Object.create(null) as Record<string, readonly ReservationView[]>;
    for (const account of accounts) {
      const views = this.#reservations.views(account);
      if (views.length > 0) reservations[account] = views;
    }
    return { mode: this.#terms.mode, reason: this.#terms.reason, reservations, alone };
  }

  #standing(account: string): Standing {
    const { machine } = this.#engine;
    if (this.#standingsAt !== machine.appliedSeq || this.#standings.size >= standingsMax) this.#standings.clear();
    this.#standingsAt = machine.appliedSeq;
    const known = this.#standings.get(account);
    if (known !== undefined) return known;
    const number = machine.book.findAccount(account);
    const held = this.#reservations.of(account);
    const standing = new Standing(machine, account, number, (view) => ordersWith(machine, number, view, held));
    this.#standings.set(account, standing);
    return standing;
  }

  /** Whether all of a batch could be reserved: a batch never meets a bound half way. */
  #hasRoomFor(orders: BatchRequest["orders"]): boolean {
    const { reservationsMax, reservationsPerAccountMax } = this.#options;
    if (orders.length > ordersPerBatchMax || this.#reservations.size + orders.length > reservationsMax) return false;
    const wanted = new Map<string, number>();
    for (const { account } of orders) wanted.set(account, (wanted.get(account) ?? 0) + 1);
    for (const [account, count] of wanted)
      if (this.#reservations.of(account).length + count > reservationsPerAccountMax) return false;
    return true;
  }

  #isFull(account: string): boolean {
    const { reservationsMax, reservationsPerAccountMax } = this.#options;
    return (
      this.#reservations.size >= reservationsMax || this.#reservations.of(account).length >= reservationsPerAccountMax
    );
  }

  #decide(request: string, account: string, asked: OrderTerms, several: boolean): GateVerdict {
    if (this.#isFull(account)) return rejected(["overloaded"]);
    const { machine } = this.#engine;
    const number = machine.book.findAccount(account);
    const order = exactOrder({ machine, account: number }, asked);
    if (order === null) return verdictOf(judgeUnlisted(this.#standing(account), asked.instrument, this.#terms));
    const change: Change = { order, replaces: null };
    if (this.#passes(account, number, order, several)) {
      this.#reserve(account, change, request, asked.qty, asked.price ?? null);
      return accepted;
    }
    const refusal = judge(this.#standing(account), change, this.#terms);
    if (refusal.isEmpty) this.#reserve(account, change, request, asked.qty, asked.price ?? null);
    return verdictOf(refusal);
  }

  /** Whether the screen says yes; where it does not, or would look at too many orders again and again, `judge` decides. */
  #passes(name: string, account: number, order: RestingOrder, several: boolean): boolean {
    if (this.#terms.mode !== "open" || account < 0) return false;
    const { book } = this.#engine.machine;
    const held = this.#reservations.of(name);
    const many = held.length + book.orders(account).length > ordersScreened;
    if (many && (several || this.#followed(name) !== undefined)) return false;
    const instrument = book.instrumentIndex(order.instrument.id);
    return this.#certain.passes({ name, account, instrument, order, held });
  }

  /** The standing of an account, if one is kept that holds at this place of the log. */
  #followed(account: string): Standing | undefined {
    return this.#standingsAt === this.#engine.machine.appliedSeq ? this.#standings.get(account) : undefined;
  }

  #decideAmend({ request, account, order, qty, price }: AmendRequest): GateVerdict {
    if (this.#isFull(account)) return rejected(["overloaded"]);
    const standing = this.#standing(account);
    const old = standing.orders.find((one) => one.id === order);
    if (old === undefined) return rejected(["order_unknown"]);
    const next: RestingOrder = {
      ...old,
      qty: qty === undefined ? old.qty : Rational.parse(qty),
      price: price === undefined ? old.price : Rational.parse(price),
    };
    const change: Change = { order: next, replaces: order };
    const refusal = shrinks(old, next) ? new Refusal() : judge(standing, change, this.#terms);
    if (refusal.isEmpty)
      this.#reserve(account, change, request, next.qty.toStringDown(), next.price?.toStringDown() ?? null);
    return verdictOf(refusal);
  }

  #reserve(account: string, change: Change, request: string, qty: string, price: string | null): void {
    const { order, replaces } = change;
    this.#reservations.add(account, {
      request,
      order: order.id,
      instrument: order.instrument.id,
      side: order.side,
      qty,
      price,
      reduceOnly: order.reduceOnly,
      amends: replaces !== null,
      expiresAt: this.#now + this.#options.ttlMs,
    });
    // Until it is confirmed, an amended order counts as the larger of both, which the next standing reads anew.
    if (replaces !== null) this.#standings.delete(account);
    else this.#followed(account)?.make(change);
  }
}

/** A smaller quantity at the same price takes a part of the order back, like a cancel: it always passes. */
function shrinks(old: RestingOrder, next: RestingOrder): boolean {
  const samePrice = old.price === null ? next.price === null : next.price !== null && next.price.equals(old.price);
  return samePrice && next.qty.sign > 0 && next.qty.atMost(old.qty) && next.qty.isMultipleOf(next.instrument.lot);
}
