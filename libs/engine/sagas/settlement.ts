import { Rational } from "#libs/decimal/index.ts";
import type { Fill, Side } from "#libs/contracts/log.ts";
import { topUp } from "#libs/domain/liquidation/fund-backed.ts";
import { notional, value } from "#libs/domain/positions/value.ts";
import { contractsOf } from "../amounts.ts";
import { pairHalf, takeHalf } from "../clearing.ts";
import { addFeeLegs, feeOf, fillSide, releaseIfFlat } from "../fills.ts";
import { bookAccruedFunding } from "../funding.ts";
import type { Draft } from "../ledger.ts";
import type { Machine } from "../machine.ts";
import { noteMoved } from "../moved-elsewhere.ts";
import { cancelUncoveredReduceOnly } from "../resting-orders.ts";
import { bookExcess } from "./answered.ts";
import { coverDeficit } from "./bad-debt.ts";
import { payFromFund, spendable } from "./fund.ts";
import { referencePrice } from "./judgement.ts";
import { stageOfState, type Saga } from "./saga.ts";
import { watchLiquidationSlippage } from "../slippage-watch.ts";
import { badDebtAccount, clearingAccount, insuranceAccount, marketAccount } from "../system-accounts.ts";

export interface Closing {
  readonly instrument: number;
  /** Contracts closed, positive. */
  readonly qty: Rational;
  readonly price: Rational;
  /** Who takes the other side: `market` for the book, a provider's account. */
  readonly counterparty: number;
  /** Stage 2 pays its taker fee with the fill; the fees of stage 3 wait for the end. */
  readonly takerFee: boolean;
  /** The fund tops the fill up to the bankruptcy price. */
  readonly backed: boolean;
}

/**
 * One settlement, one transaction (RULES §7): the pool's side, the counterparty's side, the fund's top-up, the taker fee and the
 * roundings are booked together or not at all. Returns the money the fund paid, settle asset.
 */
export function settleClose(machine: Machine, saga: Saga, closing: Closing): Rational {
  const { book } = machine;
  const { instrument, qty, price, counterparty } = closing;
  const rules = machine.instrument(instrument);
  const settle = book.settleIndex(instrument);
  const row = book.row(saga.account, instrument);
  const held = contractsOf(rules, book.qty(row));
  const signed = held.sign > 0 ? qty.negated() : qty;
  for (const account of [saga.account, counterparty]) bookAccruedFunding(machine, book.row(account, instrument));
  const draft = machine.ledger.begin();
  const done = fillSide(machine, draft, { account: saga.account, instrument, qty: signed, price, liquidation: true });
  const deficit = takeOtherSide(machine, draft, closing, signed);
  draft.cash(badDebtAccount, settle, deficit.negated());
  const payTo = (amount: Rational): void => {
    if (book.isIsolated(row)) draft.margin(row, settle, amount);
    else draft.cash(saga.account, settle, amount);
  };
  const residue = draft.residueToRounding(settle);
  noteRounding(
    saga,
    settle,
    residue.plus(counterparty === clearingAccount ? owedByOtherHalf(machine, closing, signed) : Rational.zero),
  );
  if (closing.takerFee) {
    const fee = feeOf(machine, instrument, qty, price, rules.takerFee);
    payTo(fee.negated());
    addFeeLegs(machine, draft, settle, fee);
  }
  const paid = closing.backed ? backingFor(machine, saga, closing, held) : Rational.zero;
  payTo(paid);
  draft.cash(insuranceAccount, settle, paid.negated());
  draft.book("fill");
  saga.closed = true;
  if (deficit.sign > 0) coverDeficit(machine, { asset: settle, amount: deficit, instrument, saga: null });
  noteUncovered(machine, saga, closing, held, paid);
  if (!paid.isZero()) payFromFund(machine, saga, settle, paid);
  reportClose(machine, saga, closing, held, done.outcome.realised, paid);
  cancelUncoveredReduceOnly(machine, saga.account, instrument);
  if (!book.isIsolated(row)) releaseIfFlat(machine, row);
  releaseIfFlat(machine, book.row(counterparty, instrument));
  return paid;
}

/** The counterparty's side: half of a trade where `clearing` stands for it, else a fill of its own. Returns its deficit. */
function takeOtherSide(machine: Machine, draft: Draft, closing: Closing, signed: Rational): Rational {
  const { instrument, price, counterparty } = closing;
  if (counterparty === clearingAccount) {
    takeHalf(machine, draft, instrument, signed, price);
    return Rational.zero;
  }
  const qty = signed.negated();
  return fillSide(machine, draft, { account: counterparty, instrument, qty, price, liquidation: false }).deficit;
}

/** LIQ-26: of a purchase the roundings come to light with the other half: a quantum where the value is not a whole number of them. */
function owedByOtherHalf(machine: Machine, { instrument, price }: Closing, signed: Rational): Rational {
  if (signed.sign < 0) return Rational.zero;
  const rules = machine.instrument(instrument);
  const { quantum } = machine.book.assetRules(machine.book.settleIndex(instrument));
  const bought = value(rules, signed, price);
  return bought.ceilTo(quantum).minus(bought.floorTo(quantum));
}

