import { NotAnAmount, Rational } from "#libs/decimal/index.ts";
import type { Entry } from "#libs/contracts/log.ts";
import { notional } from "#libs/domain/positions/value.ts";
import { bookable, lotsOf } from "../amounts.ts";
import type { Machine } from "../machine.ts";
import { fits } from "../representable.ts";
import { closeTarget } from "../sagas/answered.ts";
import { clearingAccount } from "../system-accounts.ts";

/** Whose entries are a person's (libs/contracts/live/subjects.ts). */
const operatorSource = "operator";
/** Of text that is no amount, so many characters are told. */
const shownMax = 64;

/** Thrown before anything has changed: the entry names what is not there, or needs a price that is not known. */
export class EntryRefused extends Error {
  readonly code: string;
  readonly what: string;
  constructor(code: string, what: string) {
    super(`entry refused: ${code} ${what}`);
    this.name = "EntryRefused";
    this.code = code;
    this.what = what;
  }
}

function needAsset(machine: Machine, id: string): void {
  const asset = machine.book.assetIndex(id);
  if (asset < 0 || !machine.book.isAssetListed(asset)) throw new EntryRefused("unknown_asset", id);
}

function needInstrument(machine: Machine, id: string): number {
  const instrument = machine.book.instrumentIndex(id);
  if (instrument < 0 || !machine.book.isInstrumentListed(instrument)) throw new EntryRefused("unknown_instrument", id);
  return instrument;
}

function needAmount(machine: Machine, asset: string, amount: string): void {
  needAsset(machine, asset);
  if (!Rational.parse(amount).isMultipleOf(machine.market.asset(asset).quantum))
    throw new EntryRefused("off_quantum", amount);
}

function needAmounts(...texts: readonly string[]): void {
  for (const text of texts) Rational.parse(text);
}

function needIndex(machine: Machine, asset: number): void {
  if (machine.book.market.indexPrice(asset) === null)
    throw new EntryRefused("price_missing", machine.book.assetRules(asset).id);
}

function needPrices(machine: Machine, instrument: number): void {
  if (machine.book.market.markPrice(instrument) === null)
    throw new EntryRefused("price_missing", machine.instrument(instrument).id);
  needIndex(machine, machine.book.settleIndex(instrument));
}

/** Every price that an account's health is made of. */
function needAccountPrices(machine: Machine, id: string): void {
  const { book } = machine;
  const account = book.findAccount(id);
  if (account < 0) return;
  for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row))
    if (book.qty(row) !== 0n) needPrices(machine, book.rowInstrument(row));
  for (const order of book.orders(account)) needPrices(machine, order.instrument);
  for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row))
    if (book.cashAmount(row) !== 0n) needIndex(machine, book.cashAsset(row));
}

function needLots(machine: Machine, instrument: number, qty: string): void {
  const amount = Rational.parse(qty);
  if (amount.isZero() || !amount.isMultipleOf(machine.instrument(instrument).lot))
    throw new EntryRefused("off_lot", qty);
}

function needTrader(machine: Machine, id: string): void {
  if (machine.book.isSystem(machine.book.findAccount(id)) && machine.book.findAccount(id) >= 0)
    throw new EntryRefused("system_account", id);
}

function needPositive(amount: string, code: string): void {
  if (Rational.parse(amount).sign <= 0) throw new EntryRefused(code, amount);
}

/** NUM-07: contracts at a price that can be stored, on the side of the account and on that of `clearing`. */
function needRoom(machine: Machine, id: string, instrument: number, qty: Rational, price: Rational): void {
  const { book } = machine;
  const rules = machine.instrument(instrument);
  const account = book.findAccount(id);
  const row = account < 0 ? -1 : book.findRow(account, instrument);
  const isolated = row >= 0 && book.isIsolated(row);
  // Moving margin into an isolated pool reads open interest, covering what it cannot pay reads indices.
  if (isolated) needPrices(machine, instrument);
  const leverage = row < 0 ? rules.maxLeverage : book.leverage(row);
  const cleared = book.findRow(clearingAccount, instrument);
  const held = cleared < 0 ? 0n : magnitude(book.qty(cleared)) + lotsOf(rules, qty);
  const { quantum } = book.assetRules(book.settleIndex(instrument));
  const worth = notional(rules, qty, price).ceilIn(quantum);
  const cost = cleared < 0 ? worth : magnitude(book.cost(cleared)) + worth;
  if (!fits(machine, [leverage], instrument, qty, price) || !bookable(held) || !bookable(cost))
    throw new EntryRefused("out_of_range", qty.toStringDown());
}

