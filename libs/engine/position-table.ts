import { Rational } from "#libs/decimal/index.ts";
import type { Accounts } from "./accounts.ts";
import { grownCapacity, grownFloat64, grownInt32, grownUint8, WideColumn } from "./columns.ts";
import type { Listing } from "./listing.ts";
import type { Market } from "./market.ts";

/** What is kept once per instrument. */
class InstrumentTotals {
  long = 0n;
  net = 0n;
  /** Rows that exist, open or not. */
  rows = 0;
  /** Net lots by the epoch their funding was booked at; no entry: none. */
  readonly netByEpoch = new Map<number, bigint>();

  move(epoch: number, lots: bigint): void {
    const after = (this.netByEpoch.get(epoch) ?? 0n) + lots;
    if (after === 0n) this.netByEpoch.delete(epoch);
    else this.netByEpoch.set(epoch, after);
  }
}

/** What is kept once per settle asset. */
class SettleTotals {
  cost = 0n;
  margin = 0n;
}

/**
 * Positions by account and instrument: per account a list of rows ascending by instrument number, freed rows on a free
 * list; 106 bytes a row. A row also keeps the settings (isolated, leverage) of an account without a position.
 */
export class PositionTable {
  readonly accounts: Accounts;
  readonly listing: Listing;
  private readonly market: Market;
  readonly qty = new WideColumn(16, "position");
  readonly cost = new WideColumn(16, "cost");
  readonly margin = new WideColumn(16, "margin");
  readonly realised = new WideColumn(16, "realised profit");
  /** −1: a free row. */
  accountColumn = new Int32Array(16);
  instrumentColumn = new Int32Array(16);
  /** The account's next row, or the next free row; −1: the last. */
  nextColumn = new Int32Array(16);
  epochColumn = new Int32Array(16);
  isolatedColumn = new Uint8Array(16);
  /** How many warnings of the isolated pool stand fired. */
  warnedColumn = new Uint8Array(16);
  /** Contracts · multiplier, signed; cost and margin in units of the settle asset: for the screen. */
  exposureFloats = new Float64Array(16);
  costFloats = new Float64Array(16);
  marginFloats = new Float64Array(16);
  /** Chosen leverages by row; few choose. */
  readonly leverages = new Map<number, Rational>();
  private readonly instruments: InstrumentTotals[] = [];
  private readonly settles: SettleTotals[] = [];
  used = 0;
  firstFree = -1;

  constructor(accounts: Accounts, listing: Listing, market: Market) {
    this.accounts = accounts;
    this.listing = listing;
    this.market = market;
  }

  get bytes(): number {
    const wide = this.qty.bytes + this.cost.bytes + this.margin.bytes + this.realised.bytes;
    return wide + this.qty.capacity * (4 * 4 + 2 + 3 * 8);
  }

  /** Follows the listing. */
  refresh(): void {
    while (this.instruments.length < this.listing.instrumentCount) this.instruments.push(new InstrumentTotals());
    while (this.settles.length < this.listing.assetCount) this.settles.push(new SettleTotals());
  }

  longLots(instrument: number): bigint {
    return this.of(instrument).long;
  }
  netLots(instrument: number): bigint {
    return this.of(instrument).net;
  }
  netCost(asset: number): bigint {
    return this.settledIn(asset).cost;
  }
  totalMargin(asset: number): bigint {
    return this.settledIn(asset).margin;
  }
  isUsed(instrument: number): boolean {
    return this.of(instrument).rows > 0;
  }
  private of(instrument: number): InstrumentTotals {
    return this.instruments[instrument] as InstrumentTotals;
  }
  private settledIn(asset: number): SettleTotals {
    return this.settles[asset] as SettleTotals;
  }

  rowAccount(row: number): number {
    return this.accountColumn[row] as number;
  }
  rowInstrument(row: number): number {
    return this.instrumentColumn[row] as number;
  }
  first(account: number): number {
    return this.accounts.firstRow[account] as number;
  }
  next(row: number): number {
    return this.nextColumn[row] as number;
  }
  isIsolated(row: number): boolean {
    return this.isolatedColumn[row] === 1;
  }

  /** −1 when there is none. */
  find(account: number, instrument: number): number {
    for (let row = this.first(account); row >= 0; row = this.next(row)) {
      const found = this.rowInstrument(row);
      if (found >= instrument) return found === instrument ? row : -1;
    }
    return -1;
  }

  /** The row of an account and instrument, made now, flat and cross, if there was none. */
  row(account: number, instrument: number): number {
    let before = -1;
    let after = this.first(account);
    while (after >= 0 && this.rowInstrument(after) < instrument) {
      before = after;
      after = this.next(after);
    }
    if (after >= 0 && this.rowInstrument(after) === instrument) return after;
    const row = this.take();
    this.accountColumn[row] = account;
    this.instrumentColumn[row] = instrument;
    this.epochColumn[row] = this.market.fundingEpoch(instrument);
    this.nextColumn[row] = after;
    if (before < 0) this.accounts.firstRow[account] = row;
    else this.nextColumn[before] = row;
    this.of(instrument).rows += 1;
    return row;
  }

  private take(): number {
    const free = this.firstFree;
    if (free >= 0) {
      this.firstFree = this.next(free);
      return free;
    }
    if (this.used === this.qty.capacity) this.grow(this.used + 1);
    this.used += 1;
    return this.used - 1;
  }

