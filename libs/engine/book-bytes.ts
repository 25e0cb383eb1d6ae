import type { Accounts } from "./accounts.ts";
import type { PositionTable } from "./position-table.ts";
import { OrderTable } from "./order-table.ts";
import { accruedFunding, type Tables } from "./views.ts";
import { type Reader, Unreadable, type Writer } from "./writer.ts";

/** Rows of an account that hold anything at all, in order of instrument id. */
function heldRows({ listing, positions }: Tables, account: number): number[] {
  const rows: number[] = [];
  for (let row = positions.first(account); row >= 0; row = positions.next(row))
    if (!positions.isBlank(row) || !positions.realised.isZero(row) || positions.warnedColumn[row] !== 0) rows.push(row);
  const rank = (row: number): number => listing.instrumentRanks[positions.rowInstrument(row)] as number;
  return rows.length < 2 ? rows : rows.sort((a, b) => rank(a) - rank(b));
}

function writeRow(tables: Tables, row: number, writer: Writer): void {
  const { listing, positions } = tables;
  writer.natural(listing.instrumentRanks[positions.rowInstrument(row)] as number);
  writer.integer(positions.qty.get(row));
  writer.integer(positions.cost.get(row));
  writer.integer(positions.margin.get(row));
  writer.integer(positions.realised.get(row));
  writer.flag(positions.isIsolated(row));
  writer.byte(positions.warnedColumn[row] as number);
  writer.optionalRational(positions.leverages.get(row) ?? null);
  writer.rational(accruedFunding(tables, row));
}

function writeAccount(tables: Tables, accounts: Accounts, account: number, writer: Writer): void {
  const { cash, listing, orders } = tables;
  const cashRows = cash.sortedRows(account);
  const rows = heldRows(tables, account);
  const resting = orders.of(account);
  const warned = accounts.warned[account] as number;
  if (cashRows.length + rows.length + resting.length + warned === 0) return;
  writer.flag(true);
  writer.text(accounts.id(account));
  writer.byte(warned);
  writer.natural(cashRows.length);
  for (const row of cashRows) {
    writer.natural(listing.assetRanks[cash.rowAsset(row)] as number);
    writer.integer(cash.rowAmount(row));
  }
  writer.natural(rows.length);
  for (const row of rows) writeRow(tables, row, writer);
  writer.natural(resting.length);
  for (const order of resting) {
    writer.natural(listing.instrumentRanks[order.instrument] as number);
    OrderTable.write(order, writer);
  }
}

/**
 * INV-08: everything authoritative on the book in one order that depends on nothing but its content: neither on dense
 * numbers, nor free rows, nor empty accounts, nor on how it came about. Assets and instruments by id, named once.
 */
export function writeCanonical(tables: Tables, accounts: Accounts, writer: Writer): void {
  writer.natural(tables.listing.sortedAssets.length);
  writer.natural(tables.listing.sortedInstruments.length);
  tables.market.canonical(writer);
  tables.cash.canonicalTotals(writer);
  for (const account of accounts.sorted()) writeAccount(tables, accounts, account, writer);
  writer.flag(false);
}

/** Rows as they stand, free ones included, so that numbers mean the same after loading. */
export function savePositions(positions: PositionTable, writer: Writer): void {
  writer.int32(positions.firstFree);
  writer.natural(positions.used);
  for (let row = 0; row < positions.used; row += 1) {
    writer.int32(positions.rowAccount(row));
    writer.int32(positions.next(row));
    if (positions.rowAccount(row) < 0) continue;
    writer.natural(positions.rowInstrument(row));
    writer.natural(positions.epochColumn[row] as number);
    writer.flag(positions.isIsolated(row));
    writer.byte(positions.warnedColumn[row] as number);
    writer.integer(positions.qty.get(row));
    writer.integer(positions.cost.get(row));
    writer.integer(positions.margin.get(row));
    writer.integer(positions.realised.get(row));
    writer.optionalRational(positions.leverages.get(row) ?? null);
  }
}

/** Fills a new table; accounts, listing and market were loaded before. Totals and mirrors follow by themselves. */
export function loadPositions(positions: PositionTable, reader: Reader): void {
  positions.firstFree = reader.int32();
  const used = reader.count();
  positions.reserve(used);
  for (let row = 0; row < used; row += 1) {
    const account = reader.int32();
    const next = reader.int32();
    if (account < 0) {
      positions.adopt(row, -1, 0, next);
      continue;
    }
    const instrument = reader.natural();
    if (!positions.listing.isInstrumentListed(instrument))
      throw new Unreadable(`a position in the unlisted instrument ${instrument}`);
    positions.adopt(row, account, instrument, next);
    const epoch = reader.natural();
    positions.isolatedColumn[row] = reader.flag() ? 1 : 0;
    positions.warnedColumn[row] = reader.byte();
    positions.setHolding(row, reader.integer(), reader.integer());
    positions.setEpoch(row, epoch);
    positions.addMargin(row, reader.integer());
    positions.realised.set(row, reader.integer());
    const leverage = reader.optionalRational();
    if (leverage !== null) positions.leverages.set(row, leverage);
  }
}
