import { Rational } from "#libs/decimal/index.ts";
import { bankruptcyPrices } from "#libs/domain/health/bankruptcy.ts";
import { permitted } from "#libs/domain/mark-price/quality.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { RestingOrder } from "#libs/domain/positions/views.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { bookable, contractsOf, lotsOf } from "../amounts.ts";
import { gateOfName, pricesGood } from "../gates.ts";
import { PriceMissing } from "../market.ts";
import { markOf } from "../pools.ts";
import { Refusal } from "./codes.ts";
import type { Change, Standing } from "./standing.ts";

/** An order as it is asked about, in text; without a price: a market order. */
export interface OrderAsked {
  readonly id: string;
  readonly instrument: string;
  readonly side: "buy" | "sell";
  readonly qty: string;
  readonly price?: string;
  readonly reduceOnly?: boolean;
}

/** How far the service lets orders in: `reduce_only` while it lags or its marks are old, `closed` for cancels alone. */
export type GateMode = "open" | "reduce_only" | "closed";

export interface Terms {
  readonly mode: GateMode;
  readonly reason: string;
}

const open: Terms = { mode: "open", reason: "" };

/** What is asked for, in exact numbers. */
interface Wanted {
  readonly standing: Standing;
  readonly instrument: number;
  readonly rules: InstrumentRules;
  readonly order: RestingOrder;
  readonly change: Change;
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

function wantedOf(standing: Standing, change: Change): Wanted {
  const { order } = change;
  const rules = order.instrument;
  const instrument = standing.machine.book.instrumentIndex(rules.id);
  const held = standing.position(rules.id)?.qty ?? Rational.zero;
  const against = order.side === "buy" ? held.sign < 0 : held.sign > 0;
  const ahead = restingBut(standing, change, false);
  const reduces = against && (order.reduceOnly || ahead.plus(order.qty).atMost(held.abs()));
  return { standing, instrument, rules, order, change, held, ahead, reduces };
}

/** Contracts that rest or are approved on the side of an order, the one that it replaces left out. */
function restingBut(standing: Standing, { order, replaces }: Change, reduceOnly: boolean): Rational {
  const { id } = order.instrument;
  const all = standing.resting(id, order.side, reduceOnly);
  const old = replaces === null ? undefined : standing.orders.find((one) => one.id === replaces);
  const counts = old !== undefined && old.instrument.id === id && old.side === order.side;
  return counts && old.reduceOnly === reduceOnly ? all.minus(old.qty) : all;
}

/**
 * All reasons against an order (RULES of the pre-trade check), on the account's standing; empty: it may rest. The log's own
 * check and the gate both ask here. Throws nothing: a price that is missing is a reason like the others.
 */
export function judge(standing: Standing, change: Change, terms: Terms = open): Refusal {
  const refusal = new Refusal();
  const wanted = wantedOf(standing, change);
  checkModes(wanted, terms, refusal);
  if (!checkRange(wanted, refusal)) return refusal;
  checkGrid(wanted, refusal);
  checkStanding(wanted, refusal);
  try {
    checkPrices(wanted, refusal);
    checkMargin(wanted, refusal);
    checkLimits(wanted, refusal);
  } catch (error) {
    if (!(error instanceof PriceMissing)) throw error;
    refusal.add("price_missing", error.id, "known");
  }
  return refusal;
}

/** The reasons against an order on an instrument that nobody lists. */
export function judgeUnlisted(standing: Standing, instrument: string, terms: Terms): Refusal {
  const refusal = new Refusal();
  if (terms.mode === "closed") refusal.add("gate_closed", terms.reason, "open");
  const gate = gateOfName(standing.machine, standing.name, instrument);
  if (!gate.permits("open_risk") || standing.machine.auditFailure !== null) refusal.add("halted", gate.state, "normal");
  refusal.add("unknown_instrument", instrument, "listed");
  return refusal;
}

function checkModes({ standing, rules, order, instrument, reduces }: Wanted, terms: Terms, refusal: Refusal): void {
  const { machine } = standing;
  if (terms.mode === "closed") refusal.add("gate_closed", terms.reason, "open");
  const gate = gateOfName(machine, standing.name, rules.id);
  const allowed = gate.permits(reduces ? "reduce_risk" : "open_risk");
  if (!allowed || (gate.reduceOnlyMarkNeeded && !order.reduceOnly) || machine.auditFailure !== null)
    refusal.add("halted", gate.state, "normal");
  if (terms.mode === "reduce_only" && !reduces) refusal.add("reduce_only_mode", terms.reason, "open");
  if (machine.closedInstruments.has(instrument)) refusal.add("instrument_closed");
}

/** NUM-07: what the book could not hold is not judged any further. */
function checkRange({ standing, instrument, rules, order }: Wanted, refusal: Refusal): boolean {
  const { book } = standing.machine;
  const price = order.price ?? book.market.markPrice(instrument);
  const { quantum } = book.assetRules(book.settleIndex(instrument));
  const fits =
    order.qty.sign > 0 &&
    (price === null || price.sign > 0) &&
    bookable(lotsOf(rules, order.qty)) &&
    (price === null || bookable(notional(rules, order.qty, price).ceilIn(quantum)));
  if (!fits) refusal.add("out_of_range", order.qty.toStringDown(), rules.lot.toStringDown());
  return fits;
}

function checkGrid({ rules, order }: Wanted, refusal: Refusal): void {
  if (order.price !== null && rules.tick !== null && !order.price.isMultipleOf(rules.tick))
    refusal.add("tick_size", order.price.toStringDown(), rules.tick.toStringDown());
  if (!order.qty.isMultipleOf(rules.lot)) refusal.add("lot_size", order.qty.toStringDown(), rules.lot.toStringDown());
  const { maxOrderQty } = rules.limits;
  if (maxOrderQty !== null && order.qty.above(maxOrderQty))
    refusal.add("order_size", order.qty.toStringDown(), maxOrderQty.toStringDown());
}

function checkStanding({ standing, instrument, rules, order, change, held }: Wanted, refusal: Refusal): void {
  const { machine, account } = standing;
  const { book } = machine;
  if (order.reduceOnly) {
    const against = order.side === "buy" ? held.sign < 0 : held.sign > 0;
    const other = standing.resting(rules.id, order.side === "buy" ? "sell" : "buy", true);
    const reducing = restingBut(standing, change, true).plus(other).plus(order.qty);
    if (!against || reducing.above(held.abs()))
      refusal.add("reduce_only_violation", reducing.toStringDown(), held.abs().toStringDown());
  }
  if (order.id !== change.replaces && standing.has(order.id)) refusal.add("duplicate_order_id");
  if (account < 0) return;
  const row = book.findRow(account, instrument);
  const isolated = row >= 0 && book.isIsolated(row);
  if (machine.liquidating(isolated ? book.isolatedPool(row) : book.crossPool(account))) refusal.add("pool_liquidating");
}

function checkPrices({ standing, instrument, rules, order, reduces }: Wanted, refusal: Refusal): void {
  const { machine } = standing;
  const quality = machine.book.market.instrumentQuality(instrument);
  if (permitted(reduces ? "reduce_risk" : "open_risk", quality) !== "yes")
    refusal.add("price_quality", quality, "good");
  // Opening risk leans on everything that equity is made of, not on this one mark alone.
  if (!reduces && !pricesGood(machine, standing.pool)) refusal.add("price_quality");
  const mark = markOf(machine, instrument);
  if (!order.reduceOnly && !reduces) {
    const size = notional(rules, order.qty, order.price ?? mark);
    if (size.below(rules.minNotional))
      refusal.add("min_notional", size.toStringDown(), rules.minNotional.toStringDown());
  }
  if (order.price === null || rules.priceBand === null) return;
  const distance = mark.times(rules.priceBand);
  if (order.price.minus(mark).abs().above(distance))
    refusal.add("price_band", order.price.toStringDown(), distance.toStringDown());
}

/** ORD-07 … ORD-10: leverage and initial margin; an order that does not raise the requirement passes if it cannot bankrupt. */
function checkMargin(wanted: Wanted, refusal: Refusal): void {
  const { standing, order, change } = wanted;
  const { im, notionals } = standing.after(change);
  if (im.atMost(standing.im) && noWorseThanBankruptcy(wanted)) return;
  const equity = standing.initialEquity;
  if (!order.reduceOnly) checkExposure(standing, notionals(), equity, refusal);
  if (im.above(equity)) refusal.add("initial_margin", im.toStringUp(), equity.toStringDown());
}

/** ORD-07, ORD-08 and the account's limits, which only orders that may open something meet. */
function checkExposure(
  standing: Standing,
  notionals: ReadonlyMap<string, Rational>,
  equity: Rational,
  refusal: Refusal,
): void {
  const { market, rules } = standing.machine;
  const total = Rational.sum(notionals.values());
  const use = (used: Rational, maxLeverage: Rational | null): void => {
    // Without any notional there is no leverage, however deep the equity is below zero.
    if (maxLeverage === null || used.sign <= 0) return;
    const most = maxLeverage.times(equity);
    if (used.above(most)) refusal.add("leverage", used.toStringUp(), most.toStringDown());
  };
  for (const id of [...notionals.keys()].sort())
    use(notionals.get(id) as Rational, rules.instruments.get(id)?.maxLeverage ?? null);
  use(total, rules.limits.maxLeverage);
  const { maxNotionalUsd } = rules.limits;
  if (maxNotionalUsd !== null && total.above(maxNotionalUsd))
    refusal.add("notional_limit", total.toStringUp(), maxNotionalUsd.toStringDown());
  if (!limitsConcentration(standing)) return;
  const collateral = Rational.sum(standing.collateral.map((row) => Rational.max(row.value, Rational.zero)));
  for (const row of standing.collateral) {
    const { concentration } = market.asset(row.asset);
    if (concentration === null || row.value.sign <= 0 || row.value.atMost(collateral.times(concentration))) continue;
    refusal.add("collateral_concentration", row.value.toStringUp(), collateral.times(concentration).toStringDown());
  }
}

function limitsConcentration({ machine, pool }: Standing): boolean {
  const limited = (asset: string): boolean => machine.market.asset(asset).concentration !== null;
  return pool.cash.some((one) => limited(one.asset)) || pool.positions.some((one) => limited(one.instrument.settle));
}

function noWorseThanBankruptcy({ standing, instrument, rules, order }: Wanted): boolean {
  const { machine, account } = standing;
  const { book, market } = machine;
  const row = account < 0 ? -1 : book.findRow(account, instrument);
  if (row < 0 || book.qty(row) === 0n) return true;
  const long = book.qty(row) > 0n;
  const pool = book.isIsolated(row) ? book.isolatedView(row) : standing.pool;
  const price = bankruptcyPrices(pool, market, machine.rules).get(rules.id) ?? null;
  const mark = markOf(machine, instrument);
  const edge = rules.priceBand ?? Rational.zero;
  const away = order.side === "buy" ? Rational.one.plus(edge) : Rational.one.minus(edge);
  const limit = order.price ?? mark.times(away);
  // A linear long at or below zero and an inverse short without a price cannot go bankrupt; the others are so already.
  if (price === null || price.sign <= 0) return rules.kind === "linear" ? long : !long;
  return order.side === "sell" ? limit.atLeast(price) : limit.atMost(price);
}

function checkLimits({ standing, instrument, rules, order, held, ahead, reduces }: Wanted, refusal: Refusal): void {
  if (reduces) return;
  const { limits } = rules;
  const { machine, account } = standing;
  const { book } = machine;
  const direction = order.side === "buy" ? Rational.one : Rational.one.negated();
  const reached = held.plus(ahead.plus(order.qty).times(direction));
  const sided = reached.sign > 0 ? limits.maxLong : limits.maxShort;
  for (const limit of [limits.maxPosition, sided])
    if (limit !== null && reached.abs().above(limit))
      refusal.add("position_limit", reached.abs().toStringUp(), limit.toStringDown());
  const interest = contractsOf(rules, book.longLots(instrument)).plus(order.qty);
  if (limits.maxOpenInterest !== null && interest.above(limits.maxOpenInterest))
    refusal.add("open_interest_limit", interest.toStringUp(), limits.maxOpenInterest.toStringDown());
  if (limits.maxOpenInterestShare !== null) {
    const share = interest.times(limits.maxOpenInterestShare);
    if (reached.abs().above(share))
      refusal.add("open_interest_share", reached.abs().toStringUp(), share.toStringDown());
  }
  const { maxOpenPositions } = machine.rules.limits;
  if (maxOpenPositions === null || !held.isZero()) return;
  let count = 1;
  if (account >= 0)
    for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) if (book.qty(row) !== 0n) count += 1;
  if (count > maxOpenPositions) refusal.add("open_positions", String(count), String(maxOpenPositions));
}
