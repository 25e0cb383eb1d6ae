import { Rational } from "#libs/decimal/index.ts";
import type { Book } from "./book.ts";
import { amountOf } from "./amounts.ts";

/** Why money moves: the ledger's kinds of transaction (docs/ledger.md). */
export type LedgerKind =
  | "deposit"
  | "withdrawal"
  | "transfer"
  | "fill"
  | "fee"
  | "margin"
  | "funding"
  | "conversion"
  | "cover"
  | "liquidation_fee"
  | "bad_debt"
  | "rounding"
  | "loss_share";

/** What an amount is kept as. `cost` counts with the sign of −Δcost, `accrued` is funding not yet in cash, `external` the outside world. */
export type Leg = "cash" | "margin" | "cost" | "accrued" | "external";

export interface Posting {
  readonly account: number;
  /** The position row of a `margin`, `cost` or `accrued` leg, else -1. */
  readonly row: number;
  /** The instrument of that row, which may be gone by the time the posting is read, else -1. */
  readonly instrument: number;
  readonly asset: number;
  readonly leg: Leg;
  /** Signed, in units of the asset; whole quanta everywhere but in `accrued` legs and on `rounding`. */
  readonly amount: Rational;
}

export interface Transaction {
  readonly kind: LedgerKind;
  readonly postings: readonly Posting[];
}

/** Thrown where a transaction does not sum to zero: a broken invariant, never a user's mistake. */
export class Unbalanced extends Error {
  constructor(kind: LedgerKind, asset: string, sum: Rational) {
    super(`ledger transaction ${kind} leaves ${sum.toString()} ${asset}`);
    this.name = "Unbalanced";
  }
}

const roundingAccount = 3;
const nobody = -1;

/** A transaction being written: legs are collected, must sum to zero per asset, and are then booked as a whole (INV-01). */
export class Draft {
  readonly #ledger: Ledger;
  readonly #book: Book;
  readonly #postings: Posting[] = [];
  readonly #after: (() => void)[] = [];
  /** Legs given, those of nothing included: each may have been rounded. */
  #legs = 0;

  constructor(ledger: Ledger, book: Book) {
    this.#ledger = ledger;
    this.#book = book;
  }

  cash(account: number, asset: number, amount: Rational): this {
    return this.#add({ account, row: nobody, instrument: nobody, asset, leg: "cash", amount });
  }

  margin(row: number, asset: number, amount: Rational): this {
    return this.#position(row, asset, "margin", amount);
  }

  /** Notes that the cost of a position falls by `amount` (rises when negative); the position itself is stored by the caller. */
  costReleased(row: number, asset: number, amount: Rational): this {
    return this.#position(row, asset, "cost", amount);
  }

  /** Notes that accrued funding of a position changes by `amount`; the position's epoch is stored by the caller. */
  accrued(row: number, asset: number, amount: Rational): this {
    return this.#position(row, asset, "accrued", amount);
  }

  /** What the outside world gives (negative) or receives (positive): the other side of deposits and withdrawals. */
  external(asset: number, amount: Rational): this {
    return this.#add({ account: nobody, row: nobody, instrument: nobody, asset, leg: "external", amount });
  }

  /** What is to be noted once the transaction has been booked. */
  onBooked(note: () => void): this {
    this.#after.push(note);
    return this;
  }

  /** What rounding the other legs has added goes to `rounding`; returns it. */
  residueToRounding(asset: number): Rational {
    const residue = this.#sum(asset).negated();
    // Rounding is against traders, less than a quantum a leg: anything else is money that was forgotten somewhere.
    const most = this.#book.assetRules(asset).quantum.times(Rational.ofInteger(this.#legs));
    if (residue.sign < 0 || residue.above(most)) throw new Unbalanced("fill", this.#book.assetRules(asset).id, residue);
    this.cash(roundingAccount, asset, residue);
    return residue;
  }

  /** What the legs of an asset add up to by now. */
  sum(asset: number): Rational {
    return this.#sum(asset);
  }

  /** Leaves out the legs of position costs: for a position set up without a counterparty, whose other legs balance. */
  withoutCosts(): this {
    const kept = this.#postings.filter((one) => one.leg !== "cost");
    this.#postings.splice(0, this.#postings.length, ...kept);
    return this;
  }

  /** Checks the balance, books everything and keeps the transaction for the record. Throws `Unbalanced` with nothing booked. */
  book(kind: LedgerKind): void {
    if (this.#postings.length === 0) return;
    for (const asset of new Set(this.#postings.map((one) => one.asset))) {
      const sum = this.#sum(asset);
      if (!sum.isZero()) throw new Unbalanced(kind, this.#book.assetRules(asset).id, sum);
    }
    this.#ledger.store({ kind, postings: this.#postings });
    for (const note of this.#after) note();
  }

  #sum(asset: number): Rational {
    let sum = Rational.zero;
    for (const posting of this.#postings) if (posting.asset === asset) sum = sum.plus(posting.amount);
    return sum;
  }

  #position(row: number, asset: number, leg: Leg, amount: Rational): this {
    const account = this.#book.rowAccount(row);
    return this.#add({ account, row, instrument: this.#book.rowInstrument(row), asset, leg, amount });
  }

  #add(posting: Posting): this {
    this.#legs += 1;
    if (!posting.amount.isZero()) this.#postings.push(posting);
    return this;
  }
}

/** Double entry over the book's cash and margin columns. */
export class Ledger {
  readonly #book: Book;
  /** The transactions of the entry being applied. */
  transactions: Transaction[] = [];

  constructor(book: Book) {
    this.#book = book;
  }

  begin(): Draft {
    return new Draft(this, this.#book);
  }

  balance(account: number, asset: number): Rational {
    const whole = amountOf(this.#book.assetRules(asset), this.#book.cash(account, asset));
    return account === roundingAccount ? whole.plus(this.#book.roundingFraction(asset)) : whole;
  }

  /** Books a balanced transaction; called by `Draft` alone. */
  store(transaction: Transaction): void {
    for (const posting of transaction.postings) this.#storePosting(posting);
    this.transactions.push(transaction);
  }

  #storePosting(posting: Posting): void {
    const quantum = this.#book.assetRules(posting.asset).quantum;
    if (posting.leg === "external") this.#book.addDeposits(posting.asset, posting.amount.negated().floorIn(quantum));
    else if (posting.leg === "margin") this.#book.addMargin(posting.row, posting.amount.floorIn(quantum));
    else if (posting.leg === "cash") {
      if (posting.account === roundingAccount) this.#book.addRounding(posting.asset, posting.amount);
      else this.#book.addCash(posting.account, posting.asset, posting.amount.floorIn(quantum));
    }
  }
}
