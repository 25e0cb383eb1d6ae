import type { Rational } from "#libs/decimal/index.ts";
import { closingFees } from "#libs/domain/settlement/fees.ts";
import { planLiquidationEnd } from "#libs/domain/settlement/liquidation-end.ts";
import { amountOf } from "../amounts.ts";
import { bookConversions, conversionRequest } from "../conversions.ts";
import { addFeeLegs, releaseIfFlat } from "../fills.ts";
import type { Machine } from "../machine.ts";
import { balancesOf } from "../balances.ts";
import { coverDeficit } from "./bad-debt.ts";
import { poolHealth, positionsOf } from "./judgement.ts";
import type { Saga } from "./saga.ts";
import { badDebtAccount, insuranceAccount } from "../system-accounts.ts";

/** Each round covers what the last left short: a third one only where roundings left a quantum. */
const endRoundsMax = 4;

/** Where most of the uncovered loss came from: the instrument whose winners bear a debt. Ties by id. */
function instrumentOfDebt(machine: Machine, saga: Saga, settle: number): number | null {
  let found: { instrument: number; usd: Rational } | null = null;
  const inOrder = [...saga.uncovered].sort(([left], [right]) =>
    machine.instrument(left).id < machine.instrument(right).id ? -1 : 1,
  );
  for (const [instrument, usd] of inOrder) {
    if (machine.book.settleIndex(instrument) !== settle) continue;
    if (found === null || usd.above(found.usd)) found = { instrument, usd };
  }
  return found?.instrument ?? null;
}

/** LIQ-24: the fees on what stage 3 closed on book, each at most what the pool has left. */
function chargeClosingFees(machine: Machine, saga: Saga): void {
  const { book } = machine;
  const inOrder = [...saga.booked].sort(([left], [right]) =>
    machine.instrument(left).id < machine.instrument(right).id ? -1 : 1,
  );
  for (const [instrument, notional] of inOrder) {
    const rules = machine.instrument(instrument);
    const settle = book.settleIndex(instrument);
    const { quantum } = book.assetRules(settle);
    const row = book.poolRow(saga.pool);
    const cash =
      row < 0 ? machine.ledger.balance(saga.account, settle) : amountOf(book.assetRules(settle), book.margin(row));
    const fullEquity = poolHealth(machine, book.poolView(saga.pool)).fullEquity.dividedBy(
      machine.market.index(rules.settle),
    );
    const { takerFee, liquidationFee } = rules;
    const fees = closingFees({ notional, takerFee, liquidationFee, fullEquity, cash, quantum });
    if (fees.taker.isZero() && fees.liquidation.isZero()) continue;
    const draft = machine.ledger.begin();
    const both = fees.taker.plus(fees.liquidation).negated();
    if (row < 0) draft.cash(saga.account, settle, both);
    else draft.margin(row, settle, both);
    addFeeLegs(machine, draft, settle, fees.taker);
    draft.cash(insuranceAccount, settle, fees.liquidation).book("liquidation_fee");
    if (!fees.liquidation.isZero()) machine.recordFundResult(settle, fees.liquidation);
    machine.fact("liquidation.fees", {
      saga: saga.id,
      account: machine.accountName(saga.account),
      instrument: rules.id,
      taker: fees.taker.toStringUp(),
      liquidation: fees.liquidation.toStringUp(),
    });
  }
  saga.booked.clear();
}

/** An isolated pool below zero: its margin is brought to zero, the debt is a deficit; never cross cash. */
function coverIsolated(machine: Machine, saga: Saga, row: number): void {
  const { book } = machine;
  const instrument = book.rowInstrument(row);
  const settle = book.settleIndex(instrument);
  if (book.margin(row) >= 0n) return;
  const amount = amountOf(book.assetRules(settle), -book.margin(row));
  machine.ledger.begin().cash(badDebtAccount, settle, amount.negated()).margin(row, settle, amount).book("bad_debt");
  coverDeficit(machine, { asset: settle, amount, instrument, saga });
}

