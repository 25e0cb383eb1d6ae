import type { Rational } from "#libs/decimal/index.ts";
import { nearestFloat } from "../floats.ts";
import { gateOfName } from "../gates.ts";
import type { Machine } from "../machine.ts";
import type { BookOrder } from "../order-table.ts";
import {
  type CertainAsset,
  type CertainInstrument,
  CertainRules,
  least,
  room,
  termsMax,
  weightBound,
} from "./certain-rules.ts";
import { type CertainQuestion, limited, liquid } from "./certain-checks.ts";
import { CertainFigures, type Figures, unlimited } from "./certain-limits.ts";
import type { Held } from "./overlay.ts";

/** Larger amounts, and more lots, may not be bookable (NUM-07): a quantum is at least 1e-18. */
const largest = 1e15;
const mostLots = 1e33;

/**
 * Says yes to a new order only where `judge` finds no reason against it, and is silent otherwise. It reads the float mirrors of
 * the book: equity from below, initial margin and notionals from above, each with more room than floats can lose
 * (docs/float-bounds.md), so that nearly every order is approved without a single view or fraction of its account.
 */
export class Certain {
  readonly #machine: Machine;
  #rules: CertainRules;
  #version: number;
  #run = 0;
  /** By asset: balance, and the magnitudes that it was added up from; valid in the run that it was opened in. */
  #balance = new Float64Array(0);
  #gross = new Float64Array(0);
  #assetRun = new Int32Array(0);
  readonly #assets: number[] = [];
  /** By instrument: the position's size (signed) and |cost|, then what orders add; in units of the settle asset where money. */
  #size = new Float64Array(0);
  #cost = new Float64Array(0);
  #buy = new Float64Array(0);
  #sell = new Float64Array(0);
  #buyWorth = new Float64Array(0);
  #sellWorth = new Float64Array(0);
  #loss = new Float64Array(0);
  #row = new Int32Array(0);
  #instrumentRun = new Int32Array(0);
  readonly #instruments: number[] = [];
  /** The account asked about, and how many positions it holds. */
  #account = -1;
  #open = 0;
  #equity = 0;
  /** It holds an isolated position: what it is worth is more than its equity, or less. */
  #holdsIsolated = false;
  readonly #figures: CertainFigures;
  #on: Figures | null = null;
  /** The order certainly does no more than shrink the position. */
  #shrinks = false;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#version = -1;
    this.#figures = new CertainFigures(machine);
    this.#rules = new CertainRules(machine.book);
  }

  /** Whether the order certainly passes while the gate is open to all. */
  passes(question: CertainQuestion): boolean {
    this.#begin(question.account);
    const compiled = this.#rules.instruments[question.instrument];
    return (
      compiled?.usable === true &&
      question.held.length + this.#machine.book.orders(question.account).length < termsMax &&
      this.#permitted(question) &&
      this.#wellFormed(question, compiled) &&
      this.#holdings(question.account) &&
      this.#resting(question) &&
      this.#approved(question.held) &&
      this.#withinLimits(question, compiled) &&
      this.#valued() &&
      this.#covered(question) &&
      this.#limited(question, compiled)
    );
  }

  #begin(account: number): void {
    const { book, compiled } = this.#machine;
    if (this.#version !== compiled.version) {
      this.#version = compiled.version;
      this.#rules = new CertainRules(book);
      this.#figures.forget();
      const { assetCount, instrumentCount } = book;
      [this.#balance, this.#gross] = [new Float64Array(assetCount), new Float64Array(assetCount)];
      this.#assetRun = new Int32Array(assetCount);
      [this.#size, this.#cost] = [new Float64Array(instrumentCount), new Float64Array(instrumentCount)];
      [this.#buy, this.#sell] = [new Float64Array(instrumentCount), new Float64Array(instrumentCount)];
      [this.#buyWorth, this.#sellWorth] = [new Float64Array(instrumentCount), new Float64Array(instrumentCount)];
      this.#loss = new Float64Array(instrumentCount);
      [this.#row, this.#instrumentRun] = [new Int32Array(instrumentCount), new Int32Array(instrumentCount)];
      this.#run = 0;
    }
    this.#run = (this.#run + 1) | 0;
    this.#assets.length = 0;
    this.#instruments.length = 0;
    this.#account = account;
    this.#open = 0;
    this.#holdsIsolated = false;
  }

  /** No breaker, no liquidation, no expiry, good prices of what is asked for. */
  #permitted({ name, account, instrument, order }: CertainQuestion): boolean {
    const machine = this.#machine;
    const { book } = machine;
    if (account < 0 || book.isSystem(account) || order.reduceOnly || machine.auditFailure !== null) return false;
    this.#on = this.#figures.on(account, name, instrument);
    // Whom a sale makes short is left to the exact check where that is not free.
    if (!this.#on.usable || (order.side === "sell" && order.instrument.shorting !== "free")) return false;
    if (machine.halts.length > 0) {
      const gate = gateOfName(machine, name, order.instrument.id);
      if (!gate.permits("open_risk") || gate.reduceOnlyMarkNeeded) return false;
    }
    if (machine.closedInstruments.has(instrument) || machine.liquidating(book.crossPool(account))) return false;
    const row = book.findRow(account, instrument);
    if (row >= 0 && machine.liquidating(book.poolOf(row))) return false;
    return book.market.instrumentQuality(instrument) === "good";
  }

  #wellFormed({ order }: CertainQuestion, compiled: CertainInstrument): boolean {
    const { qty, price } = order;
    const { lot, tick } = compiled.rules;
    if (qty.sign <= 0 || !qty.isMultipleOf(lot)) return false;
    if (!(nearestFloat(qty) * (1 + room) <= (this.#on as Figures).by.maxOrderQty)) return false;
    if (price === null) return true;
    return price.sign > 0 && (tick === null || price.isMultipleOf(tick));
  }

  #asset(asset: number): void {
    if (this.#assetRun[asset] === this.#run) return;
    this.#assetRun[asset] = this.#run;
    this.#balance[asset] = 0;
    this.#gross[asset] = 0;
    this.#assets.push(asset);
  }

  #add(asset: number, amount: number, gross: number): void {
    this.#asset(asset);
    this.#balance[asset] = (this.#balance[asset] as number) + amount;
    this.#gross[asset] = (this.#gross[asset] as number) + gross;
  }

  #instrument(instrument: number): void {
    if (this.#instrumentRun[instrument] === this.#run) return;
    this.#instrumentRun[instrument] = this.#run;
    this.#size[instrument] = 0;
    this.#cost[instrument] = 0;
    this.#buy[instrument] = 0;
    this.#sell[instrument] = 0;
    this.#buyWorth[instrument] = 0;
    this.#sellWorth[instrument] = 0;
    this.#loss[instrument] = 0;
    // A flat row too: the account may have chosen its leverage or mode.
    this.#row[instrument] = this.#machine.book.findRow(this.#account, instrument);
    this.#instruments.push(instrument);
  }

  /** Cash and positions. False: a price is missing or not good, or a rule is left to the exact check. */
  #holdings(account: number): boolean {
    const { book } = this.#machine;
    const { market } = book;
    for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row)) {
      const cash = book.cashF[row] as number;
      const asset = book.cashAsset(row);
      if (cash === 0) continue;
      if (market.assetQuality(asset) !== "good") return false;
      this.#add(asset, cash, Math.abs(cash));
    }
    for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) {
      const size = book.exposureF[row] as number;
      if (size === 0) continue;
      this.#open += 1;
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
    this.#size[instrument] = size;
    this.#cost[instrument] = Math.abs(cost);
    if (book.isIsolated(row)) return (this.#holdsIsolated = true);
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

  /** One order that rests, is approved or is asked about; `size` is positive. */
  #order(instrument: number, buys: boolean, size: number, price: Rational | null): boolean {
    const compiled = this.#rules.instruments[instrument];
    if (compiled?.usable !== true) return false;
    const mark = this.#machine.book.market.factors[compiled.markFactor] as number;
    const limit = price === null ? mark : nearestFloat(price);
    this.#instrument(instrument);
    const worth = compiled.worth(size, limit);
    const atMark = compiled.worth(size, mark);
    const [sizes, worths] = buys ? [this.#buy, this.#buyWorth] : [this.#sell, this.#sellWorth];
    sizes[instrument] = (sizes[instrument] as number) + size;
    worths[instrument] = (worths[instrument] as number) + Math.max(worth, atMark);
    if (price !== null) {
      // A dearer buy or a cheaper sell loses at once; of an inverse contract the worth falls as the price rises.
      const lost = buys === compiled.inverse ? atMark - worth : worth - atMark;
      this.#loss[instrument] = (this.#loss[instrument] as number) + Math.max(0, lost) + room * (worth + atMark);
    }
    return mark > 0 && worth < largest;
  }

  #resting({ account, order, instrument }: CertainQuestion): boolean {
    const { book } = this.#machine;
    if (book.findOrder(account, order.id) !== undefined) return false;
    for (const one of book.orders(account)) if (!one.reduceOnly && !this.#rests(one)) return false;
    return this.#order(instrument, order.side === "buy", this.#sizeOf(instrument, order.qty), order.price);
  }

  #rests({ instrument, side, lots, price }: BookOrder): boolean {
    const compiled = this.#rules.instruments[instrument];
    return compiled !== undefined && this.#order(instrument, side === "buy", Number(lots) * compiled.lotSize, price);
  }

  #sizeOf(instrument: number, qty: Rational): number {
    return nearestFloat(qty) * (this.#rules.instruments[instrument]?.multiplier ?? NaN);
  }

  /** Amendments are merged with their orders by the exact check alone: the larger quantity at the dearer price may need more than both. */
  #approved(held: readonly Held[]): boolean {
    const { book } = this.#machine;
    for (const { view, qty, price } of held) {
      const instrument = book.instrumentIndex(view.instrument);
      if (instrument < 0 || view.amends || book.findOrder(this.#account, view.order) !== undefined) return false;
      if (view.reduceOnly) continue;
      if (!this.#order(instrument, view.side === "buy", this.#sizeOf(instrument, qty), price)) return false;
    }
    return true;
  }

  /** What a single order and the position that it leads to may be. */
  #withinLimits({ instrument, order, held }: CertainQuestion, compiled: CertainInstrument): boolean {
    for (const { view } of held) if (view.order === order.id) return false;
    const { book } = this.#machine;
    const mark = book.market.factors[compiled.markFactor] as number;
    const size = this.#sizeOf(instrument, order.qty);
    const limit = order.price === null ? mark : nearestFloat(order.price);
    if (!(size < mostLots * compiled.lotSize && compiled.worth(size, limit) * least >= compiled.minNotional))
      return false;
    if (!(Math.abs(limit - mark) + room * (limit + mark) <= compiled.band * mark)) return false;
    const position = this.#size[instrument] as number;
    const buys = order.side === "buy";
    const reached = buys ? position + (this.#buy[instrument] as number) : (this.#sell[instrument] as number) - position;
    const doubt = room * (Math.abs(position) + Math.abs(reached));
    // What certainly leaves the position on the side where it is only shrinks it: no limit is met (LIM-11).
    this.#shrinks = reached < -doubt;
    if (this.#shrinks) return true;
    const far = Math.max(0, reached) + doubt;
    const interest = this.#interest(compiled, instrument) + size;
    const { by } = this.#on as Figures;
    const { multiplier } = compiled;
    const most = Math.min(
      (buys ? by.maxLong : by.maxShort) * multiplier,
      by.maxPosition * multiplier,
      by.maxOpenInterestShare === Infinity ? Infinity : interest * by.maxOpenInterestShare * least,
      liquid(this.#machine, instrument, by) * multiplier,
    );
    if (!(far <= most)) return false;
    if (!(interest * (1 + room) <= by.maxOpenInterest * multiplier)) return false;
    return position !== 0 || this.#instruments.length <= by.maxOpenPositions;
  }

  /** Open interest as a size. */
  #interest(compiled: CertainInstrument, instrument: number): number {
    return Number(this.#machine.book.longLots(instrument)) * compiled.lotSize;
  }

  /** Initial equity, USD, from below. False: a price is missing, or a limit leans on single assets. */
  #valued(): boolean {
    const { book } = this.#machine;
    let equity = 0;
    for (const number of this.#assets) {
      const gross = this.#gross[number] as number;
      if (gross === 0) continue;
      const asset = this.#rules.assets[number];
      if (asset === undefined || asset.concentrationLimited) return false;
      const price = book.market.factors[asset.indexFactor] as number;
      const kept = asset.kept(book.market.haircutInitial(number));
      const value = asset.value(this.#balance[number] as number, price, kept, this.#platform(asset, number, price));
      equity += value - room * gross * price * asset.slope;
      if (!(price > 0)) return false;
    }
    this.#equity = equity;
    return true;
  }

  /** COL-09 from below. */
  #platform(asset: CertainAsset, number: number, price: number): number {
    if (asset.platformStart === Infinity) return 1;
    const total = Number(this.#machine.book.platformCash(number)) * asset.quantum * price * (1 + room);
    return total > asset.platformStart ? (asset.platformStart / total) * (1 - room) : 1;
  }

  /** Leverage by instrument and in all, and the whole requirement from above, against equity. */
  #covered({ account, name }: CertainQuestion): boolean {
    const { by } = this.#on as Figures;
    const equity = this.#equity;
    let notionals = 0;
    let needed = 0;
    for (const instrument of this.#instruments) {
      const compiled = this.#rules.instruments[instrument] as CertainInstrument;
      const asset = this.#rules.assets[compiled.settle];
      const orders = (this.#buy[instrument] as number) + (this.#sell[instrument] as number) > 0;
      const row = this.#row[instrument] as number;
      // An isolated position without orders needs nothing of the cross pool.
      if (!orders && row >= 0 && this.#machine.book.isIsolated(row)) continue;
      if (asset === undefined) return false;
      const price = this.#machine.book.market.factors[asset.indexFactor] as number;
      const notional = this.#notional(compiled, instrument);
      const used = notional * price * (1 + room);
      const leverage = this.#figures.on(account, name, instrument).by.maxInstrumentLeverage;
      if (used > 0 && !(used <= leverage * equity * least)) return false;
      notionals += used;
      needed += (this.#initial(compiled, instrument, notional) + (this.#loss[instrument] as number)) * price;
      if (!(price > 0)) return false;
    }
    if (notionals > 0 && !(notionals <= by.maxLeverage * equity * least)) return false;
    return notionals * (1 + room) <= by.maxNotionalUsd && needed * (1 + room) <= equity * least;
  }

  /** Every limit that leans on more than the order's own instrument and the requirement. */
  #limited(question: CertainQuestion, compiled: CertainInstrument): boolean {
    const { by, leans } = this.#on as Figures;
    if ((this.#shrinks || !leans) && question.stop === null) return true;
    return limited(this.#machine, question, compiled, this.#shrinks ? unlimited : by, {
      rules: this.#rules,
      instruments: this.#instruments,
      size: this.#size,
      buy: this.#buy,
      sell: this.#sell,
      open: this.#open,
      equity: this.#equity,
      holdsIsolated: this.#holdsIsolated,
    });
  }

  #farthest(instrument: number): number {
    const size = this.#size[instrument] as number;
    const long = Math.abs(size + (this.#buy[instrument] as number));
    const short = Math.abs(size - (this.#sell[instrument] as number));
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
      const interest = compiled.worth(this.#interest(compiled, instrument), mark) * (1 + room);
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