  /** Gives a row without position, margin and settings back; the caller has made sure. Leaves no trace. */
  free(row: number): void {
    const account = this.rowAccount(row);
    let before = -1;
    for (let at = this.first(account); at !== row; at = this.next(at)) before = at;
    if (before < 0) this.accounts.firstRow[account] = this.next(row);
    else this.nextColumn[before] = this.next(row);
    this.of(this.rowInstrument(row)).rows -= 1;
    this.realised.set(row, 0n);
    this.warnedColumn[row] = 0;
    this.epochColumn[row] = 0;
    this.instrumentColumn[row] = 0;
    this.accountColumn[row] = -1;
    this.nextColumn[row] = this.firstFree;
    this.firstFree = row;
  }

  /** Whether a row holds no position, no margin and no setting; realised profit may be left. */
  isBlank(row: number): boolean {
    return (
      this.isolatedColumn[row] === 0 &&
      this.qty.isZero(row) &&
      this.cost.isZero(row) &&
      this.margin.isZero(row) &&
      !this.leverages.has(row)
    );
  }

  /** Stores lots and cost (quanta, signed); throws `OutOfRange` with nothing changed. A position that opens accrues from now. */
  setHolding(row: number, qty: bigint, cost: bigint): void {
    this.qty.check(qty);
    this.cost.check(cost);
    const instrument = this.rowInstrument(row);
    const settle = this.listing.settleIndex(instrument);
    const before = this.qty.get(row);
    if (before === 0n && qty !== 0n) this.epochColumn[row] = this.market.fundingEpoch(instrument);
    const costBefore = this.cost.get(row);
    this.qty.set(row, qty);
    this.cost.set(row, cost);
    this.exposureFloats[row] = this.listing.exposureScale(instrument).toFloat(qty);
    this.costFloats[row] = this.listing.assetScale(settle).toFloat(cost);
    const totals = this.of(instrument);
    totals.net += qty - before;
    if (qty !== before) totals.move(this.epochColumn[row] as number, qty - before);
    if (before > 0n) totals.long -= before;
    if (qty > 0n) totals.long += qty;
    this.settledIn(settle).cost += cost - costBefore;
  }

  /** The epoch up to which the row's funding is booked. */
  setEpoch(row: number, epoch: number): void {
    const before = this.epochColumn[row] as number;
    if (before === epoch) return;
    this.epochColumn[row] = epoch;
    if (this.qty.isZero(row)) return;
    const totals = this.of(this.rowInstrument(row));
    totals.move(before, -this.qty.get(row));
    totals.move(epoch, this.qty.get(row));
  }

  /** INV-01: what all open positions together are owed (negative: owe) and is in no balance yet, settle asset. */
  unbookedFunding(instrument: number): Rational {
    let total = Rational.zero;
    for (const [epoch, lots] of this.of(instrument).netByEpoch) {
      const since = this.market.fundingSince(instrument, epoch);
      if (!since.isZero()) total = total.minus(since.times(Rational.ofInteger(lots)));
    }
    return total.isZero() ? total : total.times(this.listing.instrumentRules(instrument).lot);
  }

  /** Adds signed quanta to the margin; throws `OutOfRange` with nothing changed. */
  addMargin(row: number, quanta: bigint): void {
    const settle = this.listing.settleIndex(this.rowInstrument(row));
    const after = this.margin.get(row) + quanta;
    this.margin.set(row, after);
    this.marginFloats[row] = this.listing.assetScale(settle).toFloat(after);
    this.settledIn(settle).margin += quanta;
  }

  private grow(needed: number): void {
    const capacity = grownCapacity(this.qty.capacity, needed);
    for (const column of [this.qty, this.cost, this.margin, this.realised]) column.grow(capacity);
    this.accountColumn = grownInt32(this.accountColumn, capacity);
    this.instrumentColumn = grownInt32(this.instrumentColumn, capacity);
    this.nextColumn = grownInt32(this.nextColumn, capacity);
    this.epochColumn = grownInt32(this.epochColumn, capacity);
    this.isolatedColumn = grownUint8(this.isolatedColumn, capacity);
    this.warnedColumn = grownUint8(this.warnedColumn, capacity);
    this.exposureFloats = grownFloat64(this.exposureFloats, capacity);
    this.costFloats = grownFloat64(this.costFloats, capacity);
    this.marginFloats = grownFloat64(this.marginFloats, capacity);
  }

  /** Makes room for the rows of a snapshot. */
  reserve(rows: number): void {
    if (rows > this.qty.capacity) this.grow(rows);
    this.used = rows;
  }

  /** Counts a loaded row; its holding and margin are set afterwards. */
  adopt(row: number, account: number, instrument: number, next: number): void {
    this.accountColumn[row] = account;
    this.instrumentColumn[row] = instrument;
    this.nextColumn[row] = next;
    if (account >= 0) this.of(instrument).rows += 1;
  }

  /** Open rows of an instrument in order of account id; looks at every row. */
  rowsOf(instrument: number): number[] {
    const rows: number[] = [];
    for (let row = 0; row < this.used; row += 1)
      if (this.instrumentColumn[row] === instrument && !this.qty.isZero(row)) rows.push(row);
    const id = (row: number): string => this.accounts.id(this.rowAccount(row));
    return rows.sort((a, b) => (id(a) < id(b) ? -1 : 1));
  }

  /** The funding epoch of the open position that was booked longest ago; the present one when none is open. */
  oldestEpoch(instrument: number): number {
    let oldest = this.market.fundingEpoch(instrument);
    for (let row = 0; row < this.used; row += 1)
      if (this.instrumentColumn[row] === instrument && !this.qty.isZero(row))
        oldest = Math.min(oldest, this.epochColumn[row] as number);
    return oldest;
  }
}
