import { Rational } from "#libs/decimal/index.ts";
import {
  type ConversionProvider,
  type ConversionRequest,
  type ConversionStep,
  planConversion,
} from "#libs/domain/settlement/conversion.ts";
import type { Machine } from "./machine.ts";
import { balancesOf } from "./balances.ts";
import { owesTooMuch } from "./debts.ts";
import { badDebtAccount, houseAccount, insuranceAccount } from "./system-accounts.ts";

/** What a conversion of an account's debts may use: its balances, `house`, and the providers registered for assets. */
export function conversionRequest(machine: Machine, account: number): ConversionRequest {
  const providers = machine.rules.providers.flatMap((one): ConversionProvider[] => {
    if (one.asset === null) return [];
    const own = machine.book.findAccount(one.account);
    if (own < 0 || machine.liquidating(machine.book.crossPool(own))) return [];
    const held = machine.ledger.balance(own, machine.book.assetIndex(one.asset));
    return [
      {
        account: one.account,
        asset: one.asset,
        capacity: Rational.max(one.capacity.minus(Rational.max(held, Rational.zero)), Rational.zero),
        discount: one.discount,
        cash: balancesOf(machine, own),
      },
    ];
  });
  return {
    account: machine.accountName(account),
    balances: balancesOf(machine, account),
    house: balancesOf(machine, houseAccount),
    providers,
  };
}

function counterpartyAccount(machine: Machine, name: string): number {
  if (name === "house") return houseAccount;
  if (name === "insurance") return insuranceAccount;
  return name === "bad_debt" ? badDebtAccount : machine.book.internAccount(name);
}

/** Books conversion steps: each one transaction, the debt covered before collateral moves. */
export function bookConversions(machine: Machine, account: number, steps: readonly ConversionStep[]): void {
  for (const step of steps) {
    const counterparty = counterpartyAccount(machine, step.counterparty);
    const from = machine.book.assetIndex(step.from);
    const to = machine.book.assetIndex(step.to);
    machine.ledger
      .begin()
      .cash(counterparty, to, step.bought.negated())
      .cash(account, to, step.bought)
      .cash(account, from, step.sold.negated())
      .cash(counterparty, from, step.sold)
      .book("conversion");
    machine.touchAccount(account);
    machine.touchAccount(counterparty);
    machine.fact("conversion.booked", {
      account: machine.accountName(account),
      from: step.from,
      sold: step.sold.toStringUp(),
      to: step.to,
      bought: step.bought.toStringDown(),
      counterparty: step.counterparty,
      fee: step.fee.toStringUp(),
    });
  }
}

/** COL-29: what of an account's assets would be sold for its debts by themselves, USD at index; null: it does not owe too much. Books nothing. */
export function conversionDue(machine: Machine, account: number): Rational | null {
  const { book, market } = machine;
  if (book.isSystem(account) || machine.liquidating(book.crossPool(account)) || !owesTooMuch(machine, account))
    return null;
  const { steps } = planConversion(conversionRequest(machine, account), market);
  return Rational.sum(steps.map(({ from, sold }) => sold.times(market.index(from))));
}

/** COL-20 … COL-25: turns negative balances of an account positive, as far as house and providers take its assets. */
export function convertDebts(machine: Machine, account: number): void {
  const plan = planConversion(conversionRequest(machine, account), machine.market);
  bookConversions(machine, account, plan.steps);
  const name = machine.accountName(account);
  for (const waiting of plan.waiting) {
    const key = `${name} ${waiting.asset}`;
    const quanta = waiting.amount.floorIn(machine.market.asset(waiting.asset).quantum);
    // An alarm says something new: the same debt is not reported at every look.
    if (machine.waitingDebts.get(key) === quanta) continue;
    machine.waitingDebts.set(key, quanta);
    machine.fact("conversion.waiting", { account: name, asset: waiting.asset, amount: waiting.amount.toStringUp() });
  }
  for (const key of machine.waitingDebts.keys())
    if (key.startsWith(`${name} `) && !plan.waiting.some((one) => key === `${name} ${one.asset}`))
      machine.waitingDebts.delete(key);
}