const magnitude = (quanta: bigint): bigint => (quanta < 0n ? -quanta : quanta);

/** What a matching engine says has traded or rests. */
function needTraded(
  machine: Machine,
  id: string,
  instrument: number,
  said: { readonly qty: string; readonly price?: string | undefined },
): void {
  needTrader(machine, id);
  needPositive(said.qty, "off_lot");
  needLots(machine, instrument, said.qty);
  if (said.price !== undefined) needPositive(said.price, "price_not_positive");
}

function needHalf(machine: Machine, entry: Extract<Entry, { k: "fill" }>): void {
  const instrument = needInstrument(machine, entry.instrument);
  needTraded(machine, entry.account, instrument, entry);
  needRoom(machine, entry.account, instrument, Rational.parse(entry.qty), Rational.parse(entry.price));
}

/** An order that rests already is taken in without any price of the market: nothing of it moves money. */
function needBookable(machine: Machine, entry: Extract<Entry, { k: "order" }>): void {
  const instrument = needInstrument(machine, entry.instrument);
  needTraded(machine, entry.account, instrument, entry);
  if (entry.stop !== undefined) needAmounts(entry.stop);
  const qty = Rational.parse(entry.qty);
  const price = entry.price === undefined ? machine.book.market.markPrice(instrument) : Rational.parse(entry.price);
  if (
    !bookable(lotsOf(machine.instrument(instrument), qty)) ||
    (price !== null && !fits(machine, [], instrument, qty, price))
  )
    throw new EntryRefused("out_of_range", entry.qty);
}

/** Fills of a closing order that nobody knows cannot be booked, and those of an answered one only if told from the booked ones. */
function needClosed(machine: Machine, entry: Extract<Entry, { k: "closed" }>): void {
  if (machine.options.venue !== "matching")
    return needAmounts(...entry.fills.flatMap(({ qty, price }) => [qty, price]));
  if (entry.fills.length === 0) return;
  const target = closeTarget(machine, entry.effect);
  if (target === undefined) throw new EntryRefused("unknown_effect", entry.effect);
  const instrument = needInstrument(machine, target.instrument);
  for (const fill of entry.fills) {
    needTraded(machine, target.account, instrument, fill);
    if (fill.trade === undefined && !machine.openEffects.has(entry.effect))
      throw new EntryRefused("trade_missing", entry.effect);
  }
  const all = Rational.sum(entry.fills.map((fill) => Rational.parse(fill.qty)));
  for (const { price } of entry.fills) needRoom(machine, target.account, instrument, all, Rational.parse(price));
}

/** An operator's or a trader's command names traders; system accounts move by rules alone. */
function needTraders(machine: Machine, entry: Entry): void {
  if (machine.options.venue !== "matching") return;
  if (entry.k === "transfer") for (const id of [entry.from, entry.to]) needTrader(machine, id);
  else if (entry.k === "cash" || entry.k === "mode" || entry.k === "margin" || entry.k === "convert")
    needTrader(machine, entry.account);
}

/**
 * INV-09: an entry that cannot be applied is refused before its sequence number counts and anything moves, so that the shard stops
 * with its state intact and the corrected entry is no duplicate. Every amount is read here once, so that one which is none is
 * found before anything has changed. Throws `EntryRefused` and nothing else.
 */
export function assertUsable(machine: Machine, entry: Entry): void {
  try {
    needAll(machine, entry);
  } catch (error) {
    throw error instanceof NotAnAmount ? new EntryRefused("not_an_amount", error.text.slice(0, shownMax)) : error;
  }
}

