import { Rational } from "#libs/decimal/index.ts";
import type { CrossPool, RestingOrder } from "#libs/domain/positions/views.ts";
import type { Machine } from "../machine.ts";
import type { GateMode } from "./checks.ts";
import { Fifo } from "./fifo.ts";
import type { ReadRates, RecordedRates } from "./rates.ts";

/** What an approval holds until the log says what became of it; plain, so that it can be recorded. Times are monotonic ms. */
export interface ReservationView {
  readonly request: string;
  readonly order: string;
  readonly instrument: string;
  readonly side: "buy" | "sell";
  /** Contracts still held. */
  readonly qty: string;
  /** null: a market order. */
  readonly price: string | null;
  readonly reduceOnly: boolean;
  /** Another quantity or price for an order that rests or is approved, rather than a new order. */
  readonly amends: boolean;
  /** Part of it has traded: the log knows of the order. */
  readonly traded?: true;
  readonly expiresAt: number;
}

/** What of the overlay a decision read: with the book at its log position enough to make it again (`recheck`). */
export interface OverlaySnapshot {
  readonly mode: GateMode;
  readonly reason: string;
  /** By account, oldest first. */
  readonly reservations: Readonly<Record<string, readonly ReservationView[]>>;
  /** A code that the overlay gave by itself, without looking at any account. */
  readonly alone: string | null;
  /** By window of velocity: how many orders, of how many 1e-8 USD, had been approved in it; absent where nothing had. */
  readonly rates?: ReadRates | RecordedRates;
}

/** A reservation with its exact numbers; immutable but for being dropped. */
export interface Held {
  readonly account: string;
  readonly number: number;
  readonly view: ReservationView;
  readonly qty: Rational;
  readonly price: Rational | null;
}

const none: readonly ReservationView[] = [];
const nothing: readonly Held[] = [];

class Owner {
  /** Grows in place; where one leaves or changes, another array takes its place. */
  held: Held[] = [];
  #views: readonly ReservationView[] | null = none;

  /** As recorded: an array that never changes. */
  get views(): readonly ReservationView[] {
    this.#views ??= this.held.map((one) => one.view);
    return this.#views;
  }
  push(held: Held): void {
    this.held.push(held);
    this.#views = null;
  }
  set(held: Held[]): void {
    this.held = held;
    this.#views = null;
  }
}

const numbersOf = ({ qty, price }: ReservationView): Pick<Held, "qty" | "price"> => ({
  qty: Rational.parse(qty),
  price: price === null ? null : Rational.parse(price),
});

/** Reservations by account and in order of age. */
export class Reservations {
  readonly #owners = new Map<string, Owner>();
  readonly #byNumber = new Map<number, Held>();
  /** Numbers in order of age; those of dropped ones leave when they come to the front. */
  readonly #ages = new Fifo<number>();
  #next = 0;

  get size(): number {
    return this.#byNumber.size;
  }
  /** Those of an account, oldest first: the same array while none leaves or changes, longer with each that comes. */
  of(account: string): readonly Held[] {
    return this.#owners.get(account)?.held ?? nothing;
  }
  views(account: string): readonly ReservationView[] {
    return this.#owners.get(account)?.views ?? none;
  }

  /** How many new orders of an account are approved of which the log has not told yet. */
  pending(account: string): number {
    return this.of(account).filter(({ view }) => !view.amends && view.traded !== true).length;
  }

  /** `exact`: the numbers of the view. */
  add(account: string, view: ReservationView, exact: Pick<Held, "qty" | "price"> = numbersOf(view)): void {
    let owner = this.#owners.get(account);
    if (owner === undefined) this.#owners.set(account, (owner = new Owner()));
    const held = { account, number: this.#next, view, qty: exact.qty, price: exact.price };
    this.#next += 1;
    owner.push(held);
    this.#byNumber.set(held.number, held);
    this.#ages.push(held.number);
  }

  drop(gone: Held): void {
    if (this.#byNumber.delete(gone.number)) this.#keep(gone.account, (one) => one.number !== gone.number);
  }

  /** A part of it has filled: the rest is held on, or nothing is left. */
  reduce(held: Held, by: Rational): void {
    const qty = held.qty.minus(by);
    if (qty.sign <= 0) return this.drop(held);
    const owner = this.#owners.get(held.account) as Owner;
    const left: Held = { ...held, qty, view: { ...held.view, qty: qty.toStringDown(), traded: true } };
    owner.set(owner.held.map((one) => (one === held ? left : one)));
    // Its number keeps its place: the age is that of the approval.
    this.#byNumber.set(held.number, left);
  }

  /** Drops what may not be used any longer, the oldest first; those of one account together. */
  dropUntil(isOver: (held: Held) => boolean): void {
    const accounts = new Set<string>();
    for (let number = this.#ages.first; number !== undefined; number = this.#ages.first) {
      const held = this.#byNumber.get(number);
      if (held !== undefined && !isOver(held)) break;
      if (held !== undefined) accounts.add(held.account);
      this.#byNumber.delete(number);
      this.#ages.shift();
    }
    for (const account of accounts) this.#keep(account, (one) => this.#byNumber.has(one.number));
  }

  #keep(account: string, which: (held: Held) => boolean): void {
    const owner = this.#owners.get(account);
    if (owner === undefined) return;
    owner.set(owner.held.filter(which));
    if (owner.held.length === 0) this.#owners.delete(account);
  }
}

/** A buy reserves more at a higher price, a sell at a lower one; a market order is reserved at mark, whatever that will be. */
function dearer(side: "buy" | "sell", left: Rational | null, right: Rational | null): Rational | null {
  if (left === null || right === null) return left ?? right;
  return side === "buy" ? Rational.max(left, right) : Rational.min(left, right);
}

/**
 * The orders of an account as the gate sees them: those of the book, oldest first, then those approved, in the order of their
 * approval. An order that is being amended counts with the larger quantity and the price that reserves more.
 */
export function ordersWith(machine: Machine, account: number, view: CrossPool, held: readonly Held[]): RestingOrder[] {
  const orders = [...view.orders];
  if (held.length === 0) return orders;
  const places = new Map(orders.map((order, at) => [order.id, at]));
  for (const { view: one, qty, price } of held) {
    const at = places.get(one.order);
    const known = at === undefined ? undefined : orders[at];
    if (at !== undefined && known !== undefined) {
      const most = Rational.max(known.qty, qty);
      orders[at] = { ...known, qty: most, price: dearer(known.side, known.price, price) };
      continue;
    }
    const { book } = machine;
    const instrument = book.instrumentIndex(one.instrument);
    // Rules that no longer list an instrument leave nothing that could be booked on it.
    if (instrument < 0 || !book.isInstrumentListed(instrument)) continue;
    const rules = book.instrumentRules(instrument);
    const row = account < 0 ? -1 : book.findRow(account, instrument);
    places.set(one.order, orders.length);
    orders.push({
      id: one.order,
      instrument: rules,
      side: one.side,
      qty,
      price,
      reduceOnly: one.reduceOnly,
      leverage: row < 0 ? rules.maxLeverage : book.leverage(row),
    });
  }
  return orders;
}
