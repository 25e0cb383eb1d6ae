import { Rational } from "#libs/decimal/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { unrealisedProfit } from "#libs/domain/positions/value.ts";
import { adjustPeak } from "../activity.ts";
import { amountOf, contractsOf } from "../amounts.ts";
import { accruedFunding } from "../funding.ts";
import type { Machine } from "../machine.ts";
import { type Session, sessionKinds } from "../sessions.ts";

/** Baselines are kept in these units of USD. */
export const usdQuantum = Rational.ofUnits(1n, 8);

/**
 * HEALTH-18: what an account is worth without weights, haircuts and premia, USD: E_full of its cross pool and of its isolated pools
 * together. Null: a price that it needs is not known.
 */
export function fullWorth(machine: Machine, account: number): Rational | null {
  const { book } = machine;
  const { market } = book;
  let worth = Rational.zero;
  for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row)) {
    if (book.cashAmount(row) === 0n) continue;
    const asset = book.cashAsset(row);
    const index = market.indexPrice(asset);
    if (index === null) return null;
    worth = worth.plus(amountOf(book.assetRules(asset), book.cashAmount(row)).times(index));
  }
  for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) {
    if (book.qty(row) === 0n && book.margin(row) === 0n) continue;
    const held = worthOfRow(machine, row);
    if (held === null) return null;
    worth = worth.plus(held);
  }
  return worth;
}

function worthOfRow(machine: Machine, row: number): Rational | null {
  const { book } = machine;
  const instrument = book.rowInstrument(row);
  const rules = machine.instrument(instrument);
  const settle = book.settleIndex(instrument);
  const asset = book.assetRules(settle);
  const index = book.market.indexPrice(settle);
  const mark = book.market.markPrice(instrument);
  if (index === null) return null;
  const margin = amountOf(asset, book.margin(row));
  if (book.qty(row) === 0n) return margin.times(index);
  if (mark === null) return null;
  const qty = contractsOf(rules, book.qty(row));
  const profit = unrealisedProfit(rules, qty, amountOf(asset, book.cost(row)), mark);
  return margin.plus(profit).plus(accruedFunding(machine, row)).times(index);
}

/**
 * HEALTH-18: the next accounts' worth becomes what their losses of the day or week are measured from, in order of their numbers. The
 * same session again goes on with those that are left.
 */
export function applySession(machine: Machine, entry: Extract<EntryBody, { k: "session" }>): void {
  const { book } = machine;
  const { session, start } = entry;
  const table = machine.sessions.of(session);
  if (table.start !== null && start < table.start) {
    machine.fact("session.refused", { session, start, codes: ["session_past"] });
    return;
  }
  if (start !== table.start) table.begin(start);
  let accounts = 0;
  let unpriced = 0;
  while (!table.complete && table.next < book.accountCount && accounts < machine.rules.accountsPerEntryMax) {
    const worth = fullWorth(machine, table.next);
    if (worth === null) unpriced += 1;
    table.open(table.next, worth === null ? null : worth.ceilIn(usdQuantum));
    table.next += 1;
    accounts += 1;
  }
  const remaining = table.complete ? 0 : book.accountCount - table.next;
  if (remaining === 0) table.complete = true;
  machine.fact("session.opened", { session, start, accounts, remaining, unpriced });
}

/** HEALTH-18: cash that comes or goes from outside or another account is neither profit nor loss. */
export function adjustBaselines(machine: Machine, account: number, asset: number, amount: Rational): void {
  const { activity, book, sessions } = machine;
  if ((!sessions.used && activity.peaks.size === 0) || book.isSystem(account)) return;
  const index = book.market.indexPrice(asset);
  const worth = index === null ? null : amount.times(index).ceilIn(usdQuantum);
  adjustPeak(machine, account, worth);
  for (const session of sessionKinds) sessions.of(session).adjust(account, worth);
}

/** What an account was worth when a session began, and is worth now, USD; null: no such session, or one of them is not known. */
export function lossOf(
  machine: Machine,
  account: number,
  session: Session,
): { readonly start: number; readonly baseline: Rational; readonly worth: Rational } | null {
  const table = machine.sessions.of(session);
  const quanta = table.baseline(account);
  if (table.start === null || quanta === null) return null;
  const worth = fullWorth(machine, account);
  return worth === null ? null : { start: table.start, baseline: usdQuantum.times(Rational.ofInteger(quanta)), worth };
}

export interface SessionLoss {
  /** UTC ms. */
  readonly start: number;
  /** USD; `loss` is baseline − equity, negative: a profit. */
  readonly baseline: string;
  readonly equity: string;
  readonly loss: string;
}

/** What an account has lost since its day and its week began; null: no such session, or its worth then or now is not known. */
export function sessionLoss(machine: Machine, id: string): Readonly<Record<Session, SessionLoss | null>> {
  const account = machine.book.findAccount(id);
  const of = (session: Session): SessionLoss | null => {
    const found = account < 0 ? null : lossOf(machine, account, session);
    if (found === null) return null;
    const { start, baseline, worth } = found;
    return {
      start,
      baseline: baseline.toStringUp(),
      equity: worth.toStringDown(),
      loss: baseline.minus(worth).toStringUp(),
    };
  };
  return { day: of("day"), week: of("week") };
}
