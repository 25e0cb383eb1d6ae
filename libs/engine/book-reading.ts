import type { Rational } from "#libs/decimal/index.ts";
import type { CrossPool, IsolatedPool, MarketView, Pool } from "#libs/domain/positions/views.ts";
import type { AssetRules, InstrumentRules, RuleSet } from "#libs/domain/rule-set/types.ts";
import { Accounts, systemAccountCount } from "./accounts.ts";
import { writeCanonical } from "./book-bytes.ts";
import { CashTable } from "./cash-table.ts";
import { Listing } from "./listing.ts";
import { Market } from "./market.ts";
import { type KeptOrder, OrderTable } from "./order-table.ts";
import { PositionTable } from "./position-table.ts";
import { crossView, isolatedView, leverageOf, LiveMarket, type Tables } from "./views.ts";
import type { Writer } from "./writer.ts";

/** The reading half of the book: everything that can be asked. What can be done to it stands in `Book`. */
export class BookReading {
  readonly market: Market;
  rules: RuleSet;
  protected readonly listing: Listing;
  protected readonly accounts = new Accounts();
  protected readonly cashTable: CashTable;
  protected readonly positions: PositionTable;
  protected readonly orderTable = new OrderTable();
  /** Pool → slot of its running saga; few have one. */
  protected readonly sagas = new Map<number, number>();
  private readonly tables: Tables;
  private readonly live: LiveMarket;

  /** A book without accounts but the system's. `listing` is given when a saved one is loaded: its numbers are kept. */
  constructor(rules: RuleSet, listing: Listing = new Listing()) {
    listing.replace(rules);
    this.rules = rules;
    this.listing = listing;
    this.market = new Market(listing);
    this.cashTable = new CashTable(this.accounts, listing);
    this.positions = new PositionTable(this.accounts, listing, this.market);
    this.tables = {
      listing,
      market: this.market,
      cash: this.cashTable,
      positions: this.positions,
      orders: this.orderTable,
    };
    this.live = new LiveMarket(this.tables);
    this.cashTable.refresh();
    this.positions.refresh();
  }

  // Names and numbers.

  get accountCount(): number {
    return this.accounts.count;
  }
  /** −1 when unknown. */
  findAccount(id: string): number {
    return this.accounts.find(id);
  }
  accountId(account: number): string {
    return this.accounts.id(account);
  }
  isSystem(account: number): boolean {
    return account < systemAccountCount;
  }
  get assetCount(): number {
    return this.listing.assetCount;
  }
  /** −1 when the rules have no such asset. */
  assetIndex(id: string): number {
    return this.listing.assetIndex(id);
  }
  assetRules(asset: number): AssetRules {
    return this.listing.assetRules(asset);
  }
  get instrumentCount(): number {
    return this.listing.instrumentCount;
  }
  /** −1 when the rules have no such instrument. */
  instrumentIndex(id: string): number {
    return this.listing.instrumentIndex(id);
  }
  instrumentRules(instrument: number): InstrumentRules {
    return this.listing.instrumentRules(instrument);
  }
  settleIndex(instrument: number): number {
    return this.listing.settleIndex(instrument);
  }
  /** Number of the asset whose index the instrument follows; −1 when the rules have no such asset. */
  indexAsset(instrument: number): number {
    return this.listing.indexAsset(instrument);
  }
  /** Whether the present rules still list the number. */
  isAssetListed(asset: number): boolean {
    return this.listing.isAssetListed(asset);
  }
  isInstrumentListed(instrument: number): boolean {
    return this.listing.isInstrumentListed(instrument);
  }

  // Cash, quanta of the asset.

  cash(account: number, asset: number): bigint {
    return this.cashTable.get(account, asset);
  }
  /** −1 when there is none; rows ascend by asset number and may be zero. */
  firstCashRow(account: number): number {
    return this.cashTable.first(account);
  }
  nextCashRow(row: number): number {
    return this.cashTable.next(row);
  }
  cashAsset(row: number): number {
    return this.cashTable.rowAsset(row);
  }
  cashAmount(row: number): bigint {
    return this.cashTable.rowAmount(row);
  }
  /** NUM-05: what `rounding` holds beyond whole quanta, units of the asset, in [0, quantum). */
  roundingFraction(asset: number): Rational {
    return this.cashTable.fraction(asset);
  }
  /** Σ positive cash of traders, quanta. */
  platformCash(asset: number): bigint {
    return this.cashTable.platform(asset);
  }
  /** Σ cash of all accounts, system ones included, quanta. */
  totalCash(asset: number): bigint {
    return this.cashTable.total(asset);
  }
  /** Deposits less withdrawals, quanta. */
  deposits(asset: number): bigint {
    return this.cashTable.deposits(asset);
  }
  // Positions: lots, and quanta of the settle asset.

