import { Rational } from "#libs/decimal/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { watchFill } from "../breach-watch.ts";
import { countOrder, countTrade, countVolume } from "../activity.ts";
import { lotsOf } from "../amounts.ts";
import { pairHalf, takeHalf } from "../clearing.ts";
import { fillSide, releaseIfFlat } from "../fills.ts";
import { bookAccruedFunding } from "../funding.ts";
import type { Machine } from "../machine.ts";
import { cancelUncoveredReduceOnly, fillOrder } from "../resting-orders.ts";
import { coverDeficit } from "../sagas/bad-debt.ts";
import { watchSlippage } from "../slippage-watch.ts";
import { badDebtAccount, clearingAccount } from "../system-accounts.ts";
import { settleExpired } from "./admin.ts";
import { chargeFee } from "./trade.ts";

/** One half of a trade: an account against `clearing`. */
export interface Half {
  readonly account: number;
  readonly instrument: number;
  /** Signed contracts. */
  readonly signed: Rational;
  readonly price: Rational;
  /** null: no fee is taken, what fills is no order of the trader's. */
  readonly liquidity: "maker" | "taker" | null;
  /** The resting order that it takes from, if it is one. */
  readonly order: string | undefined;
  /** Contracts of the same half that are booked already. */
  readonly ahead?: Rational;
  /** Further fields of its fact. */
  readonly said: Readonly<Record<string, unknown>>;
}

/** ORD-12: a half fill is a fact of the matching engine: booked as it is, whatever the account may do now, then judged. */
export function applyHalf(machine: Machine, entry: Extract<EntryBody, { k: "fill" }>): void {
  const { book } = machine;
  const account = book.internAccount(entry.account);
  const instrument = book.instrumentIndex(entry.instrument);
  const qty = Rational.parse(entry.qty);
  const signed = entry.side === "buy" ? qty : qty.negated();
  // An order that trades at once has never rested.
  if (entry.liquidity === "taker" && book.findOrder(account, entry.order) === undefined)
    countOrder(machine, account, entry.order);
  countTrade(machine, account, entry.order);
  countVolume(machine, instrument, lotsOf(machine.instrument(instrument), signed));
  bookHalf(machine, {
    account,
    instrument,
    signed,
    price: Rational.parse(entry.price),
    liquidity: entry.liquidity,
    order: entry.order,
    said: { trade: entry.trade, order: entry.order, liquidity: entry.liquidity },
  });
  pairHalf(machine, entry.trade, { account, instrument, signed });
  watchFill(machine, [account], instrument);
  if (entry.liquidity === "taker")
    watchSlippage(machine, { account, instrument, side: entry.side, price: Rational.parse(entry.price) });
}

/** Books a half as one transaction, then what follows from it: its order shrinks, a deficit is covered, an expired position settles. */
export function bookHalf(machine: Machine, half: Half): void {
  const { book } = machine;
  const { account, instrument, signed, price } = half;
  const settle = book.settleIndex(instrument);
  const qty = signed.abs();
  const row = book.row(account, instrument);
  bookAccruedFunding(machine, row);
  const draft = machine.ledger.begin();
  const done = fillSide(machine, draft, { account, instrument, qty: signed, price, liquidation: false });
  takeHalf(machine, draft, instrument, signed, price, half.ahead);
  // The missing money stands against bad_debt until it is covered below; cross cash never pays for an isolated pool.
  draft.cash(badDebtAccount, settle, done.deficit.negated());
  draft.residueToRounding(settle);
  const fee =
    half.liquidity === null
      ? Rational.zero
      : chargeFee(machine, draft, account, instrument, qty, price, half.liquidity === "taker");
  draft.book("fill");
  if (!machine.options.quietFills)
    machine.fact("fill", {
      account: machine.accountName(account),
      instrument: machine.instrument(instrument).id,
      side: signed.sign > 0 ? "buy" : "sell",
      qty: qty.toStringDown(),
      price: price.toStringDown(),
      realised: done.outcome.realised.toStringDown(),
      fee: fee.toStringUp(),
      ...half.said,
    });
  fillOrder(machine, account, half.order, qty);
  cancelUncoveredReduceOnly(machine, account, instrument);
  releaseIfFlat(machine, row);
  releaseIfFlat(machine, book.row(clearingAccount, instrument));
  if (done.deficit.sign > 0) coverDeficit(machine, { asset: settle, amount: done.deficit, instrument, saga: null });
  // A late fill of an expired instrument is booked as it is, and what it opened settles at once.
  if (machine.closedInstruments.has(instrument)) settleExpired(machine, instrument);
}
