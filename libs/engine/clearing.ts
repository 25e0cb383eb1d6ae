import { Rational } from "#libs/decimal/index.ts";
import { value } from "#libs/domain/positions/value.ts";
import { amountOf, contractsOf, lotsOf } from "./amounts.ts";
import type { Draft } from "./ledger.ts";
import type { Machine } from "./machine.ts";
import { clearingAccount, roundingAccount } from "./system-accounts.ts";

/** The first half of a trade whose other half has not come yet. Plain data: part of the state. */
export interface PendingHalf {
  readonly instrument: number;
  /** Signed lots of the party that came first. */
  readonly lots: bigint;
  /** Funding that fell due since, settle quanta: what the other party receives (negative: pays) with its half. */
  readonly owed: bigint;
}

/** Halves remembered at most; the other half of the oldest is then of another shard, and so is its funding. */
const pendingHalvesMax = 1024;

/**
 * POS-17: the other side of one half of a trade. `signed`: the party's contracts. With v the exact value of the buying side (linear
 * q·m·p, inverse −q·m/p) and K = ⌈v⌉ in quanta, the cost of `clearing` moves by −K for a buying half and by +K for a selling one,
 * and nothing is realised, so that both halves of a trade leave it where it was, on whatever shards they are booked.
 *
 * What is left goes to `rounding` and is never negative. A party pays P, the sum of its legs' values each rounded up, so P is a
 * whole number and at least the exact value of its side. Buying: P ≥ v, hence P ≥ K, and P − K is left. Selling: its exact
 * value is −v, P ≥ −⌊v⌋ ≥ −K, and P + K is left. Both halves together leave what a trade booked at once does.
 *
 * `ahead`: contracts of the same half that were booked before these (a closing fill beyond the position comes in two parts).
 * K is then ⌈v(ahead + q)⌉ − ⌈v(ahead)⌉, which lies between ⌊v(q)⌋ and ⌈v(q)⌉, so that the same holds.
 */
export function takeHalf(
  machine: Machine,
  draft: Draft,
  instrument: number,
  signed: Rational,
  price: Rational,
  ahead = Rational.zero,
): void {
  const { book } = machine;
  const rules = machine.instrument(instrument);
  const settle = book.settleIndex(instrument);
  const { quantum } = book.assetRules(settle);
  const whole = value(rules, signed.abs().plus(ahead), price).ceilTo(quantum);
  const bought = ahead.isZero() ? whole : whole.minus(value(rules, ahead, price).ceilTo(quantum));
  moveCost(machine, draft, instrument, lotsOf(rules, signed), signed.sign > 0 ? bought : bought.negated());
}

/** `clearing` gives `lots` to a party, and its cost falls by `fallen` (whole quanta). */
function moveCost(machine: Machine, draft: Draft, instrument: number, lots: bigint, fallen: Rational): void {
  const { book } = machine;
  const settle = book.settleIndex(instrument);
  const row = book.row(clearingAccount, instrument);
  const cost = book.cost(row) - fallen.floorIn(book.assetRules(settle).quantum);
  book.setHolding(row, book.qty(row) - lots, cost);
  draft.costReleased(row, settle, fallen);
  machine.touched.account(clearingAccount);
}

/**
 * EXP-04: the other side of a position that settles at an expiry. T(S) is the value at the settlement price, rounded towards zero,
 * of the S contracts that `clearing` has taken over so far; its cost moves from T(S) to T(S + s). The steps add up to T of
 * all that was settled, in whatever order it came: to nothing on a shard that holds both halves of every trade, and over all
 * shards as T is odd. What all steps together leave is ΣP + T(S), where ΣP is at least the exact value of what the parties
 * closed and T less than a quantum from that of S: never negative, though a single step may take a quantum back. Were it
 * spent by then, `clearing` gives it.
 */
