import type { Approval } from "#libs/contracts/log.ts";
import { readAmendOrder, readCancelAll, readCancelOrder, readPlaceOrder } from "#libs/contracts/live/door.ts";
import type { AmendOrder, PlaceOrder, TradingReply } from "#libs/contracts/live/venue.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import { newTrace } from "#libs/telemetry/trace.ts";
import { amended, amendRefusal, standing } from "../matching/amend.ts";
import type { Resting } from "../matching/book.ts";
import { forRisk, type Outcome, type Terms } from "../matching/commands.ts";
import { orderKey } from "../matching/floor.ts";
import { answerBefore, refusalOf } from "../matching/orders.ts";
import { TokenBuckets } from "#libs/process/token-bucket.ts";
import type { Marks } from "./marks.ts";
import { askRisk, type Question } from "./pre-trade.ts";
import type { Request, Venue } from "./venue.ts";

/** Orders that wait for risk at the same time; more are refused. */
export const checksMax = 2_000;
/** Of one account: cancels are not counted. */
export const ordersPerSecond = 100;
export const ordersBurst = 400;
/** Accounts whose pace is remembered. */
const accountsPaced = 10_000;

/** Order entry: shape, the venue's own rules, risk's approval, then the book. Cancels, and less of an order, ask nobody. */
export class Trading {
  readonly #venue: Venue;
  readonly #marks: Marks;
  readonly #checkTimeoutMs: number | undefined;
  readonly #rate = new TokenBuckets({ burst: ordersBurst, perSecond: ordersPerSecond, kept: accountsPaced });
  /** Orders, and amendments of them, that wait for risk. */
  readonly #checking = new Set<string>();

  constructor(venue: Venue, marks: Marks, checkTimeoutMs?: number) {
    this.#venue = venue;
    this.#marks = marks;
    this.#checkTimeoutMs = checkTimeoutMs;
  }

  serve(): { stop(): void } {
    const { bus } = this.#venue;
    const { trading } = bus.names.subjects;
    const services = [
      bus.respond(trading("place"), (data) => this.place(data)),
      bus.respond(trading("amend"), (data) => this.amend(data)),
      bus.respond(trading("cancel"), (data) => this.cancel(data)),
      bus.respond(trading("cancel-all"), (data) => this.cancelAll(data)),
    ];
    return { stop: () => services.forEach((one) => one.stop()) };
  }