/** What the roundings of a saga's fills have brought to `rounding`: it gives back as much where the pool is short by them (LIQ-26). */
export function noteRounding(saga: Saga, settle: number, residue: Rational): void {
  saga.rounded.set(settle, (saga.rounded.get(settle) ?? Rational.zero).plus(residue));
}

/** LIQ-17: what the fill falls short of p_bk, as far as the fund may pay it. */
function backingFor(machine: Machine, saga: Saga, closing: Closing, held: Rational): Rational {
  const reference = referencePrice(machine, saga, closing.instrument, held);
  if (reference === null) return Rational.zero;
  const { book } = machine;
  const settle = book.settleIndex(closing.instrument);
  const { quantum } = book.assetRules(settle);
  const short = topUp(
    {
      instrument: machine.instrument(closing.instrument),
      side: held.sign > 0 ? "long" : "short",
      bankruptcyPrice: reference,
      price: closing.price,
      quantum,
    },
    closing.qty,
  );
  return Rational.min(short, spendable(machine, saga, settle).floorTo(quantum));
}

/** The part of a fill's loss against p_bk that the fund did not pay: a bad debt, if there is one, comes from there. */
function noteUncovered(machine: Machine, saga: Saga, closing: Closing, held: Rational, paid: Rational): void {
  const reference = referencePrice(machine, saga, closing.instrument, held);
  if (reference === null) return;
  const rules = machine.instrument(closing.instrument);
  const direction = held.sign > 0 ? closing.qty : closing.qty.negated();
  const lost = value(rules, direction, reference)
    .minus(value(rules, direction, closing.price))
    .minus(paid);
  if (lost.sign <= 0) return;
  const usd = lost.times(machine.market.index(rules.settle));
  saga.uncovered.set(closing.instrument, (saga.uncovered.get(closing.instrument) ?? Rational.zero).plus(usd));
}

function reportClose(
  machine: Machine,
  saga: Saga,
  closing: Closing,
  held: Rational,
  realised: Rational,
  paid: Rational,
): void {
  const rules = machine.instrument(closing.instrument);
  saga.step += 1;
  const seq = machine.fact("liquidation.step", {
    saga: saga.id,
    step: saga.step,
    stage: stageOfState[saga.state],
    account: machine.accountName(saga.account),
    instrument: rules.id,
    side: held.sign > 0 ? "sell" : "buy",
    qty: closing.qty.toStringDown(),
    price: closing.price.toStringDown(),
    mark: machine.market.mark(rules.id).toStringDown(),
    counterparty: machine.accountName(closing.counterparty),
    realised: realised.toStringDown(),
    ...(paid.isZero() ? {} : { fund: paid.toStringDown() }),
  });
  const { counterparty, instrument, qty } = closing;
  noteMoved(
    machine,
    seq,
    { account: saga.account, against: counterparty, instrument },
    held.sign > 0 ? qty.negated() : qty,
  );
}

/** Books the fills of a closing order, in order; returns the contracts closed. */
export function settleFills(
  machine: Machine,
  saga: Saga,
  order: { readonly instrument: number; readonly side: Side },
  fills: readonly Fill[],
  terms: { takerFee: boolean; backed: boolean },
): Rational {
  const { instrument, side } = order;
  const rules = machine.instrument(instrument);
  const live = machine.options.venue === "matching";
  let closed = Rational.zero;
  for (const fill of fills) {
    const row = machine.book.findRow(saga.account, instrument);
    const held = row < 0 ? Rational.zero : contractsOf(rules, machine.book.qty(row));
    // What a fill of before the block has turned round is not closed by an order of the old side.
    const open = live && held.sign === (side === "buy" ? 1 : -1) ? Rational.zero : held.abs();
    if (!live && row < 0) break;
    const filled = Rational.parse(fill.qty);
    const qty = Rational.min(filled, open);
    const price = Rational.parse(fill.price);
    const excess = filled.minus(qty);
    // A liquidation never turns a position round: what is too much is reported. A matching engine has traded it: an ordinary half (LIQ-28).
    if (excess.sign > 0)
      machine.fact("liquidation.overfilled", {
        saga: saga.id,
        instrument: rules.id,
        qty: excess.toStringDown(),
        price: fill.price,
      });
    if (!live && qty.isZero()) break;
    if (!qty.isZero()) {
      const counterparty = live ? clearingAccount : marketAccount;
      settleClose(machine, saga, { instrument, qty, price, counterparty, ...terms });
      watchLiquidationSlippage(machine, { account: saga.account, instrument, side, price });
      if (saga.state === "full") {
        const size = notional(rules, qty, price);
        saga.booked.set(instrument, (saga.booked.get(instrument) ?? Rational.zero).plus(size));
      }
      closed = closed.plus(qty);
    }
    if (!live) continue;
    const to = { account: saga.account, instrument, side };
    if (excess.sign > 0) bookExcess(machine, to, fill, excess, qty, "overfilled");
    pairHalf(machine, fill.trade, {
      account: saga.account,
      instrument,
      signed: side === "buy" ? filled : filled.negated(),
    });
  }
  return closed;
}
