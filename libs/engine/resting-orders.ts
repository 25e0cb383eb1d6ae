import type { Rational } from "#libs/decimal/index.ts";
import { uncoveredReduceOnly } from "#libs/domain/margin/orders.ts";
import { contractsOf, lotsOf } from "./amounts.ts";
import type { BookOrder } from "./book.ts";
import type { Machine } from "./machine.ts";

/** Reasons for which the matching engine itself has taken the order off its book, or does so with the block of a pool. */
const goneThere: ReadonlySet<string> = new Set(["requested", "liquidation"]);

/** ORD-13: an order that the engine cancels by itself is also to be withdrawn from the matching engine's book. */
export function cancelOrder(machine: Machine, order: BookOrder, reason: string): void {
  machine.book.removeOrder(order);
  machine.fact("order.cancelled", { account: machine.accountName(order.account), id: order.id, reason });
  if (machine.options.venue === "matching" && !goneThere.has(reason)) machine.withdraw(order, reason);
}

/** A fill takes from the resting order it belongs to; an order that is used up is gone. */
export function fillOrder(machine: Machine, account: number, id: string | undefined, qty: Rational): void {
  if (id === undefined) return;
  const order = machine.book.findOrder(account, id);
  if (order === undefined) return;
  const lots = order.lots - lotsOf(machine.instrument(order.instrument), qty);
  if (lots > 0n) machine.book.setOrderQty(order, lots);
  else machine.book.removeOrder(order);
}

/** ORD-05: when a position shrinks below its reduce-only orders, the newest of them are cancelled. */
export function cancelUncoveredReduceOnly(machine: Machine, account: number, instrument: number): void {
  const { book } = machine;
  const own = book.orders(account).filter((one) => one.instrument === instrument && one.reduceOnly);
  if (own.length === 0) return;
  const row = book.findRow(account, instrument);
  const rules = machine.instrument(instrument);
  const held = contractsOf(rules, row < 0 ? 0n : book.qty(row));
  const views = own.map((order) => ({
    id: order.id,
    instrument: rules,
    side: order.side,
    qty: contractsOf(rules, order.lots),
    price: order.price,
    reduceOnly: true,
    leverage: null,
  }));
  for (const gone of uncoveredReduceOnly(held, views)) {
    const order = book.findOrder(account, gone.id);
    if (order !== undefined) cancelOrder(machine, order, "reduce_only_uncovered");
  }
}

/** All resting orders of an account, on one instrument or on all. */
export function cancelOrders(machine: Machine, account: number, instrument: number | null, reason: string): void {
  for (const order of machine.book.orders(account).slice())
    if (instrument === null || order.instrument === instrument) cancelOrder(machine, order, reason);
}
