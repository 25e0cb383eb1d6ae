import { Rational } from "#libs/decimal/index.ts";
import type { Effect, Fill, OutcomeEntry, Side } from "#libs/contracts/log.ts";
import { pairHalf } from "../clearing.ts";
import { bookHalf } from "../entries/fill.ts";
import type { Machine } from "../machine.ts";

type CloseEffect = Extract<Effect, { effect: "close" }>;
type ClosedEntry = Extract<OutcomeEntry, { k: "closed" }>;

/** A closing order that has been answered. Plain data: part of the state. */
export interface AnsweredClose {
  readonly account: string;
  readonly instrument: string;
  readonly side: Side;
  /** Trades of it that are booked. */
  readonly trades: readonly string[];
}

/** How many answered closing orders are remembered. */
const answeredMax = 1024;

/** What a `closed` entry speaks of: an order that is open, or was not long ago; undefined: nobody knows. */
export function closeTarget(machine: Machine, effect: string): AnsweredClose | undefined {
  const open = machine.openEffects.get(effect);
  if (open?.effect === "close")
    return { account: open.account, instrument: open.instrument, side: open.side, trades: [] };
  return machine.answeredCloses.get(effect);
}

/** Remembers an answer, so that one that repeats it books nothing and one that says more books the rest. */
export function rememberClose(machine: Machine, order: CloseEffect, fills: readonly Fill[]): void {
  const trades = fills.flatMap((one) => (one.trade === undefined ? [] : [one.trade]));
  const { account, instrument, side } = order;
  machine.answeredCloses.set(order.id, { account, instrument, side, trades });
  for (const oldest of machine.answeredCloses.keys()) {
    if (machine.answeredCloses.size <= answeredMax) break;
    machine.answeredCloses.delete(oldest);
  }
}

/**
 * LIQ-28: what a closing order filled after its answer is booked all the same, as ordinary halves of the account: the matching engine is
 * the truth for fills. A trade that is booked already is the same answer again.
 */
export function bookLateFills(machine: Machine, entry: ClosedEntry): void {
  const target = closeTarget(machine, entry.effect);
  if (target === undefined) return;
  const fresh = entry.fills.filter((one) => one.trade === undefined || !target.trades.includes(one.trade));
  const account = machine.book.internAccount(target.account);
  const instrument = machine.book.instrumentIndex(target.instrument);
  for (const fill of fresh) {
    const qty = Rational.parse(fill.qty);
    bookExcess(machine, { account, instrument, side: target.side }, fill, qty, Rational.zero, "late");
    pairHalf(machine, fill.trade, { account, instrument, signed: target.side === "buy" ? qty : qty.negated() });
  }
  const trades = [...target.trades, ...fresh.flatMap((one) => (one.trade === undefined ? [] : [one.trade]))];
  machine.answeredCloses.set(entry.effect, { ...target, trades });
}

/** One fill, or what of it was beyond the position, as an ordinary half; no fee: it was no order of the trader's. */
export function bookExcess(
  machine: Machine,
  to: { readonly account: number; readonly instrument: number; readonly side: Side },
  fill: Fill,
  qty: Rational,
  ahead: Rational,
  reason: "late" | "overfilled",
): void {
  bookHalf(machine, {
    account: to.account,
    instrument: to.instrument,
    signed: to.side === "buy" ? qty : qty.negated(),
    price: Rational.parse(fill.price),
    liquidity: null,
    order: undefined,
    ahead,
    said: { ...(fill.trade === undefined ? {} : { trade: fill.trade }), reason },
  });
}
