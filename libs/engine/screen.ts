import type { Book } from "./book.ts";
import type { CompiledAsset, CompiledInstrument, CompiledRules } from "./compiled-rules.ts";
import { premiumNone, premiumRate, requirement, tierOf } from "./compiled-rules.ts";
import { unitRoundoff } from "./floats.ts";

/** A notional nearer than this to a floor, relatively, may in truth lie on its other side; far above any float error of it. */
export const floorFuzz = 2 ** -40;

/** Runs are numbered in 32-bit columns; at this number the count starts again. */
const runsMax = 2 ** 30;

/**
 * E_M and MM of one pool in floats, with what bounds their error. All derivations are in `docs/float-bounds.md`. One object
 * serves all pools: `evaluate` overwrites the fields and allocates nothing.
 */
export class Screen {
  private readonly compiled: CompiledRules;
  private readonly book: Book;
  private version = -1;
  /** By asset: `B_c`, Σ|terms of B_c|, requirement, Σ|terms of the requirement|; valid where `mark` is the present run. */
  private balance = new Float64Array(0);
  private gross = new Float64Array(0);
  private need = new Float64Array(0);
  private needGross = new Float64Array(0);
  private mark = new Int32Array(0);
  private touched = new Int32Array(0);
  private touchedCount = 0;
  private run = 0;
  private terms = 0;

  /** E_M and MM, USD. */
  equity = 0;
  maintenance = 0;
  /** Σ of the magnitudes that E_M and MM were added up from, times `roundings` of 2^-53: absolute error bounds, USD. */
  equityError = 0;
  maintenanceError = 0;

  constructor(book: Book, compiled: CompiledRules) {
    this.book = book;
    this.compiled = compiled;
  }

  /** Fills the fields for a pool; false, and fields that say nothing, when a price it needs is not known yet. */
  evaluate(pool: number): boolean {
    if (this.version !== this.compiled.version || this.run === runsMax) this.adopt();
    this.run += 1;
    this.touchedCount = 0;
    this.terms = this.compiled.roundings;
    this.equity = 0;
    this.maintenance = 0;
    this.equityError = 0;
    this.maintenanceError = 0;
    return (pool & 1) === 1 ? this.isolated(pool >> 1) : this.cross(pool >> 1);
  }

  /**
   * The proven sign of `E_M − k·MM`: 1 above, −1 below, 0 when only exact arithmetic can tell (always so at equality).
   * `k` is the nearest float of the exact threshold, not negative.
   */
  side(k: number): number {
    const slack = this.equity - k * this.maintenance;
    const bound = 1.25 * (this.equityError + k * this.maintenanceError);
    return slack > bound ? 1 : slack < -bound ? -1 : 0;
  }

  private adopt(): void {
    const { assetCount } = this.book;
    this.version = this.compiled.version;
    this.balance = new Float64Array(assetCount);
    this.gross = new Float64Array(assetCount);
    this.need = new Float64Array(assetCount);
    this.needGross = new Float64Array(assetCount);
    this.mark = new Int32Array(assetCount);
    this.touched = new Int32Array(assetCount);
    this.run = 0;
  }

  private isolated(row: number): boolean {
    const { book } = this;
    const instrument = book.rowInstrumentColumn[row] as number;
    const compiled = this.compiled.instruments[instrument] as CompiledInstrument;
    const settle = compiled.settle;
    this.open(settle);
    const margin = book.marginF[row] as number;
    this.balance[settle] = margin;
    this.gross[settle] = Math.abs(margin);
    if (!this.position(row, instrument, compiled)) return false;
    const asset = this.compiled.assets[settle] as CompiledAsset;
    const price = book.market.factors[asset.indexFactor] as number;
    this.equity = (this.balance[settle]) * price;
    this.maintenance = (this.need[settle] as number) * price;
    const rounding = this.terms * unitRoundoff;
    this.equityError = (this.gross[settle]) * price * rounding;
    this.maintenanceError += (this.needGross[settle] as number) * price * rounding;
    return price > 0 || this.gross[settle] === 0;
  }

  private cross(account: number): boolean {
    const { book } = this;
    const { cashF, cashAssetColumn, nextCashColumn } = book;
    for (let row = book.firstCashColumn[account] as number; row >= 0; row = nextCashColumn[row] as number) {
      const asset = cashAssetColumn[row] as number;
      const cash = cashF[row] as number;
      if (this.mark[asset] !== this.run) this.open(asset);
      this.balance[asset] = (this.balance[asset] as number) + cash;
      this.gross[asset] = (this.gross[asset] as number) + Math.abs(cash);
    }
    const { rowInstrumentColumn, nextRowColumn, isolatedColumn, exposureF } = book;
    const { instruments } = this.compiled;
    for (let row = book.firstRowColumn[account] as number; row >= 0; row = nextRowColumn[row] as number) {
      if (isolatedColumn[row] !== 0 || exposureF[row] === 0) continue;
      const instrument = rowInstrumentColumn[row] as number;
      const compiled = instruments[instrument] as CompiledInstrument;
      if (this.mark[compiled.settle] !== this.run) this.open(compiled.settle);
      if (!this.position(row, instrument, compiled)) return false;
    }
    return this.value();
  }

