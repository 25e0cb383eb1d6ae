import { Rational } from "#libs/decimal/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { withdrawable } from "#libs/domain/margin/withdrawal.ts";
import { bookable, quantaOf } from "../amounts.ts";
import { rejectionReceipt } from "../receipts.ts";
import type { Machine } from "../machine.ts";
import { gateOf, pricesGood } from "../gates.ts";
import { repayParked } from "../sagas/bad-debt.ts";
import { adjustBaselines } from "./session.ts";
import { houseAccount, insuranceAccount } from "../system-accounts.ts";

type Numbers = Record<string, string>;

/** Why cash may not leave an account now (COL-13 … COL-16): codes in order of precedence, with the numbers of each. */
function refusal(
  machine: Machine,
  account: number,
  asset: string,
  amount: Rational,
): { codes: string[]; numbers: Numbers } {
  const { book, rules } = machine;
  const codes: string[] = [];
  const numbers: Numbers = {};
  const gate = gateOf(machine, account, null);
  if (!gate.permits("withdraw")) codes.push("halted");
  if (machine.liquidating(book.crossPool(account))) codes.push("pool_liquidating");
  const view = book.crossView(account);
  if (!pricesGood(machine, view)) codes.push("price_quality");
  if ((machine.parked.get(book.assetIndex(asset)) ?? 0n) > 0n) codes.push("debt_parked");
  const outcome = withdrawable(view, asset, amount, machine.market, rules);
  if (!outcome.allowed) {
    const short = outcome.cash.sign < 0;
    codes.push(short ? "insufficient_cash" : "initial_margin");
    numbers["cashAfter"] = outcome.cash.toStringDown();
    numbers["required"] = outcome.required.toStringUp();
    numbers["available"] = outcome.available.toStringDown();
  }
  return { codes, numbers };
}

/** A deposit is a fact of the outside world and always booked; a withdrawal (negative) must be allowed, else a fact says why not. */
export function applyCash(machine: Machine, entry: Extract<EntryBody, { k: "cash" }>): void {
  const { book } = machine;
  const account = book.internAccount(entry.account);
  const asset = book.assetIndex(entry.asset);
  const amount = Rational.parse(entry.amount);
  if (amount.sign < 0) {
    const { codes, numbers } = refusal(machine, account, entry.asset, amount.negated());
    if (codes.length > 0) {
      const seq = machine.fact("cash.rejected", {
        account: entry.account,
        asset: entry.asset,
        amount: entry.amount,
        codes,
        numbers,
      });
      rejectionReceipt(machine, seq, entry.account, codes, numbers);
      return;
    }
  }
  if (!bookable(book.deposits(asset) + quantaOf(book.assetRules(asset), amount))) {
    machine.fact("cash.rejected", {
      account: entry.account,
      asset: entry.asset,
      amount: entry.amount,
      codes: ["out_of_range"],
    });
    return;
  }
  const kind = amount.sign < 0 ? "withdrawal" : "deposit";
  machine.ledger.begin().cash(account, asset, amount).external(asset, amount.negated()).book(kind);
  adjustBaselines(machine, account, asset, amount);
  machine.touchAccount(account);
  machine.fact(amount.sign < 0 ? "cash.withdrawn" : "cash.deposited", {
    account: entry.account,
    asset: entry.asset,
    amount: amount.abs().toStringDown(),
  });
}

/** Tops up (or, negative, draws down) a system fund; neither ever goes below zero (INV-03). */
export function applyFundTopUp(machine: Machine, entry: Extract<EntryBody, { k: "fund" | "house" }>): void {
  const { book } = machine;
  const account = entry.k === "fund" ? insuranceAccount : houseAccount;
  const asset = book.assetIndex(entry.asset);
  const amount = Rational.parse(entry.amount);
  const after = machine.ledger.balance(account, asset).plus(amount);
  const fits = bookable(book.deposits(asset) + quantaOf(book.assetRules(asset), amount));
  if (after.sign < 0 || !fits) {
    const codes = [fits ? "insufficient_cash" : "out_of_range"];
    machine.fact(`${entry.k}.rejected`, { asset: entry.asset, amount: entry.amount, codes });
    return;
  }
  machine.ledger
    .begin()
    .cash(account, asset, amount)
    .external(asset, amount.negated())
    .book(amount.sign < 0 ? "withdrawal" : "deposit");
  machine.fact(`${entry.k}.changed`, { asset: entry.asset, amount: entry.amount, balance: after.toStringDown() });
  if (entry.k === "fund") repayParked(machine, asset);
}

export function applyTransfer(machine: Machine, entry: Extract<EntryBody, { k: "transfer" }>): void {
  const { book } = machine;
  const from = book.internAccount(entry.from);
  const to = book.internAccount(entry.to);
  const asset = book.assetIndex(entry.asset);
  const amount = Rational.parse(entry.amount);
  const { codes, numbers } = refusal(machine, from, entry.asset, amount);
  const { from: payer, to: receiver } = entry;
  if (codes.length > 0) {
    const seq = machine.fact("transfer.rejected", {
      from: payer,
      to: receiver,
      asset: entry.asset,
      amount: entry.amount,
      codes,
      numbers,
    });
    rejectionReceipt(machine, seq, payer, codes, numbers);
    return;
  }
  machine.ledger.begin().cash(from, asset, amount.negated()).cash(to, asset, amount).book("transfer");
  adjustBaselines(machine, from, asset, amount.negated());
  adjustBaselines(machine, to, asset, amount);
  machine.touchAccount(from);
  machine.touchAccount(to);
  machine.fact("transfer.booked", { from: payer, to: receiver, asset: entry.asset, amount: entry.amount });
}
