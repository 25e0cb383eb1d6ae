import { Rational } from "#libs/decimal/index.ts";
import { bankruptcyPrices } from "#libs/domain/health/bankruptcy.ts";
import { notional } from "#libs/domain/positions/value.ts";
import { type Finding, Refusal, stated } from "#libs/domain/pre-trade/codes.ts";
import { collateralConcentration, initialMargin, leverage } from "#libs/domain/pre-trade/margin-checks.ts";
import * as order from "#libs/domain/pre-trade/order-checks.ts";
import * as state from "#libs/domain/pre-trade/state-checks.ts";
import { bookable, lotsOf } from "../amounts.ts";
import { gateOfName, pricesGood } from "../gates.ts";
import { PriceMissing } from "../market.ts";
import { markOf } from "../pools.ts";
import { checkLimits, checkTotalNotional } from "./limits.ts";
import type { Change, Standing } from "./standing.ts";
import { ownBinding, restingBut, type Wanted, wantedOf } from "./wanted.ts";

export type { GateMode, Terms } from "#libs/domain/pre-trade/state-checks.ts";

/**
 * All reasons against an order (RULES of the pre-trade check), on the account's standing; empty: it may rest. The log's own
 * check and the gate both ask here, the gate with what its windows of velocity have found. Throws nothing: a price that is missing is a reason like the others.
 */
export function judge(
  standing: Standing,
  change: Change,
  terms: state.Terms = state.openToAll,
  rates: readonly Finding[] = [],
): Refusal {
  const refusal = new Refusal(standing.machine.rules.hierarchy.shadow);
  const wanted = wantedOf(standing, change);
  checkModes(wanted, terms, refusal);
  if (!checkRange(wanted, refusal)) return refusal;
  checkGrid(wanted, refusal);
  checkStanding(wanted, refusal);
  if (!wanted.reduces) for (const one of rates) refusal.take(one);
  try {
    checkPrices(wanted, refusal);
    checkMargin(wanted, refusal);
    checkLimits(wanted, refusal);
  } catch (error) {
    if (!(error instanceof PriceMissing)) throw error;
    refusal.take(state.priceMissing(error.id));
  }
  return refusal;
}

/** The reasons against an order on an instrument that nobody lists. */
export function judgeUnlisted(standing: Standing, instrument: string, terms: state.Terms): Refusal {
  const { machine } = standing;
  const refusal = new Refusal(machine.rules.hierarchy.shadow);
  refusal.take(state.gateClosed(terms));
  const gate = gateOfName(machine, standing.name, instrument);
  refusal.take(state.halted(gate.state, gate.permits("open_risk") && machine.auditFailure === null));
  refusal.take(state.unknownInstrument(instrument));
  return refusal;
}

function checkModes(wanted: Wanted, terms: state.Terms, refusal: Refusal): void {
  const { standing, rules, instrument, reduces } = wanted;
  const { machine } = standing;
  refusal.take(state.gateClosed(terms));
  const gate = gateOfName(machine, standing.name, rules.id);
  const marked = wanted.order.reduceOnly || !gate.reduceOnlyMarkNeeded;
  const allowed = gate.permits(reduces ? "reduce_risk" : "open_risk") && marked && machine.auditFailure === null;
  refusal.take(state.halted(gate.state, allowed));
  refusal.take(state.reduceOnlyMode(terms, reduces));
  refusal.take(state.instrumentClosed(machine.closedInstruments.has(instrument)));
}

/** NUM-07: what the book could not hold is not judged any further. */
function checkRange({ standing, instrument, rules, order: { qty, price } }: Wanted, refusal: Refusal): boolean {
  const { book } = standing.machine;
  const at = price ?? book.market.markPrice(instrument);
  const { quantum } = book.assetRules(book.settleIndex(instrument));
  const fits =
    qty.sign > 0 &&
    (at === null || at.sign > 0) &&
    bookable(lotsOf(rules, qty)) &&
    (at === null || bookable(notional(rules, qty, at).ceilIn(quantum)));
  if (!fits) refusal.take(stated("out_of_range", qty.toStringDown(), rules.lot.toStringDown()));
  return fits;
}

function checkGrid(wanted: Wanted, refusal: Refusal): void {
  refusal.take(order.tickSize(wanted.order));
  refusal.take(order.lotSize(wanted.order));
  const most = ownBinding(wanted, "maxOrderQty");
  if (most !== null) refusal.take(order.orderSize(wanted.order, most));
}

