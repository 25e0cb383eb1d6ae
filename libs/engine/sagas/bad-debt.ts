import { Rational } from "#libs/decimal/index.ts";
import { type BadDebtPlan, planBadDebt, type Winner } from "#libs/domain/settlement/bad-debt.ts";
import type { ConversionStep } from "#libs/domain/settlement/conversion.ts";
import { amountOf } from "../amounts.ts";
import { sharingReceipt } from "../receipts.ts";
import type { Machine } from "../machine.ts";
import { balancesOf } from "../balances.ts";
import { winnersOf } from "../winners.ts";
import { capLeft, payableBalances, payFromFund } from "./fund.ts";
import type { Saga } from "./saga.ts";
import { badDebtAccount, houseAccount, insuranceAccount, roundingAccount } from "../system-accounts.ts";

export interface Deficit {
  readonly asset: number;
  /** D, whole quanta, positive; `bad_debt` has been debited with it already. */
  readonly amount: Rational;
  /** Where it comes from; null: no instrument. */
  readonly instrument: number | null;
  readonly saga: Saga | null;
}

/** LIQ-26: what roundings of the saga's own fills took from a pool that had nothing left comes back from `rounding`; nobody pays for dust. */
function returnRounding(machine: Machine, deficit: Deficit): Rational {
  const { quantum } = machine.book.assetRules(deficit.asset);
  const taken = deficit.saga?.rounded.get(deficit.asset) ?? Rational.zero;
  const held = machine.ledger.balance(roundingAccount, deficit.asset);
  const back = Rational.min(deficit.amount, Rational.min(taken, held)).floorTo(quantum);
  if (back.sign <= 0) return deficit.amount;
  machine.ledger
    .begin()
    .cash(roundingAccount, deficit.asset, back.negated())
    .cash(badDebtAccount, deficit.asset, back)
    .book("bad_debt");
  deficit.saga?.rounded.set(deficit.asset, taken.minus(back));
  return deficit.amount.minus(back);
}

/** LIQ-18 … LIQ-20: pays a deficit from the funds, then from winners, and parks what is left, as one transaction. */
export function coverDeficit(machine: Machine, deficit: Deficit): void {
  const { book, market } = machine;
  const amount = returnRounding(machine, deficit);
  if (amount.isZero()) return;
  const asset = book.assetRules(deficit.asset);
  const plan = (winners: readonly Winner[] | null): BadDebtPlan =>
    planBadDebt(
      {
        asset: asset.id,
        amount,
        insurance: payableBalances(machine),
        spendableUsd: capLeft(machine, deficit.saga),
        house: balancesOf(machine, houseAccount),
        winners,
      },
      market,
    );
  const byFunds = plan(null);
  // Every position of the instrument has to be looked at to know its winners: only where funds do not do.
  const winners =
    byFunds.parked.isZero() || deficit.instrument === null
      ? null
      : winnersOf(machine, deficit.instrument, deficit.saga?.account ?? -1);
  bookPlan(machine, deficit, winners === null ? byFunds : plan(winners), winners ?? []);
}

function bookPlan(machine: Machine, deficit: Deficit, plan: BadDebtPlan, winners: readonly Winner[]): void {
  const { book } = machine;
  const asset = book.assetRules(deficit.asset);
  const draft = machine.ledger.begin();
  draft.cash(insuranceAccount, deficit.asset, plan.fund.negated()).cash(badDebtAccount, deficit.asset, plan.fund);
  for (const step of plan.otherFunds) addFundConversion(machine, draft, step);
  for (const one of plan.shared) {
    const payer = book.internAccount(one.account);
    const row = deficit.instrument === null ? -1 : book.findRow(payer, deficit.instrument);
    if (one.mode === "isolated") draft.margin(row, deficit.asset, one.amount.negated());
    else draft.cash(payer, deficit.asset, one.amount.negated());
    draft.cash(badDebtAccount, deficit.asset, one.amount);
    machine.touch(one.mode === "isolated" ? book.isolatedPool(row) : book.crossPool(payer));
  }
  draft.book("bad_debt");
  if (!plan.fund.isZero()) payFromFund(machine, deficit.saga, deficit.asset, plan.fund);
  for (const step of plan.otherFunds) payFromFund(machine, deficit.saga, book.assetIndex(step.from), step.sold);
  for (const one of plan.shared) {
    const seq = machine.fact("loss.shared", {
      ...(deficit.saga === null ? {} : { saga: deficit.saga.id }),
      account: one.account,
      instrument: deficit.instrument === null ? null : machine.instrument(deficit.instrument).id,
      asset: asset.id,
      amount: one.amount.toStringUp(),
    });
    sharingReceipt(machine, seq, deficit, winners, one);
  }
  if (plan.parked.isZero()) return;
  machine.parked.set(deficit.asset, (machine.parked.get(deficit.asset) ?? 0n) + plan.parked.floorIn(asset.quantum));
  machine.fact("debt.parked", {
    ...(deficit.saga === null ? {} : { saga: deficit.saga.id }),
    asset: asset.id,
    amount: plan.parked.toStringUp(),
  });
}

/** Another fund's asset turned into the debt's: sold to `house`, or kept by `bad_debt` against the debt. */
function addFundConversion(
  machine: Machine,
  draft: ReturnType<Machine["ledger"]["begin"]>,
  step: ConversionStep,
): void {
  const from = machine.book.assetIndex(step.from);
  const to = machine.book.assetIndex(step.to);
  draft.cash(insuranceAccount, from, step.sold.negated());
  if (step.counterparty === "house")
    draft
      .cash(houseAccount, from, step.sold)
      .cash(houseAccount, to, step.bought.negated())
      .cash(badDebtAccount, to, step.bought);
  else draft.cash(badDebtAccount, from, step.sold);
}

/** A fund that is topped up pays what was parked first: the alarm ends when the debt does. */
export function repayParked(machine: Machine, asset: number): void {
  const owed = machine.parked.get(asset) ?? 0n;
  if (owed === 0n) return;
  const rules = machine.book.assetRules(asset);
  const held = machine.book.cash(insuranceAccount, asset);
  const paid = held < owed ? held : owed;
  if (paid <= 0n) return;
  const amount = amountOf(rules, paid);
  machine.ledger
    .begin()
    .cash(insuranceAccount, asset, amount.negated())
    .cash(badDebtAccount, asset, amount)
    .book("bad_debt");
  if (paid === owed) machine.parked.delete(asset);
  else machine.parked.set(asset, owed - paid);
  machine.fact("debt.repaid", {
    asset: rules.id,
    amount: amount.toStringDown(),
    left: amountOf(rules, owed - paid).toStringUp(),
  });
}