/** COL-26, COL-27 and stage 7: fees first, then debts: shortfalls are covered before collateral moves. */
function settleCross(machine: Machine, saga: Saga): void {
  const flat = positionsOf(machine.book.poolView(saga.pool)).length === 0;
  const request = { ...conversionRequest(machine, saga.account), insurance: balancesOf(machine, insuranceAccount) };
  if (request.balances.every((one) => one.amount.sign >= 0)) return;
  if (!flat) {
    // With positions left the debt is an ordinary liability: what house and providers take is converted, the rest stays.
    const plan = planLiquidationEnd({ ...request, insurance: [] }, machine.market);
    bookConversions(
      machine,
      saga.account,
      plan.steps.filter((step) => step.counterparty !== "bad_debt"),
    );
    return;
  }
  // Shortfalls are covered before any collateral moves. What funds paid for them changes what they can still take over, so the
  // rest is planned anew without them: then everything left goes to `bad_debt` with the assets that cover it.
  for (let round = 0; round < endRoundsMax; round += 1) {
    const insurance = round === 0 ? balancesOf(machine, insuranceAccount) : [];
    const end = planLiquidationEnd({ ...conversionRequest(machine, saga.account), insurance }, machine.market);
    if (end.shortfalls.length === 0) return bookConversions(machine, saga.account, end.steps);
    for (const short of end.shortfalls) coverShortfall(machine, saga, short);
  }
  // Each payment may take a few quanta of what `house` or a provider was to pay with, and so leave a few more to be paid. In the end
  // neither is asked: what `bad_debt` takes over nobody's payment changes.
  const alone = { ...conversionRequest(machine, saga.account), house: [], providers: [], insurance: [] };
  const end = planLiquidationEnd(alone, machine.market);
  for (const short of end.shortfalls) coverShortfall(machine, saga, short);
  bookConversions(machine, saga.account, end.steps);
}

function coverShortfall(
  machine: Machine,
  saga: Saga,
  short: { readonly asset: string; readonly amount: Rational },
): void {
  const asset = machine.book.assetIndex(short.asset);
  machine.ledger
    .begin()
    .cash(badDebtAccount, asset, short.amount.negated())
    .cash(saga.account, asset, short.amount)
    .book("bad_debt");
  coverDeficit(machine, { asset, amount: short.amount, instrument: instrumentOfDebt(machine, saga, asset), saga });
}

/** The end of a saga: fees, debts, release; the pool is unblocked and judged like any other again. */
export function endSaga(machine: Machine, saga: Saga): void {
  const { book } = machine;
  const row = book.poolRow(saga.pool);
  machine.touched.saga(saga, machine.poolInstrument(saga.pool));
  if (saga.state !== "released") {
    chargeClosingFees(machine, saga);
    if (row >= 0) {
      if (book.qty(row) === 0n) coverIsolated(machine, saga, row);
    } else settleCross(machine, saga);
  }
  machine.sagas.delete(saga.slot);
  book.setSaga(saga.pool, -1);
  if (row >= 0 && book.qty(row) === 0n) releaseMargin(machine, row);
  machine.fact("liquidation.ended", {
    saga: saga.id,
    account: machine.accountName(saga.account),
    instrument: machine.poolInstrument(saga.pool),
    outcome: saga.closed ? (positionsOf(book.poolView(saga.pool)).length === 0 ? "closed" : "reduced") : "released",
    fundUsd: saga.spentUsd.toStringUp(),
  });
  machine.fact("account.unblocked", {
    account: machine.accountName(saga.account),
    instrument: machine.poolInstrument(saga.pool),
  });
  machine.touch(saga.pool);
  if (row >= 0) {
    machine.touchAccount(saga.account);
    releaseIfFlat(machine, row);
  }
}

/** What is left of an isolated pool's margin is the trader's. */
function releaseMargin(machine: Machine, row: number): void {
  const { book } = machine;
  const settle = book.settleIndex(book.rowInstrument(row));
  const left = amountOf(book.assetRules(settle), book.margin(row));
  if (left.isZero()) return;
  machine.ledger.begin().margin(row, settle, left.negated()).cash(book.rowAccount(row), settle, left).book("margin");
}
