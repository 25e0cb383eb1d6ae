import { systemAccounts } from "#libs/domain/rule-set/types.ts";
import { grownCapacity, grownInt32, grownUint8 } from "./columns.ts";
import { type Reader, Unreadable, type Writer } from "./writer.ts";

/** System accounts have the first numbers, in their fixed order. */
export const systemAccountCount = systemAccounts.length;

/** Accounts by dense number, with the heads of their lists of rows. A number is never given to another account. */
export class Accounts {
  private readonly ids: string[] = [];
  private readonly numbers = new Map<string, number>();
  /** By account: first position row and first cash row; −1: none. */
  firstRow = new Int32Array(0);
  firstCash = new Int32Array(0);
  /** By account: how many warnings of the cross pool stand fired. */
  warned = new Uint8Array(0);

  constructor() {
    for (const id of systemAccounts) this.intern(id);
  }

  get count(): number {
    return this.ids.length;
  }
  get bytes(): number {
    return this.firstRow.byteLength + this.firstCash.byteLength + this.warned.byteLength;
  }

  /** The number of an account, given now if it had none. */
  intern(id: string): number {
    const known = this.numbers.get(id);
    if (known !== undefined) return known;
    const account = this.ids.length;
    if (account === this.firstRow.length) this.grow(account + 1);
    this.ids.push(id);
    this.numbers.set(id, account);
    return account;
  }

  /** −1 when unknown. */
  find(id: string): number {
    return this.numbers.get(id) ?? -1;
  }

  id(account: number): string {
    return this.ids[account] as string;
  }

  /** Every account in order of id, by plain comparison. */
  sorted(): number[] {
    const { ids } = this;
    return [...ids.keys()].sort((a, b) => ((ids[a] as string) < (ids[b] as string) ? -1 : 1));
  }

  private grow(needed: number): void {
    const capacity = grownCapacity(this.firstRow.length, needed);
    this.firstRow = grownInt32(this.firstRow, capacity, -1);
    this.firstCash = grownInt32(this.firstCash, capacity, -1);
    this.warned = grownUint8(this.warned, capacity);
  }

  save(writer: Writer): void {
    writer.natural(this.count);
    for (let account = 0; account < this.count; account += 1) {
      writer.text(this.id(account));
      writer.int32(this.firstRow[account] as number);
      writer.int32(this.firstCash[account] as number);
      writer.byte(this.warned[account] as number);
    }
  }

  /** Fills a new table; the system accounts must come first, as they were written. */
  load(reader: Reader): void {
    const count = reader.count();
    for (let account = 0; account < count; account += 1) {
      if (this.intern(reader.text()) !== account) throw new Unreadable("accounts are not in their order");
      this.firstRow[account] = reader.int32();
      this.firstCash[account] = reader.int32();
      this.warned[account] = reader.byte();
    }
  }
}
