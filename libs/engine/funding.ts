import { Rational } from "#libs/decimal/index.ts";
import { bookedFunding, fundingIncrement } from "#libs/domain/funding/accrual.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { contractsOf } from "./amounts.ts";
import type { Machine } from "./machine.ts";
import { markOf } from "./pools.ts";
import { roundingAccount } from "./system-accounts.ts";

/** What a position is owed (positive) or owes since it was last booked, settle asset, exact. */
export function accruedFunding(machine: Machine, row: number): Rational {
  const { book } = machine;
  const instrument = book.rowInstrument(row);
  const lots = book.qty(row);
  if (lots === 0n) return Rational.zero;
  const since = book.market.fundingSince(instrument, book.rowFundingEpoch(row));
  return since.isZero() ? since : contractsOf(machine.instrument(instrument), lots).times(since).negated();
}

/** FUND-04: books accrued funding in cash (isolated: margin): payer rounded up, receiver down, the fraction to `rounding`. */
export function bookAccruedFunding(machine: Machine, row: number): void {
  const { book } = machine;
  const instrument = book.rowInstrument(row);
  const accrued = accruedFunding(machine, row);
  book.setRowFundingEpoch(row, book.market.fundingEpoch(instrument));
  if (accrued.isZero()) return;
  const settle = book.settleIndex(instrument);
  const paid = bookedFunding(accrued, book.assetRules(settle).quantum);
  const draft = machine.ledger.begin().accrued(row, settle, accrued.negated());
  if (book.isIsolated(row)) draft.margin(row, settle, paid.amount);
  else draft.cash(book.rowAccount(row), settle, paid.amount);
  draft.cash(roundingAccount, settle, paid.remainder).book("funding");
}

/** A funding payment falls due: every position accrues it at once, none is written. */
export function applyFunding(machine: Machine, entry: Extract<EntryBody, { k: "funding" }>): void {
  const { book } = machine;
  const instrument = book.instrumentIndex(entry.instrument);
  const rules = machine.instrument(instrument);
  if (machine.closedInstruments.has(instrument)) {
    machine.fact("funding.refused", { instrument: rules.id, codes: ["instrument_closed"] });
    return;
  }
  const rate = Rational.parse(entry.rate);
  const mark = markOf(machine, instrument);
  const increment = fundingIncrement(rules, mark, rate);
  const rescaled = book.market.addFunding(instrument, increment);
  if (rescaled) machine.rebuildIndex();
  machine.factorMoved(book.market.fundingFactor(instrument));
  machine.fact("funding.accrued", {
    instrument: rules.id,
    rate: entry.rate,
    mark: mark.toStringDown(),
    perContract: increment.toStringDown(),
  });
}

/** A chunk of `settle`: books the next accounts of an instrument that still carry unbooked funding. */
export function settleChunk(machine: Machine, instrument: number): number {
  const { book } = machine;
  const epoch = book.market.fundingEpoch(instrument);
  let count = 0;
  for (const row of book.rowsOf(instrument)) {
    if (book.rowFundingEpoch(row) === epoch) continue;
    if (count === machine.rules.accountsPerEntryMax) return count;
    bookAccruedFunding(machine, row);
    machine.touch(book.isIsolated(row) ? book.isolatedPool(row) : book.crossPool(book.rowAccount(row)));
    count += 1;
  }
  book.market.rebaseFunding(instrument, epoch);
  return count;
}
