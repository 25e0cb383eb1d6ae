import type { Book } from "./book.ts";

/** The pools to be judged at the next look at health: each once, in ascending number so that history does not matter. */
export class PendingPools {
  readonly #members = new Set<number>();
  readonly #book: Book;

  constructor(book: Book) {
    this.#book = book;
  }

  add(pool: number): void {
    this.#members.add(pool);
  }

  has(pool: number): boolean {
    return this.#members.has(pool);
  }

  get size(): number {
    return this.#members.size;
  }

  /** Hands out and forgets all, ordered by account id then instrument id: the order of facts must not depend on interning. */
  take(): number[] {
    const pools = [...this.#members];
    this.#members.clear();
    return pools.length < 2 ? pools : pools.sort((left, right) => comparePools(this.#book, left, right));
  }

  /** What waits, in canonical order, for snapshots. */
  list(): number[] {
    return [...this.#members].sort((left, right) => comparePools(this.#book, left, right));
  }
}

/** By account id, cross before isolated, then instrument id. */
export function comparePools(book: Book, left: number, right: number): number {
  const leftAccount = book.poolAccount(left);
  const rightAccount = book.poolAccount(right);
  if (leftAccount !== rightAccount) return book.accountId(leftAccount) < book.accountId(rightAccount) ? -1 : 1;
  const leftRow = book.poolRow(left);
  const rightRow = book.poolRow(right);
  if (leftRow < 0 || rightRow < 0) return leftRow === rightRow ? 0 : leftRow < 0 ? -1 : 1;
  const leftInstrument = book.instrumentRules(book.rowInstrument(leftRow)).id;
  const rightInstrument = book.instrumentRules(book.rowInstrument(rightRow)).id;
  return leftInstrument < rightInstrument ? -1 : leftInstrument > rightInstrument ? 1 : 0;
}
