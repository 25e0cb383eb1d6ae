import type { Rational } from "#libs/decimal/index.ts";
import type { Machine } from "./machine.ts";
import { clearingAccount } from "./system-accounts.ts";

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

/**
 * Lots that traders of this shard are long: over all shards these add up to open interest. The book's own figure counts `clearing`
 * too, which stands for the traders of other shards, and so is the larger side of those of this one.
 */
export function heldLong({ book }: Machine, instrument: number): bigint {
  const row = book.findRow(clearingAccount, instrument);
  const cleared = row < 0 ? 0n : book.qty(row);
  return book.longLots(instrument) - (cleared > 0n ? cleared : 0n);
}

/** Lots open on the larger side of an instrument: both are the same but where positions were set up without a counterparty. */
export function openLots(machine: Machine, instrument: number): bigint {
  const long = machine.book.longLots(instrument);
  const short = long - machine.book.netLots(instrument);
  return long > short ? long : short;
}