function needAll(machine: Machine, entry: Entry): void {
  needTraders(machine, entry);
  switch (entry.k) {
    case "fill":
      return needHalf(machine, entry);
    case "closed":
      return needClosed(machine, entry);
    case "cash":
      needAmount(machine, entry.asset, entry.amount);
      if (entry.amount.startsWith("-")) {
        needAccountPrices(machine, entry.account);
        needIndex(machine, machine.book.assetIndex(entry.asset));
      }
      return;
    case "fund":
    case "house":
      return needAmount(machine, entry.asset, entry.amount);
    case "transfer":
      needAmount(machine, entry.asset, entry.amount);
      needIndex(machine, machine.book.assetIndex(entry.asset));
      return needAccountPrices(machine, entry.from);
    case "order":
    case "margin": {
      if (entry.k === "order" && machine.options.venue === "matching") return needBookable(machine, entry);
      const instrument = needInstrument(machine, entry.instrument);
      needPrices(machine, instrument);
      if (entry.k === "margin") needAmount(machine, machine.instrument(instrument).settle, entry.amount);
      else needAmounts(entry.qty, entry.price ?? "0", entry.stop ?? "0");
      return needAccountPrices(machine, entry.account);
    }
    case "trade":
    case "position": {
      const instrument = needInstrument(machine, entry.instrument);
      needAmounts(entry.k === "trade" ? entry.price : entry.entry);
      return needLots(machine, instrument, entry.qty);
    }
    case "mode":
      needInstrument(machine, entry.instrument);
      if (entry.leverage === undefined) return;
      needAmounts(entry.leverage);
      return needAccountPrices(machine, entry.account);
    case "funding":
      needAmounts(entry.rate);
      return needPrices(machine, needInstrument(machine, entry.instrument));
    case "deleverage": {
      const instrument = needInstrument(machine, entry.instrument);
      needTrader(machine, entry.account);
      needLots(machine, instrument, entry.qty);
      needPrices(machine, instrument);
      return needAccountPrices(machine, entry.account);
    }
    case "expire":
      return needSettlement(machine, entry);
    case "rules":
      if (entry.base !== undefined && entry.base !== machine.rules.version)
        throw new EntryRefused("rules_moved", `version ${machine.rules.version}`);
      return;
    case "settle":
      return void needInstrument(machine, entry.instrument);
    case "attest":
      return needAmounts(...entry.positions.map(([, , qty]) => qty));
    case "convert":
      return needAccountPrices(machine, entry.account);
    case "frame":
      return needFrame(machine, entry);
    default:
  }
}

/** EXP-05: a person's price lies near a good index; by no index, and by one that is not good, nobody can say that it is not mistyped. */
function needSettlement(
  machine: Machine,
  { instrument: id, price: said, source }: Extract<Entry, { k: "expire" }>,
): void {
  const price = Rational.parse(said);
  const instrument = needInstrument(machine, id);
  if (source !== operatorSource) return;
  const { book, rules } = machine;
  const followed = machine.instrument(instrument).index;
  const asset = book.assetIndex(followed);
  const index = book.market.indexPrice(asset);
  if (index === null) throw new EntryRefused("price_unknown", id);
  const quality = book.market.assetQuality(asset);
  if (quality !== "good") throw new EntryRefused("price_quality", `${followed} is ${quality}`);
  if (!index.times(rules.settlementBand).atLeast(price.minus(index).abs()))
    throw new EntryRefused("settlement_band", `${said} against ${index.toStringDown()}`);
}

function needFrame(machine: Machine, entry: Extract<Entry, { k: "frame" }>): void {
  for (const [id, price] of Object.entries(entry.index ?? {})) {
    needAsset(machine, id);
    if (Rational.parse(price).sign <= 0) throw new EntryRefused("price_not_positive", id);
  }
  for (const [id, price] of Object.entries(entry.mark ?? {})) {
    needInstrument(machine, id);
    if (Rational.parse(price).sign <= 0) throw new EntryRefused("price_not_positive", id);
  }
  for (const [id, contracts] of Object.entries(entry.depth ?? {})) {
    needInstrument(machine, id);
    needAmounts(contracts);
  }
  for (const [id, { initial, maintenance }] of Object.entries(entry.haircut ?? {})) {
    needAsset(machine, id);
    needAmounts(initial, maintenance);
  }
}
