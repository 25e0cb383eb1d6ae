import type { Rational } from "#libs/decimal/index.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { loadPositions, savePositions } from "./book-bytes.ts";
import { BookReading } from "./book-reading.ts";
import { OutOfRange } from "./columns.ts";
import { Listing } from "./listing.ts";
import type { BookOrder } from "./order-table.ts";
import { type Reader, Unreadable, type Writer } from "./writer.ts";

export type { BookOrder } from "./order-table.ts";
export { OutOfRange } from "./columns.ts";
export { RulesIncompatible } from "./listing.ts";

const format = "plimsoll book 1";
const warnedMax = 255;

/**
 * Everything that stands on one shard: accounts, cash, positions, resting orders, market. Amounts are bigints in quanta
 * or lots, in columns, exact; the float columns beside them only serve the screen. Accounts, assets, instruments, rows
 * and pools are dense numbers. Every store that does not fit throws `OutOfRange` with nothing changed. The book
 * keeps sums, not rules: what may happen to an account is decided by its callers.
 */
export class Book extends BookReading {
  /** Takes new rules; throws `RulesIncompatible` with nothing changed if they redefine or drop what is in use. */
  setRules(rules: RuleSet): void {
    const instrumentUsed = (number: number): boolean =>
      this.positions.isUsed(number) || this.orderTable.count(number) > 0;
    const referred = new Set<number>();
    for (let number = 0; number < this.instrumentCount; number += 1)
      if (instrumentUsed(number)) referred.add(this.settleIndex(number)).add(this.indexAsset(number));
    this.listing.check(rules, (asset) => referred.has(asset) || this.cashTable.isUsed(asset), instrumentUsed);
    this.listing.replace(rules);
    this.rules = rules;
    this.market.refresh();
    this.cashTable.refresh();
    this.positions.refresh();
  }

  internAccount(id: string): number {
    return this.accounts.intern(id);
  }
  addCash(account: number, asset: number, quanta: bigint): void {
    this.cashTable.add(account, asset, quanta);
  }
  /** Adds units of the asset to `rounding`: whole quanta to its cash, the rest to the fraction. */
  addRounding(asset: number, amount: Rational): void {
    this.cashTable.addRounding(asset, amount);
  }
  addDeposits(asset: number, quanta: bigint): void {
    this.cashTable.addDeposits(asset, quanta);
  }

  /** The row, made now, flat and cross, if there was none. */
  row(account: number, instrument: number): number {
    return this.positions.row(account, instrument);
  }
  setHolding(row: number, qty: bigint, cost: bigint): void {
    this.positions.setHolding(row, qty, cost);
  }
  addMargin(row: number, quanta: bigint): void {
    this.positions.addMargin(row, quanta);
  }
  addRealised(row: number, quanta: bigint): void {
    this.positions.realised.set(row, this.positions.realised.get(row) + quanta);
  }
  clearRealised(row: number): void {
    this.positions.realised.set(row, 0n);
  }
  setIsolated(row: number, isolated: boolean): void {
    this.positions.isolatedColumn[row] = isolated ? 1 : 0;
  }
  setLeverage(row: number, leverage: Rational | null): void {
    if (leverage === null) this.positions.leverages.delete(row);
    else this.positions.leverages.set(row, leverage.reduced());
  }
  setRowFundingEpoch(row: number, epoch: number): void {
    this.positions.setEpoch(row, epoch);
  }

  /**
   * Gives a row back that holds no position, margin or setting and has no saga; realised profit goes with it. Returns
   * whether it did; a row that must stay is left as it is.
   */
  releaseRow(row: number): boolean {
    if (!this.positions.isBlank(row) || this.sagas.has(this.isolatedPool(row))) return false;
    this.positions.free(row);
    return true;
  }

  addOrder(order: BookOrder): void {
    this.orderTable.add(order);
  }
  setOrderQty(order: BookOrder, lots: bigint): void {
    this.orderTable.setLots(order, lots);
  }
  removeOrder(order: BookOrder): void {
    this.orderTable.remove(order);
  }

  setWarned(pool: number, count: number): void {
    if (count < 0 || count > warnedMax) throw new OutOfRange("warnings", BigInt(count), BigInt(warnedMax));
    this.warnedOf(pool)[pool >> 1] = count;
  }
  setSaga(pool: number, slot: number): void {
    if (slot < 0) this.sagas.delete(pool);
    else this.sagas.set(pool, slot);
  }

  /** Everything, numbers included, for a snapshot; the rules are kept by the caller and given to `load`. */
  save(writer: Writer): void {
    writer.text(format);
    writer.natural(this.assetCount);
    for (const id of this.listing.assetIds) writer.text(id);
    writer.natural(this.instrumentCount);
    for (const id of this.listing.instrumentIds) writer.text(id);
    this.market.save(writer);
    this.accounts.save(writer);
    this.cashTable.save(writer);
    savePositions(this.positions, writer);
    this.orderTable.save(writer);
    writer.natural(this.sagas.size);
    for (const [pool, slot] of [...this.sagas].sort((a, b) => a[0] - b[0])) {
      writer.natural(pool);
      writer.natural(slot);
    }
  }

  /** The book that `save` wrote, under the rules it had. Throws `Unreadable` when the bytes are none or do not fit them. */
  static load(reader: Reader, rules: RuleSet): Book {
    if (reader.text() !== format) throw new Unreadable("not a book of this version");
    const names = (): string[] => Array.from({ length: reader.count() }, () => reader.text());
    const assets = names();
    const instruments = names();
    const listing = new Listing();
    listing.reserve(assets, instruments);
    const book = new Book(rules, listing);
    book.market.load(reader, assets.length, instruments.length);
    book.accounts.load(reader);
    book.cashTable.load(reader, assets.length);
    loadPositions(book.positions, reader);
    book.orderTable.load(reader);
    for (let left = reader.count(); left > 0; left -= 1) book.setSaga(reader.natural(), reader.natural());
    return book;
  }
}
