import { OrderBook, Side as LibrarySide } from "nodejs-order-book";
import type { ForRisk } from "./commands.ts";
import type { Side } from "#libs/contracts/log.ts";
import { ticksMax } from "./grid.ts";

/** An order that stands on a book. `lots` is what is left of it. */
export interface Resting extends ForRisk {
  /** The venue's own number: rising, so it is also the order's place among those of its price. */
  readonly no: number;
  /** Its number when it was placed: an amendment gives another one, but does not make it a younger order of its account. */
  readonly placed: number;
  readonly account: string;
  readonly id: string;
  readonly instrument: string;
  readonly side: Side;
  /** Ticks. */
  readonly price: number;
  /** What the order is for, filled or not. */
  total: number;
  lots: number;
  readonly reduceOnly: boolean;
}

export interface Match {
  readonly maker: Resting;
  readonly lots: number;
}

/**
 * What this file reads of the library beside its public methods: the levels of a side in order of price, since its own `depth()`
 * would copy both sides at every question, and a smaller size in place, since its own `modify` sends every order to the back.
 */
interface Queue {
  readonly price: () => number;
  readonly volume: () => number;
  readonly toArray: () => readonly { readonly id: string }[];
}
interface Levels {
  readonly maxPriceQueue: () => Queue | undefined;
  readonly minPriceQueue: () => Queue | undefined;
  readonly lowerThan: (price: number) => Queue | undefined;
  readonly greaterThan: (price: number) => Queue | undefined;
  readonly updateOrderSize: (order: object, to: { readonly size: number }) => unknown;
}
interface Inside {
  readonly bids: Levels;
  readonly asks: Levels;
  readonly orders: Readonly<Record<string, object>>;
}

export const opposite = (side: Side): Side => (side === "buy" ? "sell" : "buy");
const idOf = (order: Resting | undefined): string => `o${order?.no ?? 0}`;
const librarySide = (side: Side): LibrarySide => (side === "buy" ? LibrarySide.BUY : LibrarySide.SELL);

/** Thrown where the library reports another match than price-time priority gives: the venue stops rather than publish it. */
export class BookDisagrees extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BookDisagrees";
  }
}

/**
 * The book of one instrument, in ticks and lots. Orders carry the venue's numbers as ids, because the library keeps them as keys
 * of a plain object, where a trader's `__proto__` would be no key. Of the library only limit orders are used: its self-trade
 * prevention forgets what an order has filled before it met itself, and its average prices are floating point.
 */
export class InstrumentBook {
  readonly instrument: string;
  readonly #book = new OrderBook();
  readonly #orders = new Map<string, Resting>();
  #takers = 0;

  constructor(instrument: string) {
    this.instrument = instrument;
  }

  get size(): number {
    return this.#orders.size;
  }

  get #inside(): Inside {
    return this.#book as unknown as Inside;
  }

  #levels(side: Side): Levels {
    return side === "buy" ? this.#inside.bids : this.#inside.asks;
  }

  /** Orders that a taker of `side` meets, best price first, oldest first, as far as its limit (ticks) reaches; null: any price. */
  *against(side: Side, limit: number | null): Generator<Resting> {
    for (const queue of this.#queues(side, limit))
      for (const { id } of queue.toArray()) yield this.#orders.get(id) as Resting;
  }

  *#queues(side: Side, limit: number | null): Generator<Queue> {
    const levels = this.#levels(opposite(side));
    let queue = side === "buy" ? levels.minPriceQueue() : levels.maxPriceQueue();
    while (queue !== undefined) {
      const price = queue.price();
      if (limit !== null && (side === "buy" ? price > limit : price < limit)) return;
      yield queue;
      queue = side === "buy" ? levels.greaterThan(price) : levels.lowerThan(price);
    }
  }

  /** Lots that a taker of `side` sees within its limit. */
  seen(side: Side, limit: number | null): number {
    let lots = 0;
    for (const queue of this.#queues(side, limit)) lots += queue.volume();
    return lots;
  }

  /** Ticks of the best order of a side; null: it is empty. */
  best(side: Side): number | null {
    const levels = this.#levels(side);
    return (side === "buy" ? levels.maxPriceQueue() : levels.minPriceQueue())?.price() ?? null;
  }

  /** `[ticks, lots]` of a side, best first. */
  *depth(side: Side): Generator<readonly [price: number, lots: number]> {
    for (const queue of this.#queues(opposite(side), null)) yield [queue.price(), queue.volume()];
  }

  /** Rests behind all others of its price. The caller has matched it first: it must not cross. */
  add(order: Resting): void {
    const id = idOf(order);
    const { err, done } = this.#book.limit({
      id,
      side: librarySide(order.side),
      size: order.lots,
      price: order.price,
    });
    if (err !== null || done.length > 0)
      throw new BookDisagrees(`${this.instrument}: order ${order.no} does not rest: ${err?.message ?? "it matched"}`);
    this.#orders.set(id, order);
  }

  remove(order: Resting): void {
    const id = idOf(order);
    if (this.#book.cancel(id) === undefined)
      throw new BookDisagrees(`${this.instrument}: order ${order.no} is not there`);
    this.#orders.delete(id);
  }

  /** Fewer lots, in the same place of the queue. */
  shrink(order: Resting, lots: number): void {
    const known = this.#inside.orders[idOf(order)];
    if (known === undefined || lots < 1 || lots > order.lots)
      throw new BookDisagrees(`${this.instrument}: order ${order.no} cannot have ${lots} lots`);
    this.#levels(order.side).updateOrderSize(known, { size: lots });
    order.lots = lots;
  }

  /**
   * Carries out matches that were planned, and compares what the library did with them, order by order. The plan says that so much
   * stands there, so that nothing of the taker is left to rest.
   */
  take(side: Side, planned: readonly Match[]): void {
    const lots = planned.reduce((sum, { lots: one }) => sum + one, 0);
    if (lots === 0) return;
    const id = `t${(this.#takers += 1)}`;
    const { err, done, partial, partialQuantityProcessed } = this.#book.limit({
      id,
      side: librarySide(side),
      size: lots,
      price: side === "buy" ? ticksMax : 1,
    });
    const made = done.filter((one) => one.id !== id).map((one) => ({ id: one.id, lots: one.size }));
    if (partial !== null && partial.id !== id) made.push({ id: partial.id, lots: partialQuantityProcessed });
    const agrees =
      err === null &&
      made.length === planned.length &&
      made.every((one, at) => one.id === idOf(planned[at]?.maker) && one.lots === planned[at]?.lots);
    if (!agrees) throw new BookDisagrees(`${this.instrument}: the library matched ${JSON.stringify(made)}`);
    for (const { maker, lots: taken } of planned) {
      maker.lots -= taken;
      if (maker.lots === 0) this.#orders.delete(idOf(maker));
    }
  }
}