export function takeExpired(
  machine: Machine,
  draft: Draft,
  instrument: number,
  signed: Rational,
  price: Rational,
): void {
  const { book, expirySettled } = machine;
  const rules = machine.instrument(instrument);
  const settle = book.settleIndex(instrument);
  const asset = book.assetRules(settle);
  const worth = (lots: bigint): bigint => {
    const exact = value(rules, contractsOf(rules, lots), price);
    const size = exact.abs().floorIn(asset.quantum);
    return exact.sign < 0 ? -size : size;
  };
  const lots = lotsOf(rules, signed);
  const before = expirySettled.get(instrument) ?? 0n;
  const after = before - lots;
  if (after === 0n) expirySettled.delete(instrument);
  else expirySettled.set(instrument, after);
  let fallen = amountOf(asset, worth(before) - worth(after));
  let residue = draft.sum(settle).plus(fallen).negated();
  const short = residue.negated();
  if (short.sign > 0 && amountOf(asset, book.cash(roundingAccount, settle)).below(short)) {
    fallen = fallen.minus(short);
    residue = Rational.zero;
  }
  moveCost(machine, draft, instrument, lots, fallen);
  draft.cash(roundingAccount, settle, residue);
}

/**
 * FUND-07: halves of a trade are entries of their own, and a payment may fall due between them. The party whose half came first has
 * accrued it by then; `clearing`, which stands in for the other, books what it accrues at once, and remembers for each half that
 * waits what its other party is to have of it, each rounded down. What no half explains belongs to another shard and stays
 * with `clearing`; fractions go to `rounding`. So nothing is made: what is booked is what `clearing` accrued.
 */
export function bookClearingFunding(
  machine: Machine,
  instrument: number,
  accrued: Rational,
  perContract: Rational,
): void {
  const { book } = machine;
  const settle = book.settleIndex(instrument);
  const rules = machine.instrument(instrument);
  const { quantum } = book.assetRules(settle);
  const row = book.findRow(clearingAccount, instrument);
  let unexplained = accrued;
  let quanta = 0n;
  for (const [trade, half] of machine.pendingHalves) {
    if (half.instrument !== instrument) continue;
    // The other party holds the opposite, and a position accrues −q·(payment per contract).
    const due = contractsOf(rules, half.lots).times(perContract);
    const booked = due.floorIn(quantum);
    machine.pendingHalves.set(trade, { ...half, owed: half.owed + booked });
    unexplained = unexplained.minus(due);
    quanta += booked;
  }
  quanta += unexplained.floorIn(quantum);
  if (row >= 0) {
    book.setRowFundingEpoch(row, book.market.fundingEpoch(instrument));
    machine.touched.account(clearingAccount);
  }
  const amount = amountOf(book.assetRules(settle), quanta);
  const draft = machine.ledger.begin();
  if (!accrued.isZero()) draft.accrued(row, settle, accrued.negated());
  draft.cash(clearingAccount, settle, amount).cash(roundingAccount, settle, accrued.minus(amount)).book("funding");
}

/** FUND-07: notes the first half of a trade; with the second its party takes over what `clearing` has booked for it since. */
export function pairHalf(
  machine: Machine,
  trade: string | undefined,
  half: { readonly account: number; readonly instrument: number; readonly signed: Rational },
): void {
  if (trade === undefined) return;
  const { book, pendingHalves } = machine;
  const { account, instrument } = half;
  const lots = lotsOf(machine.instrument(instrument), half.signed);
  const known = pendingHalves.get(trade);
  pendingHalves.delete(trade);
  if (known === undefined || known.instrument !== instrument || known.lots !== -lots) {
    pendingHalves.set(trade, { instrument, lots, owed: 0n });
    for (const oldest of pendingHalves.keys()) {
      if (pendingHalves.size <= pendingHalvesMax) break;
      pendingHalves.delete(oldest);
    }
    return;
  }
  if (known.owed === 0n) return;
  const settle = book.settleIndex(instrument);
  const amount = amountOf(book.assetRules(settle), known.owed);
  const row = book.findRow(account, instrument);
  const draft = machine.ledger.begin().cash(clearingAccount, settle, amount.negated());
  if (row >= 0 && book.isIsolated(row) && book.qty(row) !== 0n) {
    draft.margin(row, settle, amount).book("funding");
    machine.touch(book.isolatedPool(row));
    return;
  }
  draft.cash(account, settle, amount).book("funding");
  machine.touchAccount(account);
}
