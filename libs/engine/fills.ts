import { Rational } from "#libs/decimal/index.ts";
import { applyFill, type FillOutcome } from "#libs/domain/positions/fill.ts";
import { value } from "#libs/domain/positions/value.ts";
import { initialMarginAt } from "#libs/domain/margin/requirement.ts";
import { amountOf, contractsOf, lotsOf, quantaOf } from "./amounts.ts";
import type { Draft } from "./ledger.ts";
import type { Machine } from "./machine.ts";
import { feesAccount, insuranceAccount } from "./system-accounts.ts";

/** What one side of a fill did to its account. */
export interface SideOfFill {
  readonly outcome: FillOutcome;
  /** Loss of an isolated position that its margin could not cover, settle asset, ≥ 0: a deficit, never cross cash (POS-12). */
  readonly deficit: Rational;
}

export interface FillTerms {
  readonly account: number;
  readonly instrument: number;
  /** Signed contracts. */
  readonly qty: Rational;
  readonly price: Rational;
  /** A liquidation keeps an isolated pool's margin in the pool until it ends. */
  readonly liquidation: boolean;
}

/**
 * Books one side of a fill: position, realised profit, margin. Its legs go to the caller's draft, so that the other side, fees
 * and cover are one transaction with it. Accrued funding of the position must have been booked before (`bookAccruedFunding`).
 */
export function fillSide(machine: Machine, draft: Draft, terms: FillTerms): SideOfFill {
  const { book } = machine;
  const { account, instrument, qty, price } = terms;
  const rules = machine.instrument(instrument);
  const settle = book.settleIndex(instrument);
  const asset = book.assetRules(settle);
  const row = book.row(account, instrument);
  const before = { qty: contractsOf(rules, book.qty(row)), cost: amountOf(asset, book.cost(row)) };
  const outcome = applyFill(rules, before, qty, price, asset.quantum);
  const wasFlat = before.qty.isZero();
  book.setHolding(row, lotsOf(rules, outcome.after.qty), quantaOf(asset, outcome.after.cost));
  if (wasFlat) book.setRowFundingEpoch(row, book.market.fundingEpoch(instrument));
  draft.costReleased(row, settle, before.cost.minus(outcome.after.cost));
  book.addRealised(row, quantaOf(asset, outcome.realised));
  const deficit = book.isIsolated(row)
    ? moveIsolatedMargin(machine, draft, row, before.qty, outcome, terms)
    : settleInCash(draft, account, settle, outcome.realised);
  machine.touched.account(account);
  machine.touch(book.poolOf(row));
  if (book.isIsolated(row)) machine.touchAccount(account);
  return { outcome, deficit };
}

function settleInCash(draft: Draft, account: number, settle: number, realised: Rational): Rational {
  draft.cash(account, settle, realised);
  return Rational.zero;
}

/**
 * POS-10 … POS-12: closing releases `margin·c/|q|` and a realised profit to cash; a realised loss eats the released margin first,
 * then the rest of the margin; opening moves the added initial margin at the fill price from cross cash.
 */
function moveIsolatedMargin(
  machine: Machine,
  draft: Draft,
  row: number,
  before: Rational,
  outcome: FillOutcome,
  terms: FillTerms,
): Rational {
  const { book } = machine;
  const settle = book.settleIndex(terms.instrument);
  const asset = book.assetRules(settle);
  const margin = amountOf(asset, book.margin(row));
  let deficit = Rational.zero;
  let toMargin = Rational.zero;
  let toCash = Rational.zero;
  if (!outcome.closed.isZero()) {
    const all = outcome.closed.equals(before.abs());
    const released = terms.liquidation
      ? Rational.zero
      : all
        ? margin
        : margin.times(outcome.closed).dividedBy(before.abs()).floorTo(asset.quantum);
    if (terms.liquidation) toMargin = outcome.realised;
    else {
      toMargin = released.negated();
      toCash = released.plus(outcome.realised);
      if (toCash.sign < 0) {
        toMargin = toMargin.plus(toCash);
        toCash = Rational.zero;
      }
    }
    const left = margin.plus(toMargin);
    // In a liquidation the margin may stand below zero until the fund has topped it up in the same transaction, or the saga ends.
    if (left.sign < 0 && !terms.liquidation) {
      deficit = left.negated();
      toMargin = toMargin.plus(deficit);
    }
  }
  if (!outcome.opened.isZero()) {
    const added = marginForOpening(machine, row, outcome, terms.price);
    toMargin = toMargin.plus(added);
    toCash = toCash.minus(added);
  }
  draft.margin(row, settle, toMargin).cash(terms.account, settle, toCash);
  return deficit;
}

/** POS-10: `IM(|q| + c) − IM(|q|)` at the fill price, rounded up to the settle quantum: a margin transfer is paid by the trader. */
function marginForOpening(machine: Machine, row: number, outcome: FillOutcome, price: Rational): Rational {
  const { book } = machine;
  const instrument = book.rowInstrument(row);
  const rules = machine.instrument(instrument);
  const leverage = book.leverage(row);
  const openInterest = machine.market.openInterest(rules.id);
  const size = outcome.after.qty.abs();
  const grown = initialMarginAt(rules, size, price, leverage, openInterest);
  const held = initialMarginAt(rules, size.minus(outcome.opened), price, leverage, openInterest);
  return grown.minus(held).ceilTo(book.assetRules(book.settleIndex(instrument)).quantum);
}

/** The fee on a fill: notional at the fill price times the rate, rounded up for the payer (a rebate therefore down). */
export function feeOf(machine: Machine, instrument: number, qty: Rational, price: Rational, rate: Rational): Rational {
  const rules = machine.instrument(instrument);
  const quantum = machine.book.assetRules(machine.book.settleIndex(instrument)).quantum;
  return value(rules, qty, price).abs().times(rate).ceilTo(quantum);
}

/** Adds the legs of a trading fee: the fund's share rounded down, the rest to `fees`. */
export function addFeeLegs(machine: Machine, draft: Draft, settle: number, fee: Rational): void {
  const quantum = machine.book.assetRules(settle).quantum;
  const share = fee.sign > 0 ? fee.times(machine.rules.fund.tradingFeeShare).floorTo(quantum) : Rational.zero;
  draft.cash(insuranceAccount, settle, share).cash(feesAccount, settle, fee.minus(share));
  if (!share.isZero()) draft.onBooked(() => machine.recordFundResult(settle, share));
}

/** Forgets a row that holds nothing any more and has no setting of its own. */
export function releaseIfFlat(machine: Machine, row: number): void {
  const { book } = machine;
  if (book.qty(row) !== 0n || book.margin(row) !== 0n) return;
  book.clearRealised(row);
  if (book.isIsolated(row)) machine.forgetPool(book.isolatedPool(row));
  book.releaseRow(row);
}
