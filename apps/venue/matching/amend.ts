import type { TradingReply } from "#libs/contracts/live/venue.ts";
import type { Resting } from "./book.ts";
import { type Command, forRisk } from "./commands.ts";
import { type Floor, orderKey } from "./floor.ts";
import { enter, rejected, replyOf } from "./orders.ts";
import { reducible } from "./positions.ts";

type Amend = Extract<Command, { c: "amend" }>;
type Approved = NonNullable<Amend["approval"]>;

/** What an order would be after an amendment. */
export interface Amended {
  /** Lots of the whole order, what has filled included, and those still open of it; none or less: nothing is left to rest. */
  readonly total: number;
  readonly open: number;
  /** Ticks. */
  readonly limit: number;
  /** Less at the same price: it keeps its place in the queue and needs nobody's leave. */
  readonly less: boolean;
}

export function amended(order: Resting, total: number | null, limit: number | null): Amended {
  const next = { total: total ?? order.total, limit: limit ?? order.price };
  const less = next.limit === order.price && next.total <= order.total;
  return { ...next, open: next.total - (order.total - order.lots), less };
}

/** What a venue refuses by itself; null: nothing. */
export function amendRefusal(floor: Floor, order: Resting, { open, less }: Amended): string | null {
  const { account, instrument, side, reduceOnly, lots } = order;
  if (less) return null;
  if (!floor.isOpen(instrument)) return "instrument_closed";
  if (floor.blocked(account, instrument)) return "pool_liquidating";
  if (!reduceOnly) return null;
  const others = floor.reduceOnlyLots(account, instrument, side) - lots;
  return open > reducible(floor.positions.held(account, instrument), side) - others ? "reduce_only_violation" : null;
}

/**
 * Another quantity or price for an order that rests. Less at the same price stays where it stands; anything else goes behind all
 * others of its new price, after it has met what it crosses. A total that has filled already takes the rest off the book. The shards
 * hear of the order as it is then under its own id, or of its `cancel`, so that what they hold for it never differs.
 */
export function amend(floor: Floor, { account, id, total, limit, approval }: Amend): TradingReply {
  const order = floor.orders.get(orderKey(account, id));
  if (order === undefined) {
    if (approval !== null) floor.releaseApproval(account, id, approval);
    return rejected(id, "order_unknown");
  }
  const next = amended(order, total, limit);
  if (next.open <= 0) {
    floor.cancel(order);
    return floor.answered.get(orderKey(account, id)) as TradingReply;
  }
  const refused = amendRefusal(floor, order, next) ?? (next.less || approval !== null ? null : "unapproved");
  if (refused !== null) {
    if (approval !== null) floor.releaseApproval(account, id, approval);
    return { ...rejected(id, refused), filled: floor.filledText(order) };
  }
  return next.less || approval === null ? shrink(floor, order, next, approval) : replace(floor, order, next, approval);
}

function shrink(floor: Floor, order: Resting, { total, open }: Amended, approval: Amend["approval"]): TradingReply {
  if (open < order.lots) {
    floor.book(order.instrument).shrink(order, open);
    order.total = total;
    floor.tellOrder(order);
  } else if (approval !== null) floor.releaseApproval(order.account, order.id, approval);
  return standing(floor, order);
}

/** What is answered of an order that rests. */
export const standing = (floor: Floor, order: Resting): TradingReply => ({
  id: order.id,
  state: "resting",
  filled: floor.filledText(order),
  codes: [],
});

function replace(floor: Floor, order: Resting, next: Amended, { lots: asked, ...approval }: Approved): TradingReply {
  const { account, id, instrument, side, reduceOnly } = order;
  const { total, open, limit } = next;
  // What has filled since risk was asked is held twice: as the order that rested, and as approved.
  const before = { total, held: Math.max(order.lots, asked), placed: order.placed };
  floor.lift(order);
  const kind = { market: false, ioc: false, reduceOnly, ...forRisk(order) };
  const terms = { account, id, instrument, side, lots: open, limit, ...kind };
  const entered = enter(floor, terms, before, approval);
  const reply = replyOf(floor, terms, entered, total - entered.left);
  if (!entered.rests) floor.remember(account, reply);
  return reply;
}
