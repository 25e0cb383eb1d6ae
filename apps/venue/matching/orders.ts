import type { Approval } from "#libs/contracts/log.ts";
import type { TradingReply } from "#libs/contracts/live/venue.ts";
import { bookOrdersMax } from "./grid.ts";
import { matchesMax, type MatchPlan, planMatches } from "./plan.ts";
import { reducible } from "./positions.ts";
import { forRisk, type Terms } from "./commands.ts";
import { type Floor, orderKey } from "./floor.ts";

export const accountOrdersMax = 500;

export const rejected = (id: string, code: string): TradingReply => ({
  id,
  state: "rejected",
  filled: "0",
  codes: [code],
});

/** What a venue refuses by itself, before or after risk was asked; null: nothing. */
export function refusalOf(floor: Floor, terms: Terms): string | null {
  if (!floor.isOpen(terms.instrument)) return "instrument_closed";
  if (floor.blocked(terms.account, terms.instrument)) return "pool_liquidating";
  if (terms.reduceOnly) {
    const held = floor.positions.held(terms.account, terms.instrument);
    const promised = floor.reduceOnlyLots(terms.account, terms.instrument, terms.side);
    if (terms.lots > reducible(held, terms.side) - promised) return "reduce_only_violation";
  }
  if (terms.ioc || terms.market) return null;
  if (floor.book(terms.instrument).size >= bookOrdersMax) return "book_full";
  if ((floor.byAccount.get(terms.account)?.size ?? 0) >= accountOrdersMax) return "too_many_orders";
  return null;
}

/** The answer to an order that was asked for before; null: it is new. */
export function answerBefore(floor: Floor, account: string, id: string): TradingReply | null {
  const key = orderKey(account, id);
  if (floor.orders.has(key)) return rejected(id, "duplicate_order_id");
  return floor.answered.get(key) ?? null;
}

/**
 * An approved order: matched in price-time priority, then rests or ends. Every path ends its approval: fills and the resting order
 * name it, and a remainder that rests nowhere is cancelled by its request.
 */
export function place(floor: Floor, terms: Terms, approval: Approval): TradingReply {
  const { account, id } = terms;
  const again = answerBefore(floor, account, id);
  const refused = again === null ? refusalOf(floor, terms) : null;
  if (again !== null || refused !== null) {
    floor.releaseApproval(account, id, approval);
    const reply = again ?? rejected(id, refused as string);
    if (again === null) floor.remember(account, reply);
    return reply;
  }
  const entered = enter(floor, terms, { total: terms.lots, held: 0, placed: null }, approval);
  const reply = replyOf(floor, terms, entered, terms.lots - entered.left);
  if (!entered.rests) floor.remember(account, reply);
  return reply;
}

interface Entered {
  /** Lots that did not trade. */
  readonly left: number;
  readonly rests: boolean;
  readonly codes: readonly string[];
}

/** `filled`: lots of the whole order. */
export function replyOf(floor: Floor, { id, instrument }: Terms, entered: Entered, filled: number): TradingReply {
  const { left, rests, codes } = entered;
  const state = rests ? "resting" : left === 0 ? "filled" : filled > 0 ? "partly" : "cancelled";
  return { id, state, filled: filled === 0 ? "0" : floor.grid(instrument).qtyText(filled), codes };
}

/** What is known of an order beside what it is to trade now. */
interface Whole {
  /** Lots, what has filled before included. */
  readonly total: number;
  /** Lots that the shard has of it, resting or as an approved amendment: its fills use them up first. */
  readonly held: number;
  /** See `Resting`; null: it is placed now. */
  readonly placed: number | null;
}

/**
 * An order meets what stands against it; what is left rests behind the others of its price, or ends.
 */
export function enter(floor: Floor, terms: Terms, { total, held, placed }: Whole, approval: Approval): Entered {
  const { account, id, instrument, side, lots, limit } = terms;
  const plan = planMatches(floor, { account, instrument, side, lots, limit });
  for (const gone of plan.uncovered) floor.cancel(gone);
  const filled = carryOut(floor, terms, plan, approval);
  const left = lots - filled;
  // A sweep that was cut off at the most trades of one command would cross the book if it rested.
  const rests = left > 0 && !terms.ioc && !terms.market && !plan.metItself && plan.matches.length < matchesMax;
  if (rests) rest(floor, { ...terms, total, left, placed }, approval);
  else if (left > 0 || held > filled) floor.releaseApproval(account, id, approval);
  floor.settleMakers(instrument, plan.matches);
  floor.cancelUncovered(account, instrument);
  return { left, rests, codes: plan.metItself ? ["self_trade"] : [] };
}

/** Lots that traded. */
function carryOut(floor: Floor, terms: Terms, plan: MatchPlan, approval: Approval): number {
  const { account, id, instrument, side } = terms;
  floor.trade(side, instrument, account, plan.matches, ({ trade, qty, price }) => {
    const request = approval.request;
    floor.emitFor(account, {
      k: "fill",
      trade,
      account,
      instrument,
      side,
      qty,
      price,
      liquidity: "taker",
      order: id,
      request,
    });
  });
  return plan.matches.reduce((sum, { lots }) => sum + lots, 0);
}

interface Left extends Terms, Pick<Whole, "total" | "placed"> {
  readonly left: number;
}

function rest(floor: Floor, what: Left, approval: Approval): void {
  const { account, id, instrument, side, limit: price, total, left: lots, reduceOnly } = what;
  const no = (floor.orderCount += 1);
  const placed = what.placed ?? no;
  const order = { no, placed, account, id, instrument, side, price, total, lots, reduceOnly, ...forRisk(what) };
  floor.rest(order);
  floor.tellOrder(order, approval);
}

export function cancel(floor: Floor, account: string, id: string): TradingReply {
  const order = floor.orders.get(orderKey(account, id));
  if (order === undefined) return rejected(id, "order_unknown");
  floor.cancel(order);
  return floor.answered.get(orderKey(account, id)) as TradingReply;
}

/** How many there were. */
export function cancelAll(floor: Floor, account: string, instrument: string | null): number {
  const orders = floor.ordersOf(account, instrument);
  for (const order of orders) floor.cancel(order);
  return orders.length;
}
