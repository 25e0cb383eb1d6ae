import type { AmendRequest } from "#libs/contracts/live/pre-trade.ts";
import { Rational } from "#libs/decimal/index.ts";
import { type Binding, type Bindings, effective, mayBind } from "#libs/domain/limits/effective.ts";
import type { Subject } from "#libs/domain/limits/subject.ts";
import type { RestingOrder } from "#libs/domain/positions/views.ts";
import type { LimitKey } from "#libs/domain/rule-set/limit-types.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import type { Change, Standing } from "./standing.ts";

/** An order as it is asked about, in text; without a price: a market order. */
export interface OrderAsked {
  readonly id: string;
  readonly instrument: string;
  readonly side: "buy" | "sell";
  readonly qty: string;
  readonly price?: string;
  readonly reduceOnly?: boolean;
  readonly stop?: string;
  readonly key?: string;
}

/** What is asked for, in exact numbers. */
export interface Wanted {
  readonly standing: Standing;
  readonly instrument: number;
  readonly rules: InstrumentRules;
  readonly order: RestingOrder;
  readonly change: Change;
  readonly subject: Subject;
  /** Signed contracts. */
  readonly held: Rational;
  /** What rests or is approved on its side and may open, contracts. */
  readonly ahead: Rational;
  /** Every fill of it would shrink the position. */
  readonly reduces: boolean;
}

/** The asked order with the leverage that the account has chosen; null: the rules list no such instrument. */
export function exactOrder(standing: Pick<Standing, "machine" | "account">, asked: OrderAsked): RestingOrder | null {
  const { book } = standing.machine;
  const instrument = book.instrumentIndex(asked.instrument);
  if (instrument < 0 || !book.isInstrumentListed(instrument)) return null;
  const rules = book.instrumentRules(instrument);
  const row = standing.account < 0 ? -1 : book.findRow(standing.account, instrument);
  return {
    id: asked.id,
    instrument: rules,
    side: asked.side,
    qty: Rational.parse(asked.qty),
    price: asked.price === undefined ? null : Rational.parse(asked.price),
    reduceOnly: asked.reduceOnly ?? false,
    leverage: row < 0 ? rules.maxLeverage : book.leverage(row),
  };
}

/** A new order, with what else it says of itself. */
export function newOrder(order: RestingOrder, { stop, key }: Pick<OrderAsked, "stop" | "key">): Change {
  return { order, replaces: null, key: key ?? null, stop: stop === undefined ? null : Rational.parse(stop) };
}

/** An order with the quantity (still open) and price that it shall have, and as it stands; null: the account has no such order. */
export function amendment(
  standing: Standing,
  { order, qty, price, stop, key }: AmendRequest,
): { readonly old: RestingOrder; readonly change: Change } | null {
  const old = standing.orders.find((one) => one.id === order);
  if (old === undefined) return null;
  const next: RestingOrder = {
    ...old,
    qty: qty === undefined ? old.qty : Rational.parse(qty),
    price: price === undefined ? old.price : Rational.parse(price),
  };
  const terms = { ...(stop === undefined ? {} : { stop }), ...(key === undefined ? {} : { key }) };
  return { old, change: { ...newOrder(next, terms), replaces: order } };
}

export function wantedOf(standing: Standing, change: Change): Wanted {
  const { order } = change;
  const rules = order.instrument;
  const instrument = standing.machine.book.instrumentIndex(rules.id);
  const held = standing.position(rules.id)?.qty ?? Rational.zero;
  const against = order.side === "buy" ? held.sign < 0 : held.sign > 0;
  const ahead = restingBut(standing, change, false);
  const reduces = against && (order.reduceOnly || ahead.plus(order.qty).atMost(held.abs()));
  const subject = { account: standing.name, key: change.key ?? null, entity: standing.entity };
  return { standing, instrument, rules, order, change, subject, held, ahead, reduces };
}

/** Contracts that rest or are approved on the side of an order, the one that it replaces left out. */
export function restingBut(standing: Standing, { order, replaces }: Change, reduceOnly: boolean): Rational {
  const { id } = order.instrument;
  const all = standing.resting(id, order.side, reduceOnly);
  const old = replaces === null ? undefined : standing.orders.find((one) => one.id === replaces);
  const counts = old !== undefined && old.instrument.id === id && old.side === order.side;
  return counts && old.reduceOnly === reduceOnly ? all.minus(old.qty) : all;
}

const unbound: Bindings = { owner: null, account: null };

/** What a limit binds the order to, on its own instrument or on another. */
export function bindingsOf(wanted: Wanted, key: LimitKey, instrument: InstrumentRules = wanted.rules): Bindings {
  const { machine } = wanted.standing;
  const { hierarchy } = machine.rules;
  if (!mayBind(hierarchy, key, wanted.subject)) return unbound;
  return effective(hierarchy, key, wanted.subject, instrument, machine.t);
}

/** The figure of a limit that binds accounts alone. */
export function ownBinding(wanted: Wanted, key: LimitKey, instrument: InstrumentRules = wanted.rules): Binding | null {
  return bindingsOf(wanted, key, instrument).account;
}
