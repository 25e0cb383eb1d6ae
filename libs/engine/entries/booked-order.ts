import { Rational } from "#libs/decimal/index.ts";
import type { Entry } from "#libs/contracts/log.ts";
import { cancelsRestingOrders } from "#libs/domain/breakers/states.ts";
import { countOrder, noteStop } from "../activity.ts";
import { lotsOf } from "../amounts.ts";
import type { BookOrder } from "../book.ts";
import { gateOf } from "../gates.ts";
import type { Machine } from "../machine.ts";
import { cancelOrder, cancelUncoveredReduceOnly } from "../resting-orders.ts";

type OrderEntry = Extract<Entry, { k: "order" }>;

/**
 * ORD-12: an order that rests at a matching engine is booked as it comes: the matching engine is the truth for orders. One that
 * should not be there is flagged and is to be withdrawn; it reserves margin until it is gone. The same id again is the order
 * amended, in its place. `OrderEntry` has passed `assertUsable`.
 */
export function bookOrder(machine: Machine, entry: OrderEntry): void {
  const { book } = machine;
  const account = book.internAccount(entry.account);
  const instrument = book.instrumentIndex(entry.instrument);
  const rules = machine.instrument(instrument);
  const before = book.findOrder(account, entry.id);
  const order: BookOrder = {
    account,
    id: entry.id,
    instrument,
    side: entry.side,
    lots: lotsOf(rules, Rational.parse(entry.qty)),
    price: entry.price === undefined ? null : Rational.parse(entry.price),
    reduceOnly: entry.reduceOnly ?? false,
    seq: before?.seq ?? machine.appliedSeq,
  };
  if (before !== undefined) book.removeOrder(before);
  else countOrder(machine, account, entry.id);
  noteStop(machine, account, instrument, entry.stop);
  book.addOrder(order);
  // Less of what rests already needs nobody's leave.
  const less = before !== undefined && isLess(order, before);
  const late = !less && entry.approval !== undefined && entry.t > entry.approval.until;
  const unapproved = !less && entry.approval === undefined;
  machine.fact("order.booked", {
    account: entry.account,
    id: entry.id,
    instrument: entry.instrument,
    side: entry.side,
    qty: entry.qty,
    price: entry.price ?? null,
    late,
    unapproved,
  });
  const reason = late ? "approval_expired" : unapproved ? "unapproved" : whyNotHere(machine, order);
  if (reason !== null) machine.withdraw(order, reason);
  if (order.reduceOnly) cancelUncoveredReduceOnly(machine, account, instrument);
}

function isLess(order: BookOrder, before: BookOrder): boolean {
  const samePrice =
    order.price === null || before.price === null ? order.price === before.price : order.price.equals(before.price);
  return (
    order.instrument === before.instrument &&
    order.side === before.side &&
    order.reduceOnly === before.reduceOnly &&
    samePrice &&
    order.lots <= before.lots
  );
}

/** Why an approved order must not rest all the same: what it was approved under has changed. */
function whyNotHere(machine: Machine, order: BookOrder): string | null {
  const { book } = machine;
  const row = book.findRow(order.account, order.instrument);
  const pool = row >= 0 && book.isIsolated(row) ? book.isolatedPool(row) : book.crossPool(order.account);
  if (machine.liquidating(pool)) return "liquidation";
  if (machine.closedInstruments.has(order.instrument)) return "expired";
  const gate = gateOf(machine, order.account, machine.instrument(order.instrument).id);
  return cancelsRestingOrders(gate.state) ? "halt" : null;
}

/** A cancel of what does not rest says that nothing comes of it any more, which is nothing to the book. */
export function bookCancel(machine: Machine, entry: Extract<Entry, { k: "cancel" }>): void {
  const account = machine.book.findAccount(entry.account);
  const order = account < 0 ? undefined : machine.book.findOrder(account, entry.id);
  if (order !== undefined) cancelOrder(machine, order, "requested");
}

/** ORD-13: an order that was to be withdrawn is gone; one that was kept until now goes here too. */
export function applyWithdrawn(machine: Machine, entry: Extract<Entry, { k: "withdrawn" }>): void {
  const open = machine.openEffects.get(entry.effect);
  if (open?.effect !== "withdraw") {
    machine.fact("outcome.ignored", { effect: entry.effect, kind: entry.k });
    return;
  }
  machine.effectDone(entry.effect);
  const { book } = machine;
  const account = book.findAccount(open.account);
  const order = account < 0 ? undefined : book.findOrder(account, open.order);
  if (order === undefined) return;
  book.removeOrder(order);
  machine.fact("order.cancelled", { account: open.account, id: open.order, reason: open.reason });
}
