import type { Rational } from "#libs/decimal/index.ts";
import { checkWide } from "./columns.ts";
import { nearestFloat } from "./floats.ts";
import type { Reader, Writer } from "./writer.ts";

/** A resting order: what is still open of it. */
export interface BookOrder {
  readonly account: number;
  readonly id: string;
  readonly instrument: number;
  readonly side: "buy" | "sell";
  /** Lots still open, positive. */
  readonly lots: bigint;
  /** null: a market order. */
  readonly price: Rational | null;
  readonly reduceOnly: boolean;
  /** Log position at which it came: smaller is older. */
  readonly seq: number;
}

/** As it is kept, with what screens read of it. */
export interface KeptOrder extends BookOrder {
  readonly lotsFloat: number;
  /** NaN: a market order. */
  readonly priceFloat: number;
}

const none: readonly KeptOrder[] = [];
/** Above this many orders an account gets a map, so that a market maker's cancel does not search a list. */
const searchedMax = 16;

class OrderList {
  readonly orders: KeptOrder[] = [];
  private byId: Map<string, KeptOrder> | null = null;

  find(id: string): KeptOrder | undefined {
    if (this.byId !== null) return this.byId.get(id);
    if (this.orders.length > searchedMax) {
      this.byId = new Map(this.orders.map((order) => [order.id, order]));
      return this.byId.get(id);
    }
    for (const order of this.orders) if (order.id === id) return order;
    return undefined;
  }

  add(order: KeptOrder): void {
    if (this.find(order.id) !== undefined) throw new RangeError(`order ${order.id} rests already`);
    let at = this.orders.length;
    while (at > 0 && (this.orders[at - 1] as KeptOrder).seq > order.seq) at -= 1;
    this.orders.splice(at, 0, order);
    this.byId?.set(order.id, order);
  }

  remove(order: BookOrder): void {
    const at = this.orders.indexOf(order as KeptOrder);
    if (at < 0) throw new RangeError(`order ${order.id} does not rest`);
    this.orders.splice(at, 1);
    this.byId?.delete(order.id);
  }
}

/** Resting orders by account, oldest first. */
export class OrderTable {
  private readonly lists: (OrderList | undefined)[] = [];
  /** By instrument: how many rest. */
  private readonly counts: number[] = [];

  of(account: number): readonly KeptOrder[] {
    return this.lists[account]?.orders ?? none;
  }
  find(account: number, id: string): KeptOrder | undefined {
    return this.lists[account]?.find(id);
  }
  count(instrument: number): number {
    return this.counts[instrument] ?? 0;
  }

  /** Throws `OutOfRange` for too many lots, `RangeError` for an id that rests already; nothing has changed then. */
  add(order: BookOrder): void {
    checkWide(order.lots, "order");
    while (this.lists.length <= order.account) this.lists.push(undefined);
    const list = (this.lists[order.account] ??= new OrderList());
    const { account, id, instrument, side, lots, price, reduceOnly, seq } = order;
    const priceFloat = price === null ? NaN : nearestFloat(price);
    list.add({ account, id, instrument, side, lots, price, reduceOnly, seq, lotsFloat: Number(lots), priceFloat });
    while (this.counts.length <= order.instrument) this.counts.push(0);
    this.counts[order.instrument] = this.count(order.instrument) + 1;
  }

  setLots(order: BookOrder, lots: bigint): void {
    checkWide(lots, "order");
    const kept = order as { -readonly [K in keyof KeptOrder]: KeptOrder[K] };
    kept.lots = lots;
    kept.lotsFloat = Number(lots);
  }

  /** Throws `RangeError` when the order does not rest. */
  remove(order: BookOrder): void {
    const list = this.lists[order.account];
    if (list === undefined) throw new RangeError(`order ${order.id} does not rest`);
    list.remove(order);
    this.counts[order.instrument] = this.count(order.instrument) - 1;
    if (list.orders.length === 0) this.lists[order.account] = undefined;
  }

  /** What of an order everyone must agree on, but whose it is. */
  static write(order: BookOrder, writer: Writer): void {
    writer.text(order.id);
    writer.flag(order.side === "buy");
    writer.integer(order.lots);
    writer.optionalRational(order.price);
    writer.flag(order.reduceOnly);
    writer.natural(order.seq);
  }

  save(writer: Writer): void {
    const all = this.lists.flatMap((list) => list?.orders ?? []);
    writer.natural(all.length);
    for (const order of all) {
      writer.natural(order.account);
      writer.natural(order.instrument);
      OrderTable.write(order, writer);
    }
  }

  load(reader: Reader): void {
    const count = reader.count();
    for (let at = 0; at < count; at += 1)
      this.add({
        account: reader.natural(),
        instrument: reader.natural(),
        id: reader.text(),
        side: reader.flag() ? "buy" : "sell",
        lots: reader.integer(),
        price: reader.optionalRational(),
        reduceOnly: reader.flag(),
        seq: reader.natural(),
      });
  }
}
