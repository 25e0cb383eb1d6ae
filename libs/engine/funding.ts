import { Rational } from "#libs/decimal/index.ts";
import { bookedFunding, fundingIncrement } from "#libs/domain/funding/accrual.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { unsettledEpochsMax } from "./accruals.ts";
import { bookable, contractsOf } from "./amounts.ts";
import { bookClearingFunding } from "./clearing.ts";
import type { Machine } from "./machine.ts";
import { markOf, openLots } from "./pools.ts";
import { clearingAccount, roundingAccount } from "./system-accounts.ts";

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
  const epoch = book.market.fundingEpoch(instrument);
  if (book.rowFundingEpoch(row) !== epoch) machine.touched.account(book.rowAccount(row));
  book.setRowFundingEpoch(row, epoch);
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
  const refused = fundingRefusal(machine, instrument, entry.rate);
  if (refused !== null) {
    machine.fact("funding.refused", { instrument: rules.id, codes: [refused] });
    return;
  }
  const rate = Rational.parse(entry.rate);
  const mark = markOf(machine, instrument);
  machine.changedPools = null;
  const increment = fundingIncrement(rules, mark, rate);
  const rescaled = book.market.addFunding(instrument, increment);
  if (machine.options.venue === "matching") {
    const row = book.findRow(clearingAccount, instrument);
    bookClearingFunding(machine, instrument, row < 0 ? Rational.zero : accruedFunding(machine, row), increment);
  }
  if (rescaled) machine.rebuildIndex();
  machine.factorMoved(book.market.fundingFactor(instrument));
  machine.fact("funding.accrued", {
    instrument: rules.id,
    rate: entry.rate,
    mark: mark.toStringDown(),
    perContract: increment.toStringDown(),
  });
}

/** Payments that have accrued and are not booked for somebody: `settle` entries are due before they are too many. */
export function unsettledPayments(machine: Machine, instrument: number): number {
  const { book } = machine;
  return book.market.fundingEpoch(instrument) - book.oldestEpoch(instrument);
}

/** A payment that cannot be kept or could not be booked is refused whole: on a closed instrument, too many unsettled, out of range. */
function fundingRefusal(machine: Machine, instrument: number, rate: string): string | null {
  const { book } = machine;
  if (machine.closedInstruments.has(instrument)) return "instrument_closed";
  if (unsettledPayments(machine, instrument) >= unsettledEpochsMax) return "settle_first";
  book.market.rebaseFunding(instrument, book.oldestEpoch(instrument));
  const rules = machine.instrument(instrument);
  const { quantum } = book.assetRules(book.settleIndex(instrument));
  const largest = fundingIncrement(rules, markOf(machine, instrument), Rational.parse(rate)).times(
    contractsOf(rules, openLots(machine, instrument)),
  );
  return bookable(largest.floorIn(quantum)) ? null : "out_of_range";
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
    machine.touch(book.poolOf(row));
    count += 1;
  }
  book.market.rebaseFunding(instrument, epoch);
  return count;
}
