import { Rational } from "#libs/decimal/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { leverageUse, notionalsUsd } from "#libs/domain/margin/leverage.ts";
import { bankruptcyPrices } from "#libs/domain/health/bankruptcy.ts";
import { type CrossHealth, evaluateCross } from "#libs/domain/health/evaluate.ts";
import { permitted } from "#libs/domain/mark-price/quality.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { CrossPool, RestingOrder } from "#libs/domain/positions/views.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { contractsOf, lotsOf } from "../amounts.ts";
import { gateOf, pricesGood } from "../gates.ts";
import type { Machine } from "../machine.ts";
import { markOf } from "../pools.ts";
import { cancelOrder } from "../resting-orders.ts";
import { orderReceipt } from "../receipts.ts";

type OrderEntry = Extract<EntryBody, { k: "order" }>;

/** Codes of refusal in order of precedence, with the numbers of each: value and bound. */
class Refusal {
  readonly codes: string[] = [];
  readonly numbers: Record<string, { value: string; bound: string }> = {};

  add(code: string, value = "", bound = ""): void {
    if (this.codes.includes(code)) return;
    this.codes.push(code);
    if (value !== "") this.numbers[code] = { value, bound };
  }
}

/** What is asked for, in exact numbers. */
interface Wanted {
  readonly account: number;
  readonly instrument: number;
  readonly rules: InstrumentRules;
  readonly order: RestingOrder;
  /** Signed contracts. */
  readonly held: Rational;
  /** What rests before it on its side and may open, contracts. */
  readonly ahead: Rational;
  /** Every fill of it would shrink the position. */
  readonly reduces: boolean;
}

function wantedOf(machine: Machine, entry: OrderEntry): Wanted {
  const { book } = machine;
  const account = book.internAccount(entry.account);
  const instrument = book.instrumentIndex(entry.instrument);
  const rules = machine.instrument(instrument);
  const row = book.findRow(account, instrument);
  const held = row < 0 ? Rational.zero : contractsOf(rules, book.qty(row));
  const qty = Rational.parse(entry.qty);
  const order: RestingOrder = {
    id: entry.id,
    instrument: rules,
    side: entry.side,
    qty,
    price: entry.price === undefined ? null : Rational.parse(entry.price),
    reduceOnly: entry.reduceOnly ?? false,
    leverage: row < 0 ? rules.maxLeverage : book.leverage(row),
  };
  const against = entry.side === "buy" ? held.sign < 0 : held.sign > 0;
  const resting = book
    .orders(account)
    .filter((one) => one.instrument === instrument && one.side === entry.side && !one.reduceOnly);
  const ahead = Rational.sum(resting.map((one) => contractsOf(rules, one.lots)));
  const reduces = against && ahead.plus(qty).atMost(held.abs());
  return { account, instrument, rules, order, held, ahead, reduces: reduces || (order.reduceOnly && against) };
}

