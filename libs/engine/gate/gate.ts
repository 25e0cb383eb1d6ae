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
import type { CrossPool, RestingOrder } from "#libs/domain/positions/views.ts";
import type { Finding, Refusal, RefusalCode } from "#libs/domain/pre-trade/codes.ts";
import type { Engine } from "../engine.ts";
import { PriceMissing } from "../market.ts";
import { Certain } from "./certain.ts";
import { type GateMode, judge, judgeUnlisted, type Terms } from "./checks.ts";
import { type Held, ordersWith, type OverlaySnapshot, Reservations, type ReservationView } from "./overlay.ts";
import { largestOf } from "./largest.ts";
import { type GateOptions, livesPerTtl, optionsOf, ordersPerBatchMax, standingsMax } from "./options.ts";
import { Rates } from "./rates.ts";
import { Requests } from "./requests.ts";
import { type Change, Standing } from "./standing.ts";
import {
  accepted,
  answerOf,
  type Asked,
  type Basis,
  contentOf,
  type GateAnswer,
  type GateBatchAnswer,
  type GateVerdict,
  noRefusal,
  rejected,
  shrinks,
  verdictOf,
} from "./verdicts.ts";
import { amendment, exactOrder, newOrder } from "./wanted.ts";
import { whatIf, type WhatIfAnswer } from "./what-if.ts";

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
  readonly #rates: Rates;
  readonly #shadowed = new Map<RefusalCode, number>();
  #terms: Terms = { mode: "open", reason: "" };
  #now = 0;
  /** Standings of accounts at one log position. */
  readonly #standings = new Map<string, Standing>();
  #standingsAt = -1;

  /** Throws `RangeError` for options that could not keep a repeated request from reserving twice. */
  constructor(engine: Engine, options: Partial<GateOptions> = {}) {
    this.#engine = engine;
    this.#certain = new Certain(engine.machine);
    this.#rates = new Rates(engine.machine);
    this.#options = optionsOf(options);
    this.#requests = new Requests(this.#options.rememberMs, this.#options.requestsMax);
  }

  /** How many reservations and request ids are held. */
  get size(): { readonly reservations: number; readonly requests: number } {
    return { reservations: this.#reservations.size, requests: this.#requests.size };
  }
  /** How often each check in shadow would have refused. */
  get shadowed(): ReadonlyMap<RefusalCode, number> {
    return this.#shadowed;
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
    return this.#once(request, contentOf(account, order), now, { account, order }, () =>
      this.#decide(request, account, order),
    );
  }

  /** May the order have this quantity (still open) and price? Judged as the old one away and the new one in its place. */
  amend(asked: AmendRequest, now: number): GateAnswer {
    const { request, account, order, qty, price, stop, key } = asked;
    const content = `amend ${account} ${order} ${qty ?? "-"} ${price ?? "-"} ${stop ?? "-"} ${key ?? "-"}`;
    return this.#once(request, content, now, { account, order: asked }, () => this.#decideAmend(asked));
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
    const overlay = this.#snapshot(orders, null);
    const results = this.#rates.attempt(() => this.#decideAll(request, mode, orders));
    const made = answer(results, overlay);
    this.#keep(content, made);
    return made;
  }

  #decideAll(
    request: string,
    mode: BatchRequest["mode"],
    orders: BatchRequest["orders"],
  ): { readonly result: GateVerdict[]; readonly stands: boolean } {
    const result = orders.map(({ account, order }) => this.#decide(request, account, order));
    if (mode !== "all" || result.every((one) => one.decision === "accept")) return { result, stands: true };
    for (const { account } of orders) this.#release(account, (one) => one.view.request === request);
    const refused = result.map((one) => (one.decision === "accept" ? rejected(["batch_refused"]) : one));
    return { result: refused, stands: false };
  }

  /** Margin and prices of liquidation as they are, and after an order has filled or prices have moved. Changes nothing. */
  whatIf(asked: WhatIfRequest, now: number): WhatIfAnswer {
    this.age(now);
    const { machine } = this.#engine;
    const held = this.#reservations.of(asked.account);
    const answer = whatIf(machine, asked, (account, view) => ordersWith(machine, account, view, held));
    if (asked.order === undefined || answer.codes.length > 0) return answer;
    const ratesOf = (change: Change): readonly Finding[] => this.#ratesOf(asked.account, change);
    return { ...answer, largest: largestOf(this.#standing(asked.account), asked.order, this.#terms, ratesOf) };
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
    this.#rates.load(snapshot.rates ?? {});
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

  #once(request: string, content: string, now: number, asked: Asked, decide: () => GateVerdict): GateAnswer {
    this.age(now);
    const known = this.#known(request, content);
    if (known !== null && typeof known !== "string") return known as GateAnswer;
    if (known !== null) return this.#answer(request, rejected([known]), this.#snapshot([], known));
    const overlay = this.#snapshot([asked], null);
    const verdict = decide();
    // A full overlay may have room again when the question is repeated.
    if (verdict.codes[0] === "overloaded") return this.#answer(request, verdict, this.#snapshot([], "overloaded"));
    const made = this.#answer(request, verdict, overlay);
    this.#keep(content, made);
    return made;
  }

  #answer(request: string, verdict: GateVerdict, overlay: OverlaySnapshot): GateAnswer {
    return answerOf(verdict, this.#basis(request, verdict.decision === "accept"), overlay);
  }

  #basis(request: string, approval: boolean): Basis {
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

  /** What a decision about these orders reads: the reservations of all accounts of their owners, and how much they have asked. */
  #snapshot(asked: readonly Asked[], alone: RefusalCode | null): OverlaySnapshot {
    // Without a prototype: a shape for each account's name would be made, and kept, otherwise.
    const reservations = Object.create(null) as Record<string, readonly ReservationView[]>;
    const { entityOfAccount, rules } = this.#engine.machine;
    for (const { account } of asked) {
      const entity = entityOfAccount.get(account);
      const owned = entity === undefined ? undefined : rules.entities.get(entity)?.accounts;
      for (const name of owned ?? [account]) {
        const views = this.#reservations.views(name);
        if (views.length > 0) reservations[name] = views;
      }
    }
    const { mode, reason } = this.#terms;
    const rates = this.#rates.read(asked, this.#now);
    return rates === null ? { mode, reason, reservations, alone } : { mode, reason, reservations, alone, rates };
  }

  #standing(account: string): Standing {
    const { machine } = this.#engine;
    if (this.#standingsAt !== machine.appliedSeq || this.#standings.size >= standingsMax) this.#standings.clear();
    this.#standingsAt = machine.appliedSeq;
    const known = this.#standings.get(account);
    if (known !== undefined) return known;
    const number = machine.book.findAccount(account);
    // As they are now: what is approved later is told to the standing.
    const held = this.#reservations.of(account).slice();
    const ordersOf = (view: CrossPool): RestingOrder[] => ordersWith(machine, number, view, held);
    const peerOf = (peer: string): Standing => this.#standing(peer);
    const standing = new Standing(machine, account, number, ordersOf, peerOf, () =>
      this.#reservations.pending(account),
    );
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

  #decide(request: string, account: string, asked: OrderTerms): GateVerdict {
    if (this.#isFull(account)) return rejected(["overloaded"]);
    const { machine } = this.#engine;
    const number = machine.book.findAccount(account);
    const order = exactOrder({ machine, account: number }, asked);
    if (order === null) return verdictOf(judgeUnlisted(this.#standing(account), asked.instrument, this.#terms));
    const change = newOrder(order, asked);
    const rates = this.#ratesOf(account, change);
    const passes = rates.length === 0 && this.#passes(account, number, change);
    const refusal = passes ? noRefusal : this.#judge(account, change, rates);
    if (refusal.isEmpty) {
      this.#count(account, change);
      this.#reserve(account, change, request, asked.qty, asked.price ?? null);
    }
    return verdictOf(refusal);
  }

  /** Whether the screen says yes; where it does not, `judge` decides. */
  #passes(name: string, account: number, { order, stop = null, key = null }: Change): boolean {
    if (this.#terms.mode !== "open" || account < 0) return false;
    const instrument = this.#engine.machine.book.instrumentIndex(order.instrument.id);
    const held = this.#reservations.of(name);
    return this.#certain.passes({ name, account, instrument, order, held, stop, key });
  }

  /** The standing of an account, if one is kept that holds at this place of the log. */
  #followed(account: string): Standing | undefined {
    return this.#standingsAt === this.#engine.machine.appliedSeq ? this.#standings.get(account) : undefined;
  }

  /** LIM-08: the windows that the order would overfill; of what cannot be valued the exact check says why. */
  #ratesOf(account: string, { order, key }: Change): readonly Finding[] {
    try {
      return this.#rates.findings(account, key ?? undefined, order, this.#now);
    } catch (error) {
      if (error instanceof PriceMissing) return [];
      throw error;
    }
  }

  #judge(account: string, change: Change, rates: readonly Finding[]): Refusal {
    const refusal = judge(this.#standing(account), change, this.#terms, rates);
    for (const code of refusal.shadow()) this.#shadowed.set(code, (this.#shadowed.get(code) ?? 0) + 1);
    return refusal;
  }

  #decideAmend(asked: AmendRequest): GateVerdict {
    const { request, account } = asked;
    if (this.#isFull(account)) return rejected(["overloaded"]);
    const found = amendment(this.#standing(account), asked);
    if (found === null) return rejected(["order_unknown"]);
    const { old, change } = found;
    const next = change.order;
    const less = shrinks(old, next);
    const refusal = less ? noRefusal : this.#judge(account, change, this.#ratesOf(account, change));
    if (refusal.isEmpty && !less) this.#count(account, change);
    if (refusal.isEmpty)
      this.#reserve(account, change, request, next.qty.toStringDown(), next.price?.toStringDown() ?? null);
    return verdictOf(refusal);
  }

  #count(account: string, { order, key }: Change): void {
    this.#rates.count(account, key ?? undefined, order, this.#now);
  }

  #reserve(account: string, change: Change, request: string, qty: string, price: string | null): void {
    const { order, replaces } = change;
    const view: ReservationView = {
      request,
      order: order.id,
      instrument: order.instrument.id,
      side: order.side,
      qty,
      price,
      reduceOnly: order.reduceOnly,
      amends: replaces !== null,
      expiresAt: this.#now + this.#options.ttlMs,
    };
    this.#reservations.add(account, view, order);
    // Until it is confirmed, an amended order counts as the larger of both, which the next standing reads anew.
    if (replaces !== null) this.#standings.delete(account);
    else this.#followed(account)?.make(change);
  }
}