  /** −1 when there is none. */
  findRow(account: number, instrument: number): number {
    return this.positions.find(account, instrument);
  }
  /** −1 when there is none; rows ascend by instrument number and may be flat. */
  firstRow(account: number): number {
    return this.positions.first(account);
  }
  nextRow(row: number): number {
    return this.positions.next(row);
  }
  /** −1: a free row. */
  rowAccount(row: number): number {
    return this.positions.rowAccount(row);
  }
  rowInstrument(row: number): number {
    return this.positions.rowInstrument(row);
  }
  qty(row: number): bigint {
    return this.positions.qty.get(row);
  }
  cost(row: number): bigint {
    return this.positions.cost.get(row);
  }
  margin(row: number): bigint {
    return this.positions.margin.get(row);
  }
  realised(row: number): bigint {
    return this.positions.realised.get(row);
  }
  isIsolated(row: number): boolean {
    return this.positions.isIsolated(row);
  }
  /** Chosen leverage, else the instrument's maximum; null: neither. */
  leverage(row: number): Rational | null {
    return leverageOf(this.tables, row, this.positions.rowInstrument(row));
  }
  /** null: none chosen. */
  chosenLeverage(row: number): Rational | null {
    return this.positions.leverages.get(row) ?? null;
  }
  rowFundingEpoch(row: number): number {
    return this.positions.epochColumn[row] as number;
  }
  /** Σ positive lots of all accounts. */
  longLots(instrument: number): bigint {
    return this.positions.longLots(instrument);
  }
  /** Σ signed lots of all accounts. */
  netLots(instrument: number): bigint {
    return this.positions.netLots(instrument);
  }
  /** Σ cost of the positions settled in the asset, quanta. */
  netCost(asset: number): bigint {
    return this.positions.netCost(asset);
  }
  /** Accrued funding of all open positions that is in no balance yet, settle asset, exact; a running sum. */
  unbookedFunding(instrument: number): Rational {
    return this.positions.unbookedFunding(instrument);
  }
  totalMargin(asset: number): bigint {
    return this.positions.totalMargin(asset);
  }
  /** Open rows of an instrument in order of account id; looks at every row of the book. */
  rowsOf(instrument: number): number[] {
    return this.positions.rowsOf(instrument);
  }
  /** The funding epoch of the open position booked longest ago; looks at every row of the book. */
  oldestEpoch(instrument: number): number {
    return this.positions.oldestEpoch(instrument);
  }

  // Resting orders, oldest first.

  orders(account: number): readonly KeptOrder[] {
    return this.orderTable.of(account);
  }
  findOrder(account: number, id: string): KeptOrder | undefined {
    return this.orderTable.find(account, id);
  }
  /** How many orders rest on an instrument. */
  orderCount(instrument: number): number {
    return this.orderTable.count(instrument);
  }
  // Pools: an account's cross pool is even, an isolated position's odd.

  /** The pool that judges a position: its own where it is isolated, else its account's cross pool. */
  poolOf(row: number): number {
    return this.isIsolated(row) ? this.isolatedPool(row) : this.crossPool(this.rowAccount(row));
  }
  crossPool(account: number): number {
    return account * 2;
  }
  isolatedPool(row: number): number {
    return row * 2 + 1;
  }
  poolAccount(pool: number): number {
    return (pool & 1) === 0 ? pool >> 1 : this.rowAccount(pool >> 1);
  }
  /** −1 for a cross pool. */
  poolRow(pool: number): number {
    return (pool & 1) === 0 ? -1 : pool >> 1;
  }
  /** How many warnings stand fired, 0 … 255. */
  warned(pool: number): number {
    return this.warnedOf(pool)[pool >> 1] as number;
  }
  protected warnedOf(pool: number): Uint8Array {
    return (pool & 1) === 0 ? this.accounts.warned : this.positions.warnedColumn;
  }
  /** Slot of the saga that holds the pool; −1: none. */
  saga(pool: number): number {
    return this.sagas.size === 0 ? -1 : (this.sagas.get(pool) ?? -1);
  }
  // Views for the plain rules: exact, in order of id.

  /** One object for the life of the book; it always shows the present market. */
  marketView(): MarketView {
    return this.live;
  }
  crossView(account: number): CrossPool {
    return crossView(this.tables, account);
  }
  isolatedView(row: number): IsolatedPool {
    return isolatedView(this.tables, row);
  }
  poolView(pool: number): Pool {
    return (pool & 1) === 0 ? this.crossView(pool >> 1) : this.isolatedView(pool >> 1);
  }

  // Float mirrors and lists for the screen; columns are replaced as they grow, so read them through the book.

  get exposureF(): Float64Array {
    return this.positions.exposureFloats;
  }
  get costF(): Float64Array {
    return this.positions.costFloats;
  }
  get marginF(): Float64Array {
    return this.positions.marginFloats;
  }
  get cashF(): Float64Array {
    return this.cashTable.floats;
  }
  get rowInstrumentColumn(): Int32Array {
    return this.positions.instrumentColumn;
  }
  get nextRowColumn(): Int32Array {
    return this.positions.nextColumn;
  }
  get firstRowColumn(): Int32Array {
    return this.accounts.firstRow;
  }
  get cashAssetColumn(): Int32Array {
    return this.cashTable.assetColumn;
  }
  get nextCashColumn(): Int32Array {
    return this.cashTable.nextColumn;
  }
  get firstCashColumn(): Int32Array {
    return this.accounts.firstCash;
  }
  get isolatedColumn(): Uint8Array {
    return this.positions.isolatedColumn;
  }
  get rowEpochColumn(): Int32Array {
    return this.positions.epochColumn;
  }
  /** Rows have numbers below this; some may be free. */
  get rowLimit(): number {
    return this.positions.used;
  }
  get cashRowLimit(): number {
    return this.cashTable.limit;
  }
  /** Bytes of all columns. */
  bytes(): number {
    return this.accounts.bytes + this.cashTable.bytes + this.positions.bytes;
  }

  /** INV-08: everything authoritative in canonical order, for the state hash; sagas and rules are written by the engine. */
  canonical(writer: Writer): void {
    writeCanonical(this.tables, this.accounts, writer);
  }
}
