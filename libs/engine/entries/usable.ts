import { Rational } from "#libs/decimal/index.ts";
import type { Entry } from "#libs/contracts/log.ts";
import type { Machine } from "../machine.ts";

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

/**
 * INV-09: an entry that cannot be applied is refused before its sequence number counts and anything moves, so that the shard stops
 * with its state intact and the corrected entry is no duplicate. Throws `EntryRefused`, or `NotAnAmount` for bad text.
 */
export function assertUsable(machine: Machine, entry: Entry): void {
  switch (entry.k) {
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
      const instrument = needInstrument(machine, entry.instrument);
      needPrices(machine, instrument);
      if (entry.k === "margin") needAmount(machine, machine.instrument(instrument).settle, entry.amount);
      return needAccountPrices(machine, entry.account);
    }
    case "trade":
    case "position": {
      const instrument = needInstrument(machine, entry.instrument);
      return needLots(machine, instrument, entry.qty);
    }
    case "mode":
      needInstrument(machine, entry.instrument);
      return entry.leverage === undefined ? undefined : needAccountPrices(machine, entry.account);
    case "funding":
      return needPrices(machine, needInstrument(machine, entry.instrument));
    case "settle":
    case "expire":
      return void needInstrument(machine, entry.instrument);
    case "convert":
      return needAccountPrices(machine, entry.account);
    case "frame":
      return needFrame(machine, entry);
    default:
  }
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
  for (const id of Object.keys(entry.haircut ?? {})) needAsset(machine, id);
}
