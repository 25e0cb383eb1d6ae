import type { EntryBody } from "#libs/contracts/log.ts";
import type { Rational } from "#libs/decimal/index.ts";
import type { Refusal } from "#libs/domain/pre-trade/codes.ts";
import { countOrder, noteStop } from "../activity.ts";
import { lotsOf } from "../amounts.ts";
import { judge } from "../gate/checks.ts";
import { largestPassing } from "../gate/largest.ts";
import { Standing } from "../gate/standing.ts";
import { exactOrder, newOrder } from "../gate/wanted.ts";
import type { Machine } from "../machine.ts";
import { orderReceipt } from "../receipts.ts";
import { cancelOrder } from "../resting-orders.ts";

type OrderEntry = Extract<EntryBody, { k: "order" }>;

const named = ({ account, id, instrument }: OrderEntry) => ({ account, id, instrument });

/** LIM-10: what checks in shadow would have refused is told, whether the order passes or not. */
function tellShadow(machine: Machine, entry: OrderEntry, refusal: Refusal): void {
  const codes = refusal.shadow();
  if (codes.length > 0) machine.fact("order.shadowed", { ...named(entry), codes, numbers: refusal.shadowNumbers });
}

/** An order that would rest: all reasons against it, or it rests and reserves. */
export function applyOrder(machine: Machine, entry: OrderEntry): void {
  const { book } = machine;
  const standing = new Standing(machine, entry.account, book.internAccount(entry.account), (view) => view.orders);
  const order = exactOrder(standing, entry);
  // The door has made sure that the instrument is listed.
  if (order === null) return;
  const change = newOrder(order, entry);
  const refusal = judge(standing, change);
  tellShadow(machine, entry, refusal);
  if (!refusal.isEmpty) {
    const codes = refusal.codes();
    const { numbers } = refusal;
    const seq = machine.fact("order.rejected", { ...named(entry), codes, numbers });
    const largest = (): Rational | null => largestPassing(standing, change);
    orderReceipt(machine, seq, standing.account, order, codes, numbers, largest);
    return;
  }
  book.addOrder({
    account: standing.account,
    id: entry.id,
    instrument: book.instrumentIndex(entry.instrument),
    side: entry.side,
    lots: lotsOf(order.instrument, order.qty),
    price: order.price,
    reduceOnly: order.reduceOnly,
    seq: machine.appliedSeq,
  });
  countOrder(machine, standing.account, entry.id);
  noteStop(machine, standing.account, book.instrumentIndex(entry.instrument), entry.stop);
  machine.fact("order.accepted", named(entry));
}

export function applyCancel(machine: Machine, entry: Extract<EntryBody, { k: "cancel" }>): void {
  const account = machine.book.internAccount(entry.account);
  const order = machine.book.findOrder(account, entry.id);
  if (order === undefined) {
    machine.fact("cancel.rejected", { account: entry.account, id: entry.id, codes: ["order_unknown"] });
    return;
  }
  cancelOrder(machine, order, "requested");
}
