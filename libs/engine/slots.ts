import { slotOf } from "#libs/decimal/index.ts";
import type { Book } from "./book.ts";

/** The slot of every account's owner, kept because a comparison of a few slots looks at every account. */
export class Slots {
  readonly #book: Book;
  #slots = new Uint16Array(0);
  #known = 0;

  constructor(book: Book) {
    this.#book = book;
  }

  /** Owners have changed. */
  forget(): void {
    this.#known = 0;
  }

  /** By account number, of every account that the book knows; valid until the next entry. */
  all(ownerOf: (account: string) => string): Uint16Array {
    const { accountCount } = this.#book;
    if (this.#slots.length < accountCount) {
      const grown = new Uint16Array(Math.max(accountCount, this.#slots.length * 2));
      grown.set(this.#slots);
      this.#slots = grown;
    }
    for (; this.#known < accountCount; this.#known += 1)
      this.#slots[this.#known] = slotOf(ownerOf(this.#book.accountId(this.#known)));
    return this.#slots;
  }
}
