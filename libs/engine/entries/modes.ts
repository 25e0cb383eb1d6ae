import { Rational } from "#libs/decimal/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { evaluateCross } from "#libs/domain/health/evaluate.ts";
import { withdrawable } from "#libs/domain/margin/withdrawal.ts";
import { contractsOf } from "../amounts.ts";
import { gateOf, pricesGood } from "../gates.ts";
import { initialMarginAt } from "#libs/domain/margin/requirement.ts";
import type { Machine } from "../machine.ts";
import { markOf } from "../pools.ts";
import { rejectionReceipt } from "../receipts.ts";

type ModeEntry = Extract<EntryBody, { k: "mode" }>;
type MarginEntry = Extract<EntryBody, { k: "margin" }>;

function rejectMode(machine: Machine, entry: ModeEntry, code: string): void {
  const seq = machine.fact("mode.rejected", { account: entry.account, instrument: entry.instrument, codes: [code] });
  rejectionReceipt(machine, seq, entry.account, [code], {});
}

/** POS-13, POS-14: the mode changes only without position and orders; leverage alone also if IM does not rise or free covers it. */
export function applyMode(machine: Machine, entry: ModeEntry): void {
  const { book } = machine;
  const account = book.internAccount(entry.account);
  const instrument = book.instrumentIndex(entry.instrument);
  const row = book.row(account, instrument);
  const flat = book.qty(row) === 0n && !book.orders(account).some((one) => one.instrument === instrument);
  const isolated = entry.mode === undefined ? book.isIsolated(row) : entry.mode === "isolated";
  if (isolated !== book.isIsolated(row) && !flat) return rejectMode(machine, entry, "position_or_orders_open");
  const { maxLeverage } = machine.instrument(instrument);
  const leverage = entry.leverage === undefined ? null : Rational.parse(entry.leverage);
  if (leverage !== null && maxLeverage !== null && leverage.above(maxLeverage))
    return rejectMode(machine, entry, "leverage");
  if (leverage !== null && !flat && !leverageCovered(machine, account, row, leverage))
    return rejectMode(machine, entry, "initial_margin");
  if (isolated !== book.isIsolated(row)) book.setIsolated(row, isolated);
  if (leverage !== null) book.setLeverage(row, leverage);
  machine.touched.account(account);
  machine.fact("mode.changed", {
    account: entry.account,
    instrument: entry.instrument,
    mode: isolated ? "isolated" : "cross",
    leverage: book.leverage(row)?.toStringDown() ?? null,
  });
}

function leverageCovered(machine: Machine, account: number, row: number, leverage: Rational): boolean {
  const { book, market, rules } = machine;
  const before = evaluateCross(book.crossView(account), market, rules);
  const instrument = book.rowInstrument(row);
  const previous = book.leverage(row);
  const chosen = book.chosenLeverage(row);
  const isolatedIm = (chosen: Rational | null): Rational =>
    initialMarginAt(
      machine.instrument(instrument),
      contractsOf(machine.instrument(instrument), book.qty(row)),
      markOf(machine, instrument),
      chosen,
      market.openInterest(machine.instrument(instrument).id),
    );
  book.setLeverage(row, leverage);
  const after = evaluateCross(book.crossView(account), market, rules);
  book.setLeverage(row, chosen);
  // What the isolated position itself needs more counts against free as well.
  const settleUsd = market.index(machine.instrument(instrument).settle);
  const rise = book.isIsolated(row) ? isolatedIm(leverage).minus(isolatedIm(previous)).times(settleUsd) : Rational.zero;
  const needed = after.im.plus(Rational.max(rise, Rational.zero));
  return needed.atMost(before.im) || needed.atMost(after.initialEquity);
}

/** POS-15: adding margin to an isolated pool takes it from cross cash, removing returns it; both by the withdrawal rule of the pool that gives. */
export function applyMargin(machine: Machine, entry: MarginEntry): void {
  const { book, market, rules } = machine;
  const account = book.internAccount(entry.account);
  const instrument = book.instrumentIndex(entry.instrument);
  const row = book.row(account, instrument);
  const settle = book.settleIndex(instrument);
  const asset = machine.instrument(instrument).settle;
  const amount = Rational.parse(entry.amount);
  const codes: string[] = [];
  const numbers: Record<string, string> = {};
  if (!book.isIsolated(row) || book.qty(row) === 0n) codes.push("not_isolated");
  else {
    const giver = amount.sign > 0 ? book.crossView(account) : book.isolatedView(row);
    const pool = amount.sign > 0 ? book.crossPool(account) : book.isolatedPool(row);
    if (!gateOf(machine, account, null).permits("withdraw") && amount.sign < 0) codes.push("halted");
    if (machine.liquidating(pool)) codes.push("pool_liquidating");
    if (amount.sign < 0 && !pricesGood(machine, giver)) codes.push("price_quality");
    if (amount.sign < 0 && (machine.parked.get(settle) ?? 0n) > 0n) codes.push("debt_parked");
    const outcome = withdrawable(giver, asset, amount.abs(), market, rules);
    if (!outcome.allowed) {
      codes.push(outcome.cash.sign < 0 ? "insufficient_cash" : "initial_margin");
      numbers["required"] = outcome.required.toStringUp();
      numbers["available"] = outcome.available.toStringDown();
    }
  }
  if (codes.length > 0) {
    const seq = machine.fact("margin.rejected", {
      account: entry.account,
      instrument: entry.instrument,
      amount: entry.amount,
      codes,
      numbers,
    });
    rejectionReceipt(machine, seq, entry.account, codes, numbers);
    return;
  }
  machine.ledger.begin().cash(account, settle, amount.negated()).margin(row, settle, amount).book("margin");
  machine.touchAccount(account);
  machine.touch(book.isolatedPool(row));
  machine.fact("margin.changed", { account: entry.account, instrument: entry.instrument, amount: entry.amount });
}