  async place(data: Uint8Array): Promise<TradingReply> {
    const read = readPlaceOrder(data);
    if (!read.ok) return this.#refused("", ["unreadable"]);
    const order = read.value;
    const before = answerBefore(this.#venue.floor, order.account, order.id);
    if (before !== null) return before;
    const key = orderKey(order.account, order.id);
    if (this.#checking.has(key)) return this.#refused(order.id, ["duplicate_order_id"]);
    const busy = this.#busy(order.account);
    if (busy !== null) return this.#refused(order.id, [busy]);
    const terms = this.#termsOf(order);
    if (typeof terms === "string") return this.#refused(order.id, [terms]);
    const refusal = refusalOf(this.#venue.floor, terms);
    if (refusal !== null) return this.#refused(order.id, [refusal]);
    const { account, id, instrument, side, qty, price, reduceOnly } = order;
    const limited = {
      ...(price === undefined ? {} : { price }),
      ...(reduceOnly === undefined ? {} : { reduceOnly }),
      ...forRisk(order),
    };
    const asked = { account, order: { id, instrument, side, qty, ...limited } };
    return this.#ask({ account, id }, { verb: "check", asked }, (approval) => ({ c: "place", terms, approval }));
  }

  /** Why a question is not asked now; null: it is. */
  #busy(account: string): string | null {
    const closed = this.#venue.closedFor ?? (this.#checking.size >= checksMax ? "overloaded" : null);
    return closed ?? this.#tooFast(account);
  }

  #tooFast(account: string): string | null {
    return this.#rate.take(account, monotonicMs()) === 0 ? null : "too_fast";
  }

  async amend(data: Uint8Array): Promise<TradingReply> {
    const read = readAmendOrder(data);
    if (!read.ok) return this.#refused("", ["unreadable"]);
    const { account, id } = read.value;
    const { floor } = this.#venue;
    const key = orderKey(account, id);
    const order = floor.orders.get(key);
    if (order === undefined) return this.#refused(id, ["order_unknown"]);
    const refuse = (code: string): TradingReply => this.#refused(id, [code], account);
    if (this.#checking.has(key)) return refuse("amend_pending");
    const wanted = this.#wanted(order, read.value);
    if (typeof wanted === "string") return refuse(wanted);
    const { total, limit } = wanted;
    const next = amended(order, total, limit);
    if (next.less && next.total === order.total) return standing(floor, order);
    const tooMuch = next.less ? this.#tooFast(account) : this.#busy(account);
    const refusal = amendRefusal(floor, order, next) ?? tooMuch;
    if (refusal !== null) return refuse(refusal);
    const change = { c: "amend", account, id, total, limit } as const;
    if (next.less || next.open <= 0) return this.#write({ ...change, approval: null });
    const { grid } = wanted;
    const { open: lots } = next;
    const moved = limit === null ? {} : { price: grid.priceText(limit) };
    const asked = { account, order: id, qty: grid.qtyText(lots), ...moved };
    return this.#ask({ account, id }, { verb: "amend", asked }, (approval) => ({
      ...change,
      approval: { ...approval, lots },
    }));
  }

  /** An amendment on the instrument's grid, or why it is not on it. */
  #wanted({ instrument }: Resting, { qty, price }: AmendOrder) {
    const grid = this.#venue.floor.grid(instrument);
    const total = qty === undefined ? null : (grid.lotsOf(qty) ?? "lot_size");
    const limit = price === undefined ? null : (grid.ticksOf(price) ?? "tick_size");
    if (typeof total === "string") return total;
    return typeof limit === "string" ? limit : { grid, total, limit };
  }

  /** Writes what risk approves, as long as it may be used; one question at a time about an order. */
  async #ask(
    { account, id }: { readonly account: string; readonly id: string },
    question: Question,
    command: (approval: Approval) => Request,
  ): Promise<TradingReply> {
    const { floor, bus } = this.#venue;
    const { ruleVersion, massCancels } = floor;
    const key = orderKey(account, id);
    const shard = floor.owners.shardOf(account);
    const timeout = this.#checkTimeoutMs === undefined ? {} : { timeoutMs: this.#checkTimeoutMs };
    this.#checking.add(key);
    try {
      const answer = await askRisk({ bus, shard, question, epoch: () => floor.shard(shard).epoch, ...timeout });
      if (!answer.ok) {
        if (answer.unused !== null) this.#release(id, account, answer.unused);
        return this.#refused(id, answer.codes, account);
      }
      // From here to the book nothing waits, so that an approval cannot run out on the way. Ticks and lots are those of the rules.
      const late = monotonicMs() >= answer.usableUntil ? "approval_expired" : null;
      const halted = floor.massCancels === massCancels ? late : "halted";
      const useless = floor.ruleVersion === ruleVersion ? halted : "rules_changed";
      if (useless !== null) {
        this.#release(id, account, answer.approval.request);
        return this.#refused(id, [useless], account);
      }
      return this.#write(command(answer.approval));
    } finally {
      this.#checking.delete(key);
    }
  }

  #write(request: Request): TradingReply {
    const reply = this.#traced(request).reply as TradingReply;
    if (reply.state === "rejected") this.#venue.reject(reply.codes);
    return reply;
  }

  /** Each order, change or cancel begins a trace. */
  #traced(request: Request): Outcome {
    return this.#venue.write({ ...request, trace: newTrace() });
  }

  #release(id: string, account: string, request: string): void {
    this.#traced({ c: "release", account, id, request });
  }

  /** The order on its grid, or why it is not on it. */
  #termsOf(order: PlaceOrder): Terms | string {
    const { account, id, instrument, side, qty, price, reduceOnly = false } = order;
    const { grids, owners } = this.#venue.floor;
    const grid = grids.get(instrument);
    if (grid === undefined) return "instrument_unknown";
    if (!this.#venue.floor.isOpen(instrument, this.#venue.clock.now())) return "instrument_closed";
    if (!owners.mayTrade(account)) return "unknown_account";
    const lots = grid.lotsOf(qty);
    if (lots === null) return "lot_size";
    const limit = price === undefined ? this.#marks.edge(grid, side) : grid.ticksOf(price);
    if (limit === null) return price === undefined ? "price_quality" : "tick_size";
    const market = price === undefined;
    return {
      account,
      id,
      instrument,
      side,
      lots,
      limit,
      market,
      ioc: market || order.ioc === true,
      reduceOnly,
      ...forRisk(order),
    };
  }

  cancel(data: Uint8Array): TradingReply {
    const read = readCancelOrder(data);
    if (!read.ok) return this.#refused("", ["unreadable"]);
    const { account, id } = read.value;
    if (!this.#venue.floor.orders.has(orderKey(account, id))) {
      const before = this.#venue.floor.answered.get(orderKey(account, id));
      return before?.state === "cancelled" ? before : this.#refused(id, ["order_unknown"]);
    }
    return this.#traced({ c: "cancel", account, id }).reply as TradingReply;
  }

  cancelAll(data: Uint8Array): { readonly cancelled: number } | TradingReply {
    const read = readCancelAll(data);
    if (!read.ok) return this.#refused("", ["unreadable"]);
    const { account, instrument = null } = read.value;
    if (this.#venue.floor.ordersOf(account, instrument).length === 0) return { cancelled: 0 };
    return this.#traced({ c: "cancel_all", account, instrument }).reply as { cancelled: number };
  }

  /** `account`: of an order that may rest and goes on resting as it was. */
  #refused(id: string, codes: readonly string[], account = ""): TradingReply {
    this.#venue.reject(codes);
    const { floor } = this.#venue;
    const rests = floor.orders.get(orderKey(account, id));
    return { id, state: "rejected", filled: rests === undefined ? "0" : floor.filledText(rests), codes };
  }
}