/** PRE checks that need no margin: grid, size, band, reduce-only, halts, quality (RULES §12 in its order). */
function checkForm(machine: Machine, wanted: Wanted, refusal: Refusal): void {
  const { rules, order, account, instrument, held } = wanted;
  const gate = gateOf(machine, account, rules.id);
  const allowed = wanted.reduces ? gate.permits("reduce_risk") : gate.permits("open_risk");
  if (!allowed || (gate.reduceOnlyMarkNeeded && !order.reduceOnly) || machine.auditFailure !== null)
    refusal.add("halted", gate.state, "normal");
  if (machine.closedInstruments.has(instrument)) refusal.add("instrument_closed");
  if (order.price !== null && rules.tick !== null && !order.price.isMultipleOf(rules.tick))
    refusal.add("tick_size", order.price.toStringDown(), rules.tick.toStringDown());
  if (!order.qty.isMultipleOf(rules.lot)) refusal.add("lot_size", order.qty.toStringDown(), rules.lot.toStringDown());
  const { maxOrderQty } = rules.limits;
  if (maxOrderQty !== null && order.qty.above(maxOrderQty))
    refusal.add("order_size", order.qty.toStringDown(), maxOrderQty.toStringDown());
  const mark = markOf(machine, instrument);
  const price = order.price ?? mark;
  const size = notional(rules, order.qty, price);
  if (!order.reduceOnly && !wanted.reduces && size.below(rules.minNotional))
    refusal.add("min_notional", size.toStringDown(), rules.minNotional.toStringDown());
  if (order.price !== null && rules.priceBand !== null) {
    const distance = order.price.minus(mark).abs();
    if (distance.above(mark.times(rules.priceBand)))
      refusal.add("price_band", order.price.toStringDown(), mark.times(rules.priceBand).toStringDown());
  }
  if (order.reduceOnly) {
    const against = order.side === "buy" ? held.sign < 0 : held.sign > 0;
    const own = machine.book.orders(account).filter((one) => one.instrument === instrument && one.reduceOnly);
    const resting = Rational.sum(own.map((one) => contractsOf(rules, one.lots)));
    if (!against || resting.plus(order.qty).above(held.abs()))
      refusal.add("reduce_only_violation", resting.plus(order.qty).toStringDown(), held.abs().toStringDown());
  }
  if (machine.book.findOrder(account, order.id) !== undefined) refusal.add("duplicate_order_id");
  const row = machine.book.findRow(account, instrument);
  const isolated = row >= 0 && machine.book.isIsolated(row);
  if (machine.liquidating(isolated ? machine.book.isolatedPool(row) : machine.book.crossPool(account)))
    refusal.add("pool_liquidating");
  const quality = machine.book.market.instrumentQuality(instrument);
  if (permitted(wanted.reduces ? "reduce_risk" : "open_risk", quality) !== "yes")
    refusal.add("price_quality", quality, "good");
  // Opening risk leans on everything that equity is made of, not on this one mark alone.
  if (!wanted.reduces && !pricesGood(machine, machine.book.crossView(account))) refusal.add("price_quality");
}

/** ORD-07 … ORD-10: leverage and initial margin; an order that does not raise the requirement passes if it cannot bankrupt. */
function checkMargin(machine: Machine, wanted: Wanted, refusal: Refusal): void {
  const { market, rules: ruleSet, book } = machine;
  const before = book.crossView(wanted.account);
  const after: CrossPool = { ...before, orders: [...before.orders, wanted.order] };
  const was = evaluateCross(before, market, ruleSet);
  const is = evaluateCross(after, market, ruleSet);
  if (is.im.atMost(was.im) && noWorseThanBankruptcy(machine, wanted)) return;
  if (!wanted.order.reduceOnly) checkExposure(machine, after, is, refusal);
  if (is.im.above(is.initialEquity)) refusal.add("initial_margin", is.im.toStringUp(), is.initialEquity.toStringDown());
}

/** ORD-07, ORD-08 and the account's limits, which only orders that may open something meet. */
function checkExposure(machine: Machine, after: CrossPool, is: CrossHealth, refusal: Refusal): void {
  const { market, rules: ruleSet } = machine;
  for (const use of leverageUse(after, is.initialEquity, market, ruleSet))
    if (use.exceeded) refusal.add("leverage", use.notionalUsd.toStringUp(), use.limitUsd.toStringDown());
  const { maxNotionalUsd } = ruleSet.limits;
  const total = Rational.sum(notionalsUsd(after, market).values());
  if (maxNotionalUsd !== null && total.above(maxNotionalUsd))
    refusal.add("notional_limit", total.toStringUp(), maxNotionalUsd.toStringDown());
  const collateral = Rational.sum(is.collateral.map((row) => Rational.max(row.value, Rational.zero)));
  for (const row of is.collateral) {
    const { concentration } = market.asset(row.asset);
    if (concentration === null || row.value.sign <= 0 || row.value.atMost(collateral.times(concentration))) continue;
    refusal.add("collateral_concentration", row.value.toStringUp(), collateral.times(concentration).toStringDown());
  }
}

