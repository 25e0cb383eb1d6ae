import type { OrderTerms } from "#libs/contracts/live/pre-trade.ts";
import { Rational } from "#libs/decimal/index.ts";
import { bankruptcyPrices } from "#libs/domain/health/bankruptcy.ts";
import { evaluateCross } from "#libs/domain/health/evaluate.ts";
import { leverageUse } from "#libs/domain/margin/leverage.ts";
import type { CrossPool, RestingOrder } from "#libs/domain/positions/views.ts";
import type { HaltState } from "#libs/domain/rule-set/types.ts";
import type { Engine } from "#libs/engine/index.ts";

/** What the slow checker remembers of an approval. */
export interface Approved {
  readonly account: string;
  readonly request: string;
  readonly order: string;
  readonly amends: boolean;
  qty: Rational;
  readonly terms: RestingOrder;
  readonly endsAt: number;
}

const larger = (left: Rational, right: Rational): Rational => (left.above(right) ? left : right);

function dearer(order: RestingOrder, other: Rational | null): Rational | null {
  if (order.price === null || other === null) return order.price ?? other;
  const higher = larger(order.price, other);
  if (order.side === "buy") return higher;
  return higher.equals(order.price) ? other : order.price;
}

/** The account's cross pool with what rests and what is approved, whole and anew. */
export function poolWith(engine: Engine, account: string, approved: readonly Approved[]): CrossPool {
  const { book } = engine.machine;
  const view = book.crossView(book.findAccount(account));
  const orders = [...view.orders];
  for (const { account: owner, order, qty, terms } of approved) {
    if (owner !== account) continue;
    const at = orders.findIndex((one) => one.id === order);
    const known = orders[at];
    if (known === undefined) orders.push({ ...terms, qty });
    else orders[at] = { ...known, qty: larger(known.qty, qty), price: dearer(known, terms.price) };
  }
  return { ...view, orders };
}

export function termsOf(engine: Engine, account: string, order: OrderTerms): RestingOrder {
  const { book } = engine.machine;
  const number = book.instrumentIndex(order.instrument);
  const row = book.findRow(book.findAccount(account), number);
  const instrument = book.instrumentRules(number);
  return {
    id: order.id,
    instrument,
    side: order.side,
    qty: Rational.parse(order.qty),
    price: order.price === undefined ? null : Rational.parse(order.price),
    reduceOnly: order.reduceOnly ?? false,
    leverage: row < 0 ? instrument.maxLeverage : book.leverage(row),
  };
}

/** BRK-01 … BRK-08: `halted` where one of the states in force does not permit the order. */
export function haltedCodes(
  states: readonly HaltState[],
  pool: CrossPool,
  order: RestingOrder,
  replaces: string | null,
): string[] {
  const here = (one: { instrument: { id: string } }): boolean => one.instrument.id === order.instrument.id;
  const held = [...pool.positions, ...pool.isolated].find(here)?.qty ?? Rational.zero;
  const against = order.side === "buy" ? held.sign < 0 : held.sign > 0;
  const ahead = pool.orders.filter(
    (one) => here(one) && one.side === order.side && !one.reduceOnly && one.id !== replaces,
  );
  const together = Rational.sum(ahead.map((one) => one.qty)).plus(order.qty);
  const reduces = against && (order.reduceOnly || together.atMost(held.abs()));
  const forbids: Readonly<Record<HaltState, boolean>> = {
    normal: false,
    reduce_only: !reduces,
    no_new_orders: !reduces || !order.reduceOnly,
    cancel_all: !reduces || !order.reduceOnly,
    paused: true,
  };
  return states.some((one) => forbids[one]) ? ["halted"] : [];
}

/** By the plain rules on whole pools: the codes of margin, leverage, reduce-only sums and ids, in order of precedence. */
export function slowCodes(engine: Engine, pool: CrossPool, order: RestingOrder, replaces: string | null): string[] {
  const { market, rules } = engine.machine;
  const others = pool.orders.filter((one) => one.id !== replaces);
  const orders =
    replaces === null ? [...pool.orders, order] : pool.orders.map((one) => (one.id === replaces ? order : one));
  const after: CrossPool = { ...pool, orders };
  const was = evaluateCross(pool, market, rules);
  const is = evaluateCross(after, market, rules);
  const here = (one: { instrument: { id: string } }): boolean => one.instrument.id === order.instrument.id;
  const position = [...pool.positions, ...pool.isolated].find(here);
  const held = position?.qty ?? Rational.zero;
  const codes: string[] = [];
  if (order.reduceOnly) {
    const sum = Rational.sum(others.filter((one) => here(one) && one.reduceOnly).map((one) => one.qty));
    const against = order.side === "buy" ? held.sign < 0 : held.sign > 0;
    if (!against || sum.plus(order.qty).above(held.abs())) codes.push("reduce_only_violation");
  }
  if (others.some((one) => one.id === order.id)) codes.push("duplicate_order_id");
  if (is.im.atMost(was.im) && noWorse(engine, pool, order, held)) return codes;
  const uses = leverageUse(after, is.initialEquity, market, rules);
  if (!order.reduceOnly && uses.some((one) => one.exceeded)) codes.push("leverage");
  if (is.im.above(is.initialEquity)) codes.push("initial_margin");
  return codes;
}

function noWorse(engine: Engine, pool: CrossPool, order: RestingOrder, held: Rational): boolean {
  if (held.isZero()) return true;
  const { market, rules } = engine.machine;
  const price = bankruptcyPrices(pool, market, rules).get(order.instrument.id) ?? null;
  const limit = order.price ?? market.mark(order.instrument.id);
  if (price === null || price.sign <= 0) return held.sign > 0;
  return order.side === "sell" ? limit.atLeast(price) : limit.atMost(price);
}
