import { Rational } from "#libs/decimal/index.ts";
import { type Accounts, systemAccountCount } from "./accounts.ts";
import { checkWide, grownCapacity, grownFloat64, grownInt32, WideColumn } from "./columns.ts";
import type { Listing } from "./listing.ts";
import { type Reader, Unreadable, type Writer } from "./writer.ts";

const roundingAccount = 3;

/** What is kept once per asset. */
class AssetTotals {
  /** Σ cash of all accounts, quanta. */
  cash = 0n;
  /** Σ positive cash of traders. */
  platform = 0n;
  /** Deposits less withdrawals. */
  deposits = 0n;
  /** Accounts whose cash is not zero. */
  holders = 0;
  /** What `rounding` holds beyond whole quanta, units, in [0, quantum). */
  fraction = Rational.zero;
}

/** Cash by account and asset: per account a list of rows, ascending by asset number; 32 bytes a row. */
export class CashTable {
  private readonly accounts: Accounts;
  private readonly listing: Listing;
  private readonly amounts = new WideColumn(16, "cash");
  private readonly totals: AssetTotals[] = [];
  private used = 0;
  assetColumn = new Int32Array(16);
  nextColumn = new Int32Array(16);
  /** Units of the asset, for the screen. */
  floats = new Float64Array(16);

  constructor(accounts: Accounts, listing: Listing) {
    this.accounts = accounts;
    this.listing = listing;
  }

  get limit(): number {
    return this.used;
  }
  get bytes(): number {
    return this.amounts.bytes + this.assetColumn.byteLength + this.nextColumn.byteLength + this.floats.byteLength;
  }

  /** Follows the listing. */
  refresh(): void {
    while (this.totals.length < this.listing.assetCount) this.totals.push(new AssetTotals());
  }

  private asset(asset: number): AssetTotals {
    return this.totals[asset] as AssetTotals;
  }

  total(asset: number): bigint {
    return this.asset(asset).cash;
  }
  platform(asset: number): bigint {
    return this.asset(asset).platform;
  }
  deposits(asset: number): bigint {
    return this.asset(asset).deposits;
  }
  addDeposits(asset: number, quanta: bigint): void {
    const totals = this.asset(asset);
    checkWide(totals.deposits + quanta, "deposits");
    totals.deposits += quanta;
  }
  fraction(asset: number): Rational {
    return this.asset(asset).fraction;
  }
  isUsed(asset: number): boolean {
    const totals = this.asset(asset);
    return totals.holders > 0 || totals.deposits !== 0n || !totals.fraction.isZero();
  }

  rowAsset(row: number): number {
    return this.assetColumn[row] as number;
  }
  rowAmount(row: number): bigint {
    return this.amounts.get(row);
  }
  next(row: number): number {
    return this.nextColumn[row] as number;
  }
  first(account: number): number {
    return this.accounts.firstCash[account] as number;
  }

  find(account: number, asset: number): number {
    for (let row = this.first(account); row >= 0; row = this.next(row)) if (this.rowAsset(row) === asset) return row;
    return -1;
  }

  get(account: number, asset: number): bigint {
    const row = this.find(account, asset);
    return row < 0 ? 0n : this.amounts.get(row);
  }

  /** Adds signed quanta; throws `OutOfRange` with nothing changed. */
  add(account: number, asset: number, quanta: bigint): void {
    if (quanta === 0n) return;
    const found = this.find(account, asset);
    const before = found < 0 ? 0n : this.amounts.get(found);
    const after = before + quanta;
    this.amounts.check(after);
    const row = found < 0 ? this.insert(account, asset) : found;
    this.amounts.set(row, after);
    this.floats[row] = this.listing.assetScale(asset).toFloat(after);
    this.count(account, asset, before, after);
  }

  private count(account: number, asset: number, before: bigint, after: bigint): void {
    const totals = this.asset(asset);
    totals.cash += after - before;
    if (before === 0n) totals.holders += 1;
    if (after === 0n) totals.holders -= 1;
    if (account < systemAccountCount) return;
    if (before > 0n) totals.platform -= before;
    if (after > 0n) totals.platform += after;
  }

  /** Adds to what `rounding` holds, in units of the asset: whole quanta to its cash, the rest to the fraction. */
  addRounding(asset: number, amount: Rational): void {
    const totals = this.asset(asset);
    const { quantum } = this.listing.assetRules(asset);
    const sum = totals.fraction.plus(amount);
    const whole = sum.floorIn(quantum);
    this.add(roundingAccount, asset, whole);
    totals.fraction = sum.minus(quantum.times(Rational.ofInteger(whole))).reduced();
  }

  private insert(account: number, asset: number): number {
    const row = this.used;
    if (row === this.amounts.capacity) this.grow(row + 1);
    this.used += 1;
    let before = -1;
    let after = this.first(account);
    while (after >= 0 && this.rowAsset(after) < asset) {
      before = after;
      after = this.next(after);
    }
    this.assetColumn[row] = asset;
    this.nextColumn[row] = after;
    if (before < 0) this.accounts.firstCash[account] = row;
    else this.nextColumn[before] = row;
    return row;
  }

  private grow(needed: number): void {
    const capacity = grownCapacity(this.amounts.capacity, needed);
    this.amounts.grow(capacity);
    this.assetColumn = grownInt32(this.assetColumn, capacity);
    this.nextColumn = grownInt32(this.nextColumn, capacity);
    this.floats = grownFloat64(this.floats, capacity);
  }

  /** Numbers of an account's rows that hold anything, in order of asset id. */
  sortedRows(account: number): number[] {
    const rows: number[] = [];
    for (let row = this.first(account); row >= 0; row = this.next(row)) if (!this.amounts.isZero(row)) rows.push(row);
    const ranks = this.listing.assetRanks;
    const rank = (row: number): number => ranks[this.rowAsset(row)] as number;
    return rows.length < 2 ? rows : rows.sort((a, b) => rank(a) - rank(b));
  }

  canonicalTotals(writer: Writer): void {
    for (const asset of this.listing.sortedAssets) {
      writer.integer(this.deposits(asset));
      writer.rational(this.fraction(asset));
    }
  }

  save(writer: Writer): void {
    for (const totals of this.totals) {
      writer.integer(totals.deposits);
      writer.rational(totals.fraction);
    }
    writer.natural(this.used);
    for (let row = 0; row < this.used; row += 1) {
      writer.natural(this.rowAsset(row));
      writer.int32(this.next(row));
      writer.integer(this.rowAmount(row));
    }
  }

  /** Fills a new table after its accounts were loaded; totals and mirrors are computed again. */
  load(reader: Reader, assetCount: number): void {
    for (let asset = 0; asset < assetCount; asset += 1) {
      this.asset(asset).deposits = reader.integer();
      this.asset(asset).fraction = reader.rational();
    }
    const used = reader.count();
    this.grow(used);
    this.used = used;
    for (let row = 0; row < used; row += 1) {
      const asset = reader.natural();
      this.assetColumn[row] = asset;
      this.nextColumn[row] = reader.int32();
      const amount = reader.integer();
      if (asset >= assetCount || (amount !== 0n && !this.listing.isAssetListed(asset)))
        throw new Unreadable(`cash in the unlisted asset ${asset}`);
      this.amounts.set(row, amount);
      this.floats[row] = this.listing.assetScale(asset).toFloat(amount);
    }
    for (let account = 0; account < this.accounts.count; account += 1)
      for (let row = this.first(account); row >= 0; row = this.next(row))
        if (!this.amounts.isZero(row)) this.count(account, this.rowAsset(row), 0n, this.rowAmount(row));
  }
}
