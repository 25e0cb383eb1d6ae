import { Rational } from "#libs/decimal/index.ts";
import type { EntryBody, Side } from "#libs/contracts/log.ts";
import { fillValue } from "#libs/domain/positions/value.ts";
import { countTrade, countVolume } from "../activity.ts";
import { amountOf, lotsOf, quantaOf } from "../amounts.ts";
import { watchFill } from "../breach-watch.ts";
import { addFeeLegs, feeOf, fillSide, releaseIfFlat } from "../fills.ts";
import { bookAccruedFunding } from "../funding.ts";
import type { Draft } from "../ledger.ts";
import type { Machine } from "../machine.ts";
import { fits } from "../representable.ts";
import { cancelUncoveredReduceOnly, fillOrder } from "../resting-orders.ts";
import { coverDeficit } from "../sagas/bad-debt.ts";
import { watchSlippage } from "../slippage-watch.ts";
import { settleExpired } from "./admin.ts";
import { badDebtAccount } from "../system-accounts.ts";

type TradeEntry = Extract<EntryBody, { k: "trade" }>;

/** A trade is a fact of the venue: booked as it is, both sides, roundings and fees as one transaction, then judged. */
export function applyTrade(machine: Machine, entry: TradeEntry): void {
  const { book } = machine;
  const instrument = book.instrumentIndex(entry.instrument);
  const settle = book.settleIndex(instrument);
  const qty = Rational.parse(entry.qty);
  const price = Rational.parse(entry.price);
  const buyer = book.internAccount(entry.buyer);
  const seller = book.internAccount(entry.seller);
  const leverages = [buyer, seller].map((one) => book.leverage(book.row(one, instrument)));
  // NUM-07: a fill whose lots or value could not be stored is refused whole, before anything is booked.
  if (!fits(machine, leverages, instrument, qty, price)) return refuseRange(machine, entry);
  for (const account of [buyer, seller]) bookAccruedFunding(machine, book.row(account, instrument));
  const draft = machine.ledger.begin();
  const fees = entry.fees ?? true;
  const taker = entry.taker ?? "buy";
  const deficits: { row: number; amount: Rational }[] = [];
  const sides: readonly { account: number; side: Side; signed: Rational; order: string | undefined }[] = [
    { account: buyer, side: "buy", signed: qty, order: entry.buyOrder },
    { account: seller, side: "sell", signed: qty.negated(), order: entry.sellOrder },
  ];
  for (const one of sides) {
    const done = fillSide(machine, draft, {
      account: one.account,
      instrument,
      qty: one.signed,
      price,
      liquidation: false,
    });
    if (done.deficit.sign > 0) {
      // The missing money stands against bad_debt until it is covered below; cross cash never pays for an isolated pool.
      draft.cash(badDebtAccount, settle, done.deficit.negated());
      deficits.push({ row: book.row(one.account, instrument), amount: done.deficit });
    }
    if (fees) chargeFee(machine, draft, one.account, instrument, qty, price, one.side === taker);
    if (!machine.options.quietFills)
      machine.fact("fill", {
        account: machine.accountName(one.account),
        instrument: entry.instrument,
        side: one.side,
        qty: entry.qty,
        price: entry.price,
        realised: done.outcome.realised.toStringDown(),
      });
  }
  draft.residueToRounding(settle);
  draft.book("fill");
  countVolume(machine, instrument, lotsOf(machine.instrument(instrument), qty));
  for (const one of sides) {
    countTrade(machine, one.account, one.order);
    fillOrder(machine, one.account, one.order, qty);
    cancelUncoveredReduceOnly(machine, one.account, instrument);
    releaseIfFlat(machine, book.row(one.account, instrument));
  }
  for (const deficit of deficits)
    coverDeficit(machine, { asset: settle, amount: deficit.amount, instrument, saga: null });
  // A late fill of an expired instrument is booked as it is, and what it opened settles at once.
  if (machine.closedInstruments.has(instrument)) settleExpired(machine, instrument);
  watchFill(machine, [buyer, seller], instrument);
  watchSlippage(machine, { account: taker === "buy" ? buyer : seller, instrument, side: taker, price });
}

function refuseRange(
  machine: Machine,
  entry: { readonly k: string; readonly instrument: string; readonly qty: string },
): void {
  machine.fact(`${entry.k}.refused`, { instrument: entry.instrument, qty: entry.qty, codes: ["out_of_range"] });
}

/** Ordinary fees come from cross cash, also for isolated positions; system accounts pay none. Returns the fee, settle asset. */
export function chargeFee(
  machine: Machine,
  draft: Draft,
  account: number,
  instrument: number,
  qty: Rational,
  price: Rational,
  taker: boolean,
): Rational {
  if (machine.book.isSystem(account)) return Rational.zero;
  const rules = machine.instrument(instrument);
  const settle = machine.book.settleIndex(instrument);
  const fee = feeOf(machine, instrument, qty, price, taker ? rules.takerFee : rules.makerFee);
  if (fee.isZero()) return fee;
  draft.cash(account, settle, fee.negated());
  addFeeLegs(machine, draft, settle, fee);
  machine.touchAccount(account);
  return fee;
}

/** A position set up without a counterparty: a tool of scenarios, after which invariants 1 and 2 cannot be judged. */
export function applyPosition(machine: Machine, entry: Extract<EntryBody, { k: "position" }>): void {
  const { book } = machine;
  const account = book.internAccount(entry.account);
  const instrument = book.instrumentIndex(entry.instrument);
  const rules = machine.instrument(instrument);
  const settle = book.settleIndex(instrument);
  const asset = book.assetRules(settle);
  const row = book.row(account, instrument);
  bookAccruedFunding(machine, row);
  const qty = Rational.parse(entry.qty);
  const price = Rational.parse(entry.entry);
  if (!fits(machine, [book.leverage(row)], instrument, qty, price)) return refuseRange(machine, entry);
  machine.positionsSetUp = true;
  machine.touched.account(account);
  if (book.isIsolated(row)) {
    const held = amountOf(asset, book.margin(row));
    machine.ledger.begin().margin(row, settle, held.negated()).cash(account, settle, held).book("margin");
    const flat = { account, instrument, qty, price, liquidation: false };
    book.setHolding(row, 0n, 0n);
    const draft = machine.ledger.begin();
    fillSide(machine, draft, flat);
    // Only the margin and cash legs balance here: the position has no counterparty.
    draft.withoutCosts().book("margin");
  } else book.setHolding(row, lotsOf(rules, qty), quantaOf(asset, fillValue(rules, qty, price, asset.quantum)));
  machine.touch(book.poolOf(row));
}
