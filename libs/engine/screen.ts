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
  /** Four by asset: `B_c`, Σ|terms of B_c|, requirement, Σ|terms of the requirement|; valid where `mark` is the present run. */
  private sums = new Float64Array(0);
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
    this.sums = new Float64Array(assetCount * 4);
    this.mark = new Int32Array(assetCount);
    this.touched = new Int32Array(assetCount);
    this.run = 0;
  }

  private isolated(row: number): boolean {
    const { book, sums } = this;
    const instrument = book.rowInstrumentColumn[row] as number;
    const { settle } = this.compiled.instruments[instrument] as CompiledInstrument;
    this.open(settle);
    const at = settle * 4;
    const margin = book.marginF[row] as number;
    sums[at] = margin;
    sums[at + 1] = Math.abs(margin);
    if (!this.positions(row, true)) return false;
    const asset = this.compiled.assets[settle] as CompiledAsset;
    const price = book.market.factors[asset.indexFactor] as number;
    const rounding = this.terms * unitRoundoff;
    this.equity = sums[at] * price;
    this.equityError = (sums[at + 1] as number) * price * rounding;
    this.maintenance = (sums[at + 2] as number) * price;
    this.maintenanceError += (sums[at + 3] as number) * price * rounding;
    return price > 0 || sums[at + 1] === 0;
  }

  private cross(account: number): boolean {
    const { book, sums, mark, run } = this;
    const { cashF, cashAssetColumn, nextCashColumn } = book;
    for (let row = book.firstCashColumn[account] as number; row >= 0; row = nextCashColumn[row] as number) {
      const asset = cashAssetColumn[row] as number;
      const cash = cashF[row] as number;
      if (mark[asset] !== run) this.open(asset);
      const at = asset * 4;
      sums[at] = (sums[at] as number) + cash;
      sums[at + 1] = (sums[at + 1] as number) + Math.abs(cash);
    }
    return this.positions(book.firstRowColumn[account] as number, false) && this.value();
  }

  private open(asset: number): void {
    const { sums } = this;
    const at = asset * 4;
    sums[at] = 0;
    sums[at + 1] = 0;
    sums[at + 2] = 0;
    sums[at + 3] = 0;
    this.mark[asset] = this.run;
    this.touched[this.touchedCount] = asset;
    this.touchedCount += 1;
    this.terms += 2;
  }

  /** Adds positions to their settle assets: of one isolated row, or of an account's cross rows from `first` on. False: a mark is missing. */
  private positions(first: number, isolated: boolean): boolean {
    const { market, rowInstrumentColumn, nextRowColumn, isolatedColumn, exposureF, costF, rowEpochColumn } = this.book;
    const { factors } = market;
    const { instruments } = this.compiled;
    const { sums, mark, run } = this;
    let [known, terms] = [true, 0];
    for (let row = first; row >= 0; row = isolated ? -1 : (nextRowColumn[row] as number)) {
      const exposure = exposureF[row] as number;
      if (exposure === 0 || (!isolated && isolatedColumn[row] !== 0)) continue;
      const instrument = rowInstrumentColumn[row] as number;
      const compiled = instruments[instrument] as CompiledInstrument;
      const { settle } = compiled;
      const price = factors[compiled.markFactor] as number;
      const cost = costF[row] as number;
      const value = compiled.inverse ? -exposure / price : exposure * price;
      const since = market.fundingSinceFloat(instrument, rowEpochColumn[row] as number);
      const funding = since === 0 ? 0 : -(exposure / compiled.multiplier) * since;
      const notional = compiled.entryNotional ? Math.abs(cost) : Math.abs(value);
      if (mark[settle] !== run) this.open(settle);
      const at = settle * 4;
      sums[at] = (sums[at] as number) + (value - cost + funding);
      sums[at + 1] = (sums[at + 1] as number) + (Math.abs(value) + Math.abs(cost) + Math.abs(funding));
      if (notional < compiled.plainBelow) {
        sums[at + 2] = (sums[at + 2] as number) + notional * compiled.plainRate;
        sums[at + 3] = (sums[at + 3] as number) + notional * compiled.plainGross;
      } else this.tiered(compiled, notional, Math.abs(exposure), at);
      terms += 4;
      known &&= price > 0;
    }
    this.terms += terms;
    return known;
  }

  /** Adds a requirement that is not simply the first tier's rate. */
  private tiered(compiled: CompiledInstrument, notional: number, size: number, at: number): void {
    const { sums } = this;
    const tier = tierOf(compiled, notional);
    sums[at + 2] = (sums[at + 2] as number) + requirement(compiled, tier, notional, size);
    sums[at + 3] = (sums[at + 3] as number) + requirementGross(compiled, tier, notional, size);
    if (compiled.whole) this.jump(compiled, tier, notional, size);
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
      this.maintenanceError += 1.05 * step * notional * price;
    }
  }

  /** Adds up the assets; false when an index that is needed is not known. */
  private value(): boolean {
    const { sums } = this;
    const { factors } = this.book.market;
    const { assets } = this.compiled;
    const rounding = this.terms * unitRoundoff;
    for (let at = 0; at < this.touchedCount; at += 1) {
      const asset = this.touched[at] as number;
      const sum = asset * 4;
      const gross = sums[sum + 1] as number;
      if (gross === 0) continue;
      const compiled = assets[asset] as CompiledAsset;
      const price = factors[compiled.indexFactor] as number;
      if (!(price > 0)) return false;
      const balance = sums[sum] as number;
      this.equity += assetValue(compiled, balance, price, factors[compiled.haircutFactor] as number);
      this.equityError += gross * price * compiled.lipschitz * rounding;
      this.maintenance += (sums[sum + 2] as number) * price;
      this.maintenanceError += (sums[sum + 3] as number) * price * rounding;
    }
    return true;
  }
}

/** An upper bound of Σ|terms| that `requirement` adds up, cancellation of the deduction included. */
export function requirementGross(compiled: CompiledInstrument, tier: number, notional: number, size: number): number {
  if (tier < 0) return notional * compiled.fee;
  if (compiled.premium === premiumNone) return notional * (compiled.grossRate[tier] as number);
  const rate = compiled.rate[Math.min(tier + 1, compiled.rate.length - 1)] as number;
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
