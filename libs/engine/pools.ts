import type { Rational } from "#libs/decimal/index.ts";
import type { Machine } from "./machine.ts";

/** The mark of an instrument; the door has made sure that it is there where an entry needs it. */
export function markOf(machine: Machine, instrument: number): Rational {
  return machine.market.mark(machine.instrument(instrument).id);
}

/** A cross pool without positions and without debts owes nothing to anybody: no price can make it due. */
function canOwe(machine: Machine, account: number): boolean {
  const { book } = machine;
  for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row))
    if (!book.isIsolated(row) && book.qty(row) !== 0n) return true;
  for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row))
    if (book.cashAmount(row) < 0n) return true;
  return false;
}

/** Every pool that can owe something. */
export function* poolsOf(machine: Machine): Generator<number> {
  const { book } = machine;
  for (let account = 0; account < book.accountCount; account += 1) {
    if (book.isSystem(account)) continue;
    if (canOwe(machine, account)) yield book.crossPool(account);
    for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row))
      if (book.isIsolated(row) && book.qty(row) !== 0n) yield book.isolatedPool(row);
  }
}

/** Lots open on the larger side of an instrument: both are the same but where positions were set up without a counterparty. */
export function openLots(machine: Machine, instrument: number): bigint {
  const long = machine.book.longLots(instrument);
  const short = long - machine.book.netLots(instrument);
  return long > short ? long : short;
}
