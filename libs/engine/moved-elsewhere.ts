import { Rational } from "#libs/decimal/index.ts";
import type { Machine } from "./machine.ts";

/** Contracts, signed, that an account got without a trade at the matching engine. Plain data: part of the state. */
export interface Moved {
  readonly account: string;
  readonly instrument: string;
  readonly qty: string;
}

/** By number of the fact that says it: what the matching engine may not have read yet. */
export type MovedElsewhere = Map<number, readonly Moved[]>;

/** Facts remembered for a matching engine that attests nothing; beyond it the oldest count as read. */
const rememberedMax = 10_000;

/** Two accounts have closed against each other by deleveraging or a provider's take-over: `qty` contracts to one, from the other. */
export function noteMoved(
  machine: Machine,
  seq: number,
  between: { readonly account: number; readonly against: number; readonly instrument: number },
  qty: Rational,
): void {
  if (machine.options.venue !== "matching" || machine.book.isSystem(between.against)) return;
  const instrument = machine.instrument(between.instrument).id;
  const moved = (account: number, signed: Rational): Moved => ({
    account: machine.accountName(account),
    instrument,
    qty: signed.toStringDown(),
  });
  machine.movedElsewhere.set(seq, [moved(between.account, qty), moved(between.against, qty.negated())]);
  if (machine.movedElsewhere.size > rememberedMax)
    machine.movedElsewhere.delete(machine.movedElsewhere.keys().next().value as number);
}

/**
 * The matching engine has read the facts up to `seq`: what they moved is in its positions from now on. Returns what it does not
 * know yet, `account instrument` → contracts.
 */
export function notYetRead(machine: Machine, seq: number): ReadonlyMap<string, Rational> {
  const unread = new Map<string, Rational>();
  for (const [fact, moves] of machine.movedElsewhere) {
    if (fact <= seq) machine.movedElsewhere.delete(fact);
    else
      for (const { account, instrument, qty } of moves) {
        const key = `${account} ${instrument}`;
        unread.set(key, (unread.get(key) ?? Rational.zero).plus(Rational.parse(qty)));
      }
  }
  return unread;
}
