import type { Rational } from "#libs/decimal/index.ts";
import { nearestFloat } from "../floats.ts";
import type { Machine } from "../machine.ts";
import { type CertainInstrument, CertainRules, room, weightBound } from "./certain-rules.ts";
import type { Held } from "./overlay.ts";

/** Larger amounts may not be bookable (NUM-07): a quantum is at least 1e-18. */
const largest = 1e15;

/**
 * All that an account has, added up in floats: cash and positions, what rests and what is approved. It is kept while the log stands
 * still and nothing but the order last tried has been approved, so that many orders of one account cost little more than one.
 */
export class Holdings {
  readonly #machine: Machine;
  #rules: CertainRules;
  #run = 0;
  /** By asset: balance, and the magnitudes that it was added up from; valid in the run that it was opened in. */
  #balance = new Float64Array(0);
  #gross = new Float64Array(0);
  #assetRun = new Int32Array(0);
  readonly #assets: number[] = [];
  /** By instrument: the position's size (signed) and |cost|, then what orders add; in units of the settle asset where money. */
  size = new Float64Array(0);
  #cost = new Float64Array(0);
  buy = new Float64Array(0);
  sell = new Float64Array(0);
  #buyWorth = new Float64Array(0);
  #sellWorth = new Float64Array(0);
  #loss = new Float64Array(0);
  /** By instrument, USD, from above: the notional that leverage is measured by, and what is needed of initial margin. */
  used = new Float64Array(0);
  needed = new Float64Array(0);
  #row = new Int32Array(0);
  #instrumentRun = new Int32Array(0);
  readonly instruments: number[] = [];
  /** How many positions it holds. */
  open = 0;
  /** Initial equity, USD, from below. */
  equity = 0;
  /** It holds an isolated position: what it is worth is more than its equity, or less. */
  holdsIsolated = false;