function noWorseThanBankruptcy(machine: Machine, { account, instrument, rules, order }: Wanted): boolean {
  const { book, market } = machine;
  const row = book.findRow(account, instrument);
  if (row < 0 || book.qty(row) === 0n) return true;
  const long = book.qty(row) > 0n;
  const pool = book.isIsolated(row) ? book.isolatedView(row) : book.crossView(account);
  const price = bankruptcyPrices(pool, market, machine.rules).get(rules.id) ?? null;
  const mark = markOf(machine, instrument);
  const edge = rules.priceBand ?? Rational.zero;
  const away = order.side === "buy" ? Rational.one.plus(edge) : Rational.one.minus(edge);
  const limit = order.price ?? mark.times(away);
  // A linear long at or below zero and an inverse short without a price cannot go bankrupt; the others are so already.
  if (price === null || price.sign <= 0) return rules.kind === "linear" ? long : !long;
  return order.side === "sell" ? limit.atLeast(price) : limit.atMost(price);
}

function checkLimits(machine: Machine, wanted: Wanted, refusal: Refusal): void {
  if (wanted.reduces) return;
  const { limits } = wanted.rules;
  const { book } = machine;
  const direction = wanted.order.side === "buy" ? Rational.one : Rational.one.negated();
  const reached = wanted.held.plus(wanted.ahead.plus(wanted.order.qty).times(direction));
  const sided = reached.sign > 0 ? limits.maxLong : limits.maxShort;
  for (const limit of [limits.maxPosition, sided])
    if (limit !== null && reached.abs().above(limit))
      refusal.add("position_limit", reached.abs().toStringUp(), limit.toStringDown());
  const open = contractsOf(wanted.rules, book.longLots(wanted.instrument)).plus(wanted.order.qty);
  if (limits.maxOpenInterest !== null && open.above(limits.maxOpenInterest))
    refusal.add("open_interest_limit", open.toStringUp(), limits.maxOpenInterest.toStringDown());
  if (limits.maxOpenInterestShare !== null && reached.abs().above(open.times(limits.maxOpenInterestShare)))
    refusal.add(
      "open_interest_share",
      reached.abs().toStringUp(),
      open.times(limits.maxOpenInterestShare).toStringDown(),
    );
  const { maxOpenPositions } = machine.rules.limits;
  if (maxOpenPositions !== null && wanted.held.isZero()) {
    let count = 1;
    for (let row = book.firstRow(wanted.account); row >= 0; row = book.nextRow(row))
      if (book.qty(row) !== 0n) count += 1;
    if (count > maxOpenPositions) refusal.add("open_positions", String(count), String(maxOpenPositions));
  }
}

/** An order that would rest: all reasons against it, or it rests and reserves. */
export function applyOrder(machine: Machine, entry: OrderEntry): void {
  const wanted = wantedOf(machine, entry);
  const refusal = new Refusal();
  checkForm(machine, wanted, refusal);
  checkMargin(machine, wanted, refusal);
  checkLimits(machine, wanted, refusal);
  if (refusal.codes.length > 0) {
    const seq = machine.fact("order.rejected", {
      account: entry.account,
      id: entry.id,
      instrument: entry.instrument,
      codes: refusal.codes,
      numbers: refusal.numbers,
    });
    orderReceipt(machine, seq, wanted.account, wanted.order, refusal.codes, refusal.numbers);
    return;
  }
  machine.book.addOrder({
    account: wanted.account,
    id: entry.id,
    instrument: wanted.instrument,
    side: entry.side,
    lots: lotsOf(wanted.rules, wanted.order.qty),
    price: wanted.order.price,
    reduceOnly: wanted.order.reduceOnly,
    seq: machine.appliedSeq,
  });
  machine.fact("order.accepted", { account: entry.account, id: entry.id, instrument: entry.instrument });
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