function checkStanding({ standing, instrument, rules, order: asked, change, held }: Wanted, refusal: Refusal): void {
  const { machine, account } = standing;
  const { book } = machine;
  if (asked.reduceOnly) {
    const other = standing.resting(rules.id, asked.side === "buy" ? "sell" : "buy", true);
    const reducing = restingBut(standing, change, true).plus(other).plus(asked.qty);
    refusal.take(order.reduceOnlyViolation(asked, held, reducing));
  }
  refusal.take(state.duplicateOrderId(asked.id !== change.replaces && standing.has(asked.id)));
  if (account < 0) return;
  const row = book.findRow(account, instrument);
  const isolated = row >= 0 && book.isIsolated(row);
  const pool = isolated ? book.isolatedPool(row) : book.crossPool(account);
  refusal.take(state.poolLiquidating(machine.liquidating(pool)));
}

function checkPrices({ standing, instrument, order: asked, change, reduces }: Wanted, refusal: Refusal): void {
  const { machine, pool } = standing;
  const quality = machine.book.market.instrumentQuality(instrument);
  refusal.take(state.priceQuality(quality, reduces || pricesGood(machine, pool), reduces));
  const mark = markOf(machine, instrument);
  if (!asked.reduceOnly && !reduces) refusal.take(order.minNotional(asked, mark));
  refusal.take(order.priceBand(asked, mark));
  refusal.take(order.stopPrice(asked, change.stop ?? null, mark));
}

/** ORD-07 … ORD-10: leverage and initial margin; an order that does not raise the requirement passes if it cannot bankrupt. */
function checkMargin(wanted: Wanted, refusal: Refusal): void {
  const { standing, change } = wanted;
  const { im, notionals } = standing.after(change);
  if (im.atMost(standing.im) && noWorseThanBankruptcy(wanted)) return;
  const equity = standing.initialEquity;
  if (!wanted.order.reduceOnly) checkExposure(wanted, notionals(), equity, refusal);
  refusal.take(initialMargin(im, equity));
}

/** ORD-07, ORD-08 and the account's limits, which only orders that may open something meet. */
function checkExposure(
  wanted: Wanted,
  notionals: ReadonlyMap<string, Rational>,
  equity: Rational,
  refusal: Refusal,
): void {
  const { standing } = wanted;
  const { market, rules } = standing.machine;
  for (const id of [...notionals.keys()].sort()) {
    const instrument = rules.instruments.get(id);
    if (instrument === undefined) continue;
    const most = ownBinding(wanted, "maxInstrumentLeverage", instrument);
    refusal.take(leverage(notionals.get(id) as Rational, most, equity, true));
  }
  const most = ownBinding(wanted, "maxLeverage");
  if (most !== null) refusal.take(leverage(Rational.sum(notionals.values()), most, equity, true));
  checkTotalNotional(wanted, refusal);
  if (limitsConcentration(standing))
    refusal.take(collateralConcentration(standing.collateral, (asset) => market.asset(asset).concentration));
}

function limitsConcentration({ machine, pool }: Standing): boolean {
  const limited = (asset: string): boolean => machine.market.asset(asset).concentration !== null;
  return pool.cash.some((one) => limited(one.asset)) || pool.positions.some((one) => limited(one.instrument.settle));
}

function noWorseThanBankruptcy({ standing, instrument, rules, order: asked }: Wanted): boolean {
  const { machine, account } = standing;
  const { book, market } = machine;
  const row = account < 0 ? -1 : book.findRow(account, instrument);
  if (row < 0 || book.qty(row) === 0n) return true;
  const long = book.qty(row) > 0n;
  const pool = book.isIsolated(row) ? book.isolatedView(row) : standing.pool;
  const price = bankruptcyPrices(pool, market, machine.rules).get(rules.id) ?? null;
  const mark = markOf(machine, instrument);
  const edge = rules.priceBand ?? Rational.zero;
  const away = asked.side === "buy" ? Rational.one.plus(edge) : Rational.one.minus(edge);
  const limit = asked.price ?? mark.times(away);
  // A linear long at or below zero and an inverse short without a price cannot go bankrupt; the others are so already.
  if (price === null || price.sign <= 0) return rules.kind === "linear" ? long : !long;
  return asked.side === "sell" ? limit.atLeast(price) : limit.atMost(price);
}