  #account = -1;
  #at = -1;
  #usable = false;
  /** The approvals that are counted, and the ids of their orders. */
  #held: readonly Held[] = [];
  #counted = 0;
  readonly #ids = new Set<string>();
  /** The order last tried. */
  #tried: { readonly id: string; readonly qty: Rational; readonly price: Rational | null } | null = null;
  /** What that has changed of the sums of its instrument, so that it can be taken back to the last bit. */
  readonly #before = {
    instrument: -1,
    isNew: false,
    buy: 0,
    sell: 0,
    buyWorth: 0,
    sellWorth: 0,
    loss: 0,
    used: 0,
    needed: 0,
  };

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#rules = new CertainRules(machine.book);
  }

  get rules(): CertainRules {
    return this.#rules;
  }

  /** Under other rules nothing that was added up holds. */
  restart(): void {
    const { book } = this.#machine;
    const { assetCount, instrumentCount } = book;
    this.#rules = new CertainRules(book);
    this.#account = -1;
    this.#run = 0;
    [this.#balance, this.#gross] = [new Float64Array(assetCount), new Float64Array(assetCount)];
    this.#assetRun = new Int32Array(assetCount);
    [this.size, this.#cost] = [new Float64Array(instrumentCount), new Float64Array(instrumentCount)];
    [this.buy, this.sell] = [new Float64Array(instrumentCount), new Float64Array(instrumentCount)];
    [this.#buyWorth, this.#sellWorth] = [new Float64Array(instrumentCount), new Float64Array(instrumentCount)];
    [this.used, this.needed] = [new Float64Array(instrumentCount), new Float64Array(instrumentCount)];
    this.#loss = new Float64Array(instrumentCount);
    [this.#row, this.#instrumentRun] = [new Int32Array(instrumentCount), new Int32Array(instrumentCount)];
  }

  /** Adds up an account with what is approved for it, or finds it added up. False: something of it is left to the exact check. */
  of(account: number, held: readonly Held[]): boolean {
    const at = this.#machine.appliedSeq;
    if (account === this.#account && at === this.#at && this.#follows(held)) return this.#usable;
    this.#begin(account, at, held);
    this.#usable =
      this.#cash() &&
      this.#positions() &&
      this.#resting() &&
      this.#approved(held, 0) &&
      this.#valued() &&
      this.#required();
    return this.#usable;
  }

  /** Whether what is approved is what is counted, or more of it, which is counted too; the order last tried may be the next. */
  #follows(held: readonly Held[]): boolean {
    const [counted, tried] = [this.#counted, this.#tried];
    if (held.length < counted || (counted > 0 && held !== this.#held)) return false;
    const next = held[counted];
    this.#held = held;
    this.#counted = held.length;
    if (tried === null || next === undefined || next.qty !== tried.qty || next.price !== tried.price) {
      this.takeBack();
      if (next !== undefined) this.#usable = this.#usable && this.#approved(held, counted) && this.#required();
      return true;
    }
    this.#tried = null;
    this.#ids.add(tried.id);
    if (held.length > counted + 1) this.#usable = this.#approved(held, counted + 1) && this.#required();
    return true;
  }

  #begin(account: number, at: number, held: readonly Held[]): void {
    this.#account = account;
    this.#at = at;
    this.#run = (this.#run + 1) | 0;
    this.#assets.length = 0;
    this.instruments.length = 0;
    this.open = 0;
    this.equity = 0;
    this.holdsIsolated = false;
    this.#held = held;
    this.#counted = held.length;
    if (this.#ids.size > 0) this.#ids.clear();
    this.#tried = null;
  }

  /** Whether an order of that id is approved. */
  isApproved(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Counts one more order until it is taken back, or found among what is approved; `size` is positive, `limit` NaN: at mark. */
  try(
    order: { readonly id: string; readonly qty: Rational; readonly price: Rational | null },
    instrument: number,
    buys: boolean,
    size: number,
    limit: number,
  ): boolean {
    const before = this.#before;
    before.instrument = instrument;
    before.isNew = this.#instrumentRun[instrument] !== this.#run;
    this.#instrument(instrument);
    before.buy = this.buy[instrument] as number;
    before.sell = this.sell[instrument] as number;
    before.buyWorth = this.#buyWorth[instrument] as number;
    before.sellWorth = this.#sellWorth[instrument] as number;
    before.loss = this.#loss[instrument] as number;
    before.used = this.used[instrument] as number;
    before.needed = this.needed[instrument] as number;
    this.#tried = order;
    return this.#order(instrument, buys, size, limit) && this.#require(instrument);
  }

  /** Takes the order last tried back; nothing where none is. */
  takeBack(): void {
    if (this.#tried === null) return;
    this.#tried = null;
    const { instrument, isNew, buy, sell, buyWorth, sellWorth, loss, used, needed } = this.#before;
    if (isNew) {
      this.instruments.pop();
      this.#instrumentRun[instrument] = this.#run - 1;
      return;
    }
    this.buy[instrument] = buy;
    this.sell[instrument] = sell;
    this.#buyWorth[instrument] = buyWorth;
    this.#sellWorth[instrument] = sellWorth;
    this.#loss[instrument] = loss;
    this.used[instrument] = used;
    this.needed[instrument] = needed;
  }

  #add(asset: number, amount: number, gross: number): void {
    if (this.#assetRun[asset] !== this.#run) {
      this.#assetRun[asset] = this.#run;
      this.#balance[asset] = 0;
      this.#gross[asset] = 0;
      this.#assets.push(asset);
    }
    this.#balance[asset] = (this.#balance[asset] as number) + amount;
    this.#gross[asset] = (this.#gross[asset] as number) + gross;
  }

  #instrument(instrument: number): void {
    if (this.#instrumentRun[instrument] === this.#run) return;
    this.#instrumentRun[instrument] = this.#run;
    this.size[instrument] = 0;
    this.#cost[instrument] = 0;
    this.buy[instrument] = 0;
    this.sell[instrument] = 0;
    this.#buyWorth[instrument] = 0;
    this.#sellWorth[instrument] = 0;
    this.#loss[instrument] = 0;
    this.used[instrument] = 0;
    this.needed[instrument] = 0;
    // A flat row too: the account may have chosen its leverage or mode.
    this.#row[instrument] = this.#machine.book.findRow(this.#account, instrument);
    this.instruments.push(instrument);
  }

  /** False, here and below: a price is missing or not good, or a rule is left to the exact check. */
  #cash(): boolean {
    const { book } = this.#machine;
    for (let row = book.firstCashRow(this.#account); row >= 0; row = book.nextCashRow(row)) {
      const cash = book.cashF[row] as number;
      const asset = book.cashAsset(row);
      if (cash === 0) continue;
      if (book.market.assetQuality(asset) !== "good") return false;
      this.#add(asset, cash, Math.abs(cash));
    }
    return true;
  }

  #positions(): boolean {
    const { book } = this.#machine;
    for (let row = book.firstRow(this.#account); row >= 0; row = book.nextRow(row)) {
      const size = book.exposureF[row] as number;
      if (size === 0) continue;
      this.open += 1;
      if (!this.#position(row, size)) return false;
    }
    return true;
  }

  #position(row: number, size: number): boolean {
    const { book } = this.#machine;
    const { market } = book;
    const instrument = book.rowInstrument(row);
    const compiled = this.#rules.instruments[instrument];
    if (compiled?.usable !== true || market.instrumentQuality(instrument) !== "good") return false;
    if (market.assetQuality(compiled.settle) !== "good") return false;
    const cost = book.costF[row] as number;
    this.#instrument(instrument);
    this.size[instrument] = size;
    this.#cost[instrument] = Math.abs(cost);
    if (book.isIsolated(row)) return (this.holdsIsolated = true);
    const mark = market.factors[compiled.markFactor] as number;
    const value = compiled.inverse ? -size / mark : size * mark;
    const since = market.fundingSinceFloat(instrument, book.rowFundingEpoch(row));
    const funding = since === 0 ? 0 : -(size / compiled.multiplier) * since;
    const profit = value - cost;
    const { profitWeight, profitCurve } = this.#rules;
    const weight = profit > 0 ? Math.min(profitWeight, weightBound(profitCurve, profit)) : 1;
    this.#add(compiled.settle, profit * weight + funding, Math.abs(value) + Math.abs(cost) + Math.abs(funding));
    return mark > 0;
  }

  #order(instrument: number, buys: boolean, size: number, price: number): boolean {
    const compiled = this.#rules.instruments[instrument];
    if (compiled?.usable !== true) return false;
    const mark = this.#machine.book.market.factors[compiled.markFactor] as number;
    // NaN: a market order.
    const limit = price === price ? price : mark;
    this.#instrument(instrument);
    const worth = compiled.worth(size, limit);
    const atMark = compiled.worth(size, mark);
    if (buys) {
      this.buy[instrument] = (this.buy[instrument] as number) + size;
      this.#buyWorth[instrument] = (this.#buyWorth[instrument] as number) + Math.max(worth, atMark);
    } else {
      this.sell[instrument] = (this.sell[instrument] as number) + size;
      this.#sellWorth[instrument] = (this.#sellWorth[instrument] as number) + Math.max(worth, atMark);
    }
    if (limit === price) {
      // A dearer buy or a cheaper sell loses at once; of an inverse contract the worth falls as the price rises.
      const lost = buys === compiled.inverse ? atMark - worth : worth - atMark;
      this.#loss[instrument] = (this.#loss[instrument] as number) + Math.max(0, lost) + room * (worth + atMark);
    }
    return mark > 0 && worth < largest;
  }

  #resting(): boolean {
    for (const { reduceOnly, instrument, side, lotsFloat, priceFloat } of this.#machine.book.orders(this.#account)) {
      if (reduceOnly) continue;
      const compiled = this.#rules.instruments[instrument];
      if (compiled === undefined) return false;
      if (!this.#order(instrument, side === "buy", lotsFloat * compiled.lotSize, priceFloat)) return false;
    }
    return true;
  }

  /**
   * Amendments are merged by the exact check alone: the larger quantity at the dearer price may need more than both orders side by
   * side. So are approvals of what rests already.
   */
  #approved(held: readonly Held[], from: number): boolean {
    const { book } = this.#machine;
    for (let at = from; at < held.length; at += 1) {
      const { view, qty, price } = held[at] as Held;
      const instrument = book.instrumentIndex(view.instrument);
      const compiled = this.#rules.instruments[instrument];
      if (compiled === undefined || view.amends) return false;
      if (book.findOrder(this.#account, view.order) !== undefined) return false;
      this.#ids.add(view.order);
      if (view.reduceOnly) continue;
      const size = nearestFloat(qty) * compiled.multiplier;
      if (!this.#order(instrument, view.side === "buy", size, price === null ? NaN : nearestFloat(price))) return false;
    }
    return true;
  }

  /** Also false where a limit leans on single assets. */
  #valued(): boolean {
    const { market } = this.#machine.book;
    for (const number of this.#assets) {
      const gross = this.#gross[number] as number;
      if (gross === 0) continue;
      const asset = this.#rules.assets[number];
      if (asset === undefined || asset.concentrationLimited) return false;
      const price = market.factors[asset.indexFactor] as number;
      if (!(price > 0)) return false;
      const kept = asset.kept(market.haircutInitial(number));
      const platform = asset.platform(this.#machine.book.platformCash(number), price);
      const value = asset.value(this.#balance[number] as number, price, kept, platform);
      this.equity += value - room * gross * price * asset.slope;
    }
    return true;
  }

  #required(): boolean {
    for (const instrument of this.instruments) if (!this.#require(instrument)) return false;
    return true;
  }

  /** What one instrument uses of leverage and needs of margin, from above. */
  #require(instrument: number): boolean {
    const compiled = this.#rules.instruments[instrument] as CertainInstrument;
    const asset = this.#rules.assets[compiled.settle];
    if (asset === undefined) return false;
    const { book } = this.#machine;
    const row = this.#row[instrument] as number;
    const orders = (this.buy[instrument] as number) + (this.sell[instrument] as number) > 0;
    this.used[instrument] = 0;
    this.needed[instrument] = 0;
    // An isolated position without orders needs nothing of the cross pool.
    if (!orders && row >= 0 && book.isIsolated(row)) return true;
    const price = book.market.factors[asset.indexFactor] as number;
    const notional = this.#notional(compiled, instrument);
    this.used[instrument] = notional * price * (1 + room);
    this.needed[instrument] =
      (this.#initial(compiled, instrument, notional) + (this.#loss[instrument] as number)) * price;
    return price > 0;
  }

  #farthest(instrument: number): number {
    const size = this.size[instrument] as number;
    const long = Math.abs(size + (this.buy[instrument] as number));
    const short = Math.abs(size - (this.sell[instrument] as number));
    return Math.max(Math.abs(size), long, short) * (1 + room);
  }

  /** ORD-01 from above: the largest notional that orders can lead to, settle asset. */
  #notional(compiled: CertainInstrument, instrument: number): number {
    if (compiled.entryNotional) {
      const orders = Math.max(this.#buyWorth[instrument] as number, this.#sellWorth[instrument] as number);
      return (this.#cost[instrument] as number) + orders;
    }
    const mark = this.#machine.book.market.factors[compiled.markFactor] as number;
    return compiled.worth(this.#farthest(instrument), mark);
  }

  /** ORD-01, TIER-09 from above; of an isolated position too, though the cross pool needs only what orders add to it. */
  #initial(compiled: CertainInstrument, instrument: number, notional: number): number {
    const { book } = this.#machine;
    let share = 0;
    if (compiled.interestUpper !== Infinity) {
      const mark = book.market.factors[compiled.markFactor] as number;
      const interest = compiled.worth(compiled.interest(book.longLots(instrument)), mark) * (1 + room);
      const { interestLower: lower, interestUpper: upper } = compiled;
      if (interest > lower) share = Math.min(1, ((interest - lower) / (upper - lower)) * (1 + room));
    }
    const tiered = compiled.initialUp(notional, this.#farthest(instrument), share);
    const row = this.#row[instrument] as number;
    const chosen = row < 0 ? null : book.chosenLeverage(row);
    const leverage = chosen === null ? compiled.maxLeverage : nearestFloat(chosen);
    return Math.max(tiered, (notional / leverage) * (1 + room));
  }
}