  private open(asset: number): void {
    this.mark[asset] = this.run;
    this.balance[asset] = 0;
    this.gross[asset] = 0;
    this.need[asset] = 0;
    this.needGross[asset] = 0;
    this.touched[this.touchedCount] = asset;
    this.touchedCount += 1;
    this.terms += 2;
  }

  /** Adds a position to its settle asset; false when its mark is not known. */
  private position(row: number, instrument: number, compiled: CompiledInstrument): boolean {
    const { book } = this;
    const { market } = book;
    const exposure = book.exposureF[row] as number;
    if (exposure === 0) return true;
    const mark = market.factors[compiled.markFactor] as number;
    const cost = book.costF[row] as number;
    const value = compiled.inverse ? -exposure / mark : exposure * mark;
    const { settle } = compiled;
    const since = market.fundingSinceFloat(instrument, book.rowEpochColumn[row] as number);
    const funding = since === 0 ? 0 : -(exposure / compiled.multiplier) * since;
    const size = Math.abs(exposure);
    const worth = Math.abs(value);
    const notional = compiled.entryNotional ? Math.abs(cost) : worth;
    this.balance[settle] = (this.balance[settle] as number) + (value - cost + funding);
    this.gross[settle] = (this.gross[settle] as number) + worth + Math.abs(cost) + Math.abs(funding);
    const tier = tierOf(compiled, notional);
    const need = requirement(compiled, tier, notional, size);
    this.need[settle] = (this.need[settle] as number) + need;
    this.needGross[settle] = (this.needGross[settle] as number) + requirementGross(compiled, tier, notional, size);
    if (compiled.whole) this.jump(compiled, tier, notional, size);
    this.terms += 4;
    return mark > 0;
  }

  /** At the floor of a `whole` tier the side of it is not certain: the height of the step becomes error. */
  private jump(compiled: CompiledInstrument, tier: number, notional: number, size: number): void {
    const { from, rate } = compiled;
    const own = tier >= 0 ? premiumRate(compiled, rate[tier] as number, size) : 0;
    let step = 0;
    if (tier >= 0 && notional < (from[tier] as number) * (1 + floorFuzz)) {
      const below = tier > 0 ? premiumRate(compiled, rate[tier - 1] as number, size) : 0;
      step = own - below;
    }
    if (tier + 1 < from.length && notional > (from[tier + 1] as number) * (1 - floorFuzz)) {
      step = Math.max(step, premiumRate(compiled, rate[tier + 1] as number, size) - own);
    }
    if (step > 0) {
      const asset = this.compiled.assets[compiled.settle] as CompiledAsset;
      const price = this.book.market.factors[asset.indexFactor] as number;
      this.maintenanceError += 1.5 * step * notional * price;
    }
  }

  /** Adds up the assets; false when an index that is needed is not known. */
  private value(): boolean {
    const { factors } = this.book.market;
    const { assets } = this.compiled;
    const rounding = this.terms * unitRoundoff;
    for (let at = 0; at < this.touchedCount; at += 1) {
      const asset = this.touched[at] as number;
      const gross = this.gross[asset] as number;
      if (gross === 0) continue;
      const compiled = assets[asset] as CompiledAsset;
      const price = factors[compiled.indexFactor] as number;
      if (!(price > 0)) return false;
      const balance = this.balance[asset] as number;
      this.equity += assetValue(compiled, balance, price, factors[compiled.haircutFactor] as number);
      this.equityError += gross * price * compiled.lipschitz * rounding;
      this.maintenance += (this.need[asset] as number) * price;
      this.maintenanceError += (this.needGross[asset] as number) * price * rounding;
    }
    return true;
  }
}

/** An upper bound of Σ|terms| that `requirement` adds up, cancellation of the deduction included. */
export function requirementGross(compiled: CompiledInstrument, tier: number, notional: number, size: number): number {
  if (tier < 0) return notional * compiled.fee;
  // The next tier's rate, because a notional close to its floor may in truth have reached it.
  const rate = compiled.rate[Math.min(tier + 1, compiled.rate.length - 1)] as number;
  if (compiled.premium === premiumNone) return notional * (2 * rate + compiled.fee);
  return notional * (2 * premiumRate(compiled, rate, size) + compiled.fee + compiled.premiumK);
}

/** What a balance counts for in maintenance equity, USD: slices under the size curve, haircut, cap; or debt with its premium. */
export function assetValue(compiled: CompiledAsset, balance: number, price: number, kept: number): number {
  const worth = balance * price;
  if (balance < 0) return worth * compiled.liability;
  const { weight } = compiled;
  if (compiled.plain) return worth * (weight[0] as number) * kept;
  const bound = weightBound(compiled, balance);
  return Math.min(slicedValue(compiled, worth, bound) * kept, compiled.cap);
}

/** The size curve's bound on every weight; weights are at most 1, so no bound reads as 2. */
export function weightBound(compiled: CompiledAsset, balance: number): number {
  return compiled.curve === 0 || balance <= 0 ? 2 : 1.1 / (1 + compiled.curve * Math.sqrt(balance));
}

export function slicedValue(compiled: CompiledAsset, worth: number, bound: number): number {
  const { upTo, weight } = compiled;
  let floor = 0;
  let sum = 0;
  for (let at = 0; at < upTo.length; at += 1) {
    const end = upTo[at] as number;
    const most = Math.min(weight[at] as number, bound);
    if (worth <= end) return sum + (worth - floor) * most;
    sum += (end - floor) * most;
    floor = end;
  }
  return sum;
}
