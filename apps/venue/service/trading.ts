import { readCancelAll, readCancelOrder, readPlaceOrder } from "#libs/contracts/live/door.ts";
import type { PlaceOrder, TradingReply } from "#libs/contracts/live/venue.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import type { Terms } from "../matching/commands.ts";
import { orderKey } from "../matching/floor.ts";
import { answerBefore, refusalOf } from "../matching/orders.ts";
import type { Marks } from "./marks.ts";
import { askRisk } from "./pre-trade.ts";
import { RateLimit } from "./rate.ts";
import type { Venue } from "./venue.ts";

/** Orders that wait for risk at the same time; more are refused. */
export const checksMax = 2_000;
/** Of one account: cancels are not counted. */
export const ordersPerSecond = 100;
export const ordersBurst = 400;

/** Order entry: shape, the venue's own rules, risk's approval, then the book. Cancels ask nobody. */
export class Trading {
  readonly #venue: Venue;
  readonly #marks: Marks;
  readonly #checkTimeoutMs: number | undefined;
  readonly #rate = new RateLimit(ordersPerSecond, ordersBurst);
  /** Orders that wait for risk. */
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
    const closed = this.#venue.closedFor ?? (this.#checking.size >= checksMax ? "overloaded" : null);
    if (closed !== null) return this.#refused(order.id, [closed]);
    if (!this.#rate.take(order.account)) return this.#refused(order.id, ["too_fast"]);
    const terms = this.#termsOf(order);
    if (typeof terms === "string") return this.#refused(order.id, [terms]);
    const refusal = refusalOf(this.#venue.floor, terms);
    if (refusal !== null) return this.#refused(order.id, [refusal]);
    this.#checking.add(key);
    try {
      return await this.#withApproval(order, terms);
    } finally {
      this.#checking.delete(key);
    }
  }

  async #withApproval(placed: PlaceOrder, terms: Terms): Promise<TradingReply> {
    const { floor, bus } = this.#venue;
    const { account, id, instrument, side, qty, price, reduceOnly } = placed;
    const limited = { ...(price === undefined ? {} : { price }), ...(reduceOnly === undefined ? {} : { reduceOnly }) };
    const order = { id, instrument, side, qty, ...limited };
    const shard = floor.owners.shardOf(account);
    const timeout = this.#checkTimeoutMs === undefined ? {} : { timeoutMs: this.#checkTimeoutMs };
    const answer = await askRisk({ bus, shard, account, order, epoch: () => floor.shard(shard).epoch, ...timeout });
    if (!answer.ok) {
      if (answer.unused !== null) this.#release(order.id, account, answer.unused);
      return this.#refused(order.id, answer.codes);
    }
    // From here to the book nothing waits, so that an approval cannot run out on the way.
    if (monotonicMs() >= answer.usableUntil) {
      this.#release(order.id, account, answer.approval.request);
      return this.#refused(order.id, ["approval_expired"]);
    }
    const reply = this.#venue.write({ c: "place", terms, approval: answer.approval }).reply as TradingReply;
    if (reply.state === "rejected") this.#venue.reject(reply.codes);
    return reply;
  }

  #release(id: string, account: string, request: string): void {
    this.#venue.write({ c: "release", account, id, request });
  }

  /** The order on its grid, or why it is not on it. */
  #termsOf(order: PlaceOrder): Terms | string {
    const { account, id, instrument, side, qty, price, reduceOnly = false } = order;
    const { grids, owners } = this.#venue.floor;
    const grid = grids.get(instrument);
    if (grid === undefined) return "instrument_unknown";
    if (!owners.mayTrade(account)) return "unknown_account";
    const lots = grid.lotsOf(qty);
    if (lots === null) return "lot_size";
    const limit = price === undefined ? this.#marks.edge(grid, side) : grid.ticksOf(price);
    if (limit === null) return price === undefined ? "price_quality" : "tick_size";
    const market = price === undefined;
    return { account, id, instrument, side, lots, limit, market, ioc: market || order.ioc === true, reduceOnly };
  }

  cancel(data: Uint8Array): TradingReply {
    const read = readCancelOrder(data);
    if (!read.ok) return this.#refused("", ["unreadable"]);
    const { account, id } = read.value;
    if (!this.#venue.floor.orders.has(orderKey(account, id))) {
      const before = this.#venue.floor.answered.get(orderKey(account, id));
      return before?.state === "cancelled" ? before : this.#refused(id, ["order_unknown"]);
    }
    return this.#venue.write({ c: "cancel", account, id }).reply as TradingReply;
  }

  cancelAll(data: Uint8Array): { readonly cancelled: number } | TradingReply {
    const read = readCancelAll(data);
    if (!read.ok) return this.#refused("", ["unreadable"]);
    const { account, instrument = null } = read.value;
    if (this.#venue.floor.ordersOf(account, instrument).length === 0) return { cancelled: 0 };
    return this.#venue.write({ c: "cancel_all", account, instrument }).reply as { cancelled: number };
  }

  #refused(id: string, codes: readonly string[]): TradingReply {
    this.#venue.reject(codes);
    return { id, state: "rejected", filled: "0", codes };
  }
}
