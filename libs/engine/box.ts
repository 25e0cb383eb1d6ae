import type { Book } from "./book.ts";
import type { CompiledAsset, CompiledInstrument, CompiledRules } from "./compiled-rules.ts";
import { BoxAsset, BoxPosition, clip, downMax, stretchPosition, tierStep, upMax } from "./box-parts.ts";
import { powerOfTwoBelow } from "./float-bits.ts";
import { marginalRate, premiumRate, requirement, tierOf } from "./compiled-rules.ts";
import { unitRoundoff } from "./floats.ts";
import type { FundingWindows } from "./funding-windows.ts";
import { assetValue, slicedValue, weightBound } from "./screen.ts";
import { slopes } from "./slopes.ts";

/** How far the price of a stable asset moves where a volatile one moves by 1: slow factors. */
const stablePace = 0.1;
/** How far haircuts (absolute) and accrued funding (share of the position's value) move where a volatile price moves by 1. */
const haircutPace = 0.05;
const fundingPace = 0.02;
/** The same for a window that is shared: it may cost more, because it saves a band. */
const windowPace = 0.05;

/**
 * One pool at the present prices, and bounds of `E_M − k·MM` while every factor stays inside a box around them. The
 * argument is in `docs/float-bounds.md`. One object serves all pools and allocates nothing once it has grown.
 */
export class Box {
  private readonly book: Book;
  private readonly compiled: CompiledRules;
  private readonly windows: FundingWindows;
  readonly positions: BoxPosition[] = [];
  readonly assets: BoxAsset[] = [];
  positionCount = 0;
  assetCount = 0;
  /** An isolated pool: no weights, haircut or premium. */
  isolated = false;

  /** At the centre, USD. */
  equity = 0;
  maintenance = 0;
  /** Σ of cash below zero at the index, USD, positive. */
  debt = 0;
  /** About what the pool's slack falls by, USD, per unit that marks and volatile prices move against it. */
  sensitivity = 0;
  /** Whether frames set haircuts for assets whose rules have none. */
  haircutsStray = false;
  private slow = 0;
  private slowAlong = 0;
  private equityError = 0;
  private needError = 0;

  constructor(book: Book, compiled: CompiledRules, windows: FundingWindows) {
    this.book = book;
    this.compiled = compiled;
    this.windows = windows;
  }

  /**
   * Reads a pool; `k` is the threshold that sensitivities are told for. False when a price it needs is not known; its factors are
   * known all the same, for bands that any move breaks.
   */
  read(pool: number, k: number): boolean {
    this.positionCount = 0;
    this.assetCount = 0;
    this.isolated = (pool & 1) === 1;
    this.equity = 0;
    this.maintenance = 0;
    this.sensitivity = 0;
    this.debt = 0;
    this.equityError = 0;
    this.needError = 0;
    let known = true;
    if (this.isolated) {
      const row = pool >> 1;
      const instrument = this.book.rowInstrumentColumn[row] as number;
      const asset = this.assetAt((this.compiled.instruments[instrument] as CompiledInstrument).settle);
      const margin = this.book.marginF[row] as number;
      (this.assets[asset] as BoxAsset).cash = margin;
      (this.assets[asset] as BoxAsset).gross = Math.abs(margin);
      if (this.book.exposureF[row] !== 0) known = this.readPosition(row, instrument);
    } else known = this.readCross(pool >> 1);
    for (let at = 0; at < this.assetCount; at += 1) known = this.readAsset(this.assets[at] as BoxAsset, k) && known;
    return known;
  }

  private readCross(account: number): boolean {
    const { book } = this;
    const { cashF, cashAssetColumn, nextCashColumn } = book;
    for (let row = book.firstCashColumn[account] as number; row >= 0; row = nextCashColumn[row] as number) {
      const cash = cashF[row] as number;
      if (cash === 0) continue;
      const asset = this.assets[this.assetAt(cashAssetColumn[row] as number)] as BoxAsset;
      asset.cash += cash;
      asset.gross += Math.abs(cash);
    }
    const { rowInstrumentColumn, nextRowColumn, isolatedColumn, exposureF } = book;
    let known = true;
    for (let row = book.firstRowColumn[account] as number; row >= 0; row = nextRowColumn[row] as number) {
      if (isolatedColumn[row] !== 0 || exposureF[row] === 0) continue;
      known = this.readPosition(row, rowInstrumentColumn[row] as number) && known;
    }
    return known;
  }

  /** Place of an asset in the box; pools hold few, so it is searched. */
  private assetAt(number: number): number {
    for (let at = 0; at < this.assetCount; at += 1) if ((this.assets[at] as BoxAsset).number === number) return at;
    const at = this.assetCount;
    this.assetCount += 1;
    if (at === this.assets.length) this.assets.push(new BoxAsset());
    const asset = this.assets[at] as BoxAsset;
    asset.number = number;
    asset.compiled = this.compiled.assets[number] as CompiledAsset;
    asset.cash = 0;
    asset.balance = 0;
    asset.need = 0;
    asset.gross = 0;
    asset.needGross = 0;
    asset.step = 0;
    asset.exposed = 0;
    asset.relief = 0;
    return at;
  }

  private readPosition(row: number, instrument: number): boolean {
    const { book } = this;
    const { market } = book;
    const compiled = this.compiled.instruments[instrument] as CompiledInstrument;
    if (this.positionCount === this.positions.length) this.positions.push(new BoxPosition());
    const position = this.positions[this.positionCount] as BoxPosition;
    this.positionCount += 1;
    const exposure = book.exposureF[row] as number;
    const mark = market.factors[compiled.markFactor] as number;
    const cost = book.costF[row] as number;
    const since = market.fundingSinceFloat(instrument, book.rowEpochColumn[row] as number);
    position.compiled = compiled;
    position.instrument = instrument;
    position.asset = this.assetAt(compiled.settle);
    position.exposure = exposure;
    position.size = Math.abs(exposure);
    position.contracts = exposure / compiled.multiplier;
    position.mark = mark;
    const funding = since === 0 ? 0 : -position.contracts * since;
    position.rest = funding - cost;
    position.funding = (market.factors[compiled.fundingFactor] as number) - 1;
    position.fundingScale = market.fundingScale(instrument);
    position.value = compiled.inverse ? -exposure / mark : exposure * mark;
    const worth = Math.abs(position.value);
    const notional = compiled.entryNotional ? Math.abs(cost) : worth;
    const tier = tierOf(compiled, notional);
    const need = requirement(compiled, tier, notional, position.size);
    position.tier = tier;
    position.fixedNeed = need;
    const asset = this.assets[position.asset] as BoxAsset;
    if (compiled.whole && !clip(position, compiled, notional)) {
      // At the floor of a `whole` tier it is not certain on which side: the step counts as error.
      asset.step += tierStep(compiled, tier, position.size) * notional;
    }
    asset.exposed += worth;
    const rate = compiled.entryNotional ? 0 : marginalRate(compiled, tier, position.size);
    asset.relief += position.value < 0 ? -rate * worth : rate * worth;
    asset.balance += position.value + position.rest;
    asset.need += need;
    // What the funding factor itself may be off by, as a share of the rounding that `gross` is multiplied with.
    const drift = Math.abs(position.contracts) * position.fundingScale * (16 + 4096 * Math.abs(position.funding));
    asset.gross += worth + Math.abs(cost) + Math.abs(funding) + drift / 64;
    const rateMax = premiumRate(compiled, compiled.rateMax, position.size);
    asset.needGross += notional * (2 * rateMax + compiled.fee + compiled.premiumK);
    return mark > 0;
  }

  /** Completes an asset once its positions are read; false when its index is needed and not known. */
  private readAsset(asset: BoxAsset, k: number): boolean {
    const { factors } = this.book.market;
    const compiled = asset.compiled as CompiledAsset;
    asset.balance += asset.cash;
    // With nothing but one plainly valued asset the price scales both sides alike: its sign does not depend on it.
    asset.priceMoves = !(this.isolated || (this.assetCount === 1 && compiled.plain));
    asset.price = asset.priceMoves ? (factors[compiled.indexFactor] as number) : 1;
    asset.kept = this.isolated ? 1 : (factors[compiled.haircutFactor] as number);
    const value = this.isolated ? asset.balance : assetValue(compiled, asset.balance, asset.price, asset.kept);
    this.equity += value;
    this.maintenance += asset.need * asset.price;
    // A price may double inside a box and so may every value: four times the bound at the centre.
    const rounding = 4 * 1.25 * (this.compiled.roundings + 8 * (this.positionCount + this.assetCount)) * unitRoundoff;
    this.equityError += asset.gross * asset.price * compiled.lipschitz * rounding;
    this.needError += (asset.needGross * rounding + 3 * asset.step) * asset.price;
    if (asset.cash < 0 && !this.isolated) this.debt -= asset.cash * asset.price;
    const slack = value - asset.need * asset.price;
    asset.fallHurts = slack > 0;
    // What one more unit of balance adds: about right is enough, it only guides the search.
    const worth = asset.balance * asset.price;
    asset.slope = this.isolated || worth === 0 ? 1 : value / worth;
    asset.value = value;
    this.sensitivity += Math.max(0, asset.price * (asset.exposed * asset.slope - k * asset.relief));
    if (asset.priceMoves && compiled.volatile) this.sensitivity += Math.abs(slack);
    return (factors[compiled.indexFactor] as number) > 0;
  }

  /** How far the float value of `E_M − k·MM` may be off anywhere in a box. */
  error(k: number): number {
    return this.equityError + k * this.needError;
  }

  /**
   * Sets how far the slow factors (prices of stable assets, haircuts, funding) go in every later `stretch`: `slow` times their pace against
   * the pool, `ratio` times that along with it. Funding moves by a power of two, so that its bands seldom change. Returns about what
   * that takes from the pool's slack, USD.
   */
  slacken(slow: number, ratio: number): number {
    this.slow = slow;
    this.slowAlong = slow * ratio;
    let loss = 0;
    for (let at = 0; at < this.assetCount; at += 1) {
      const asset = this.assets[at] as BoxAsset;
      const compiled = asset.compiled as CompiledAsset;
      if (asset.priceMoves && !compiled.volatile)
        loss += stablePace * slow * Math.abs(asset.value - asset.need * asset.price);
      if (asset.value > 0 && this.haircutWatched(compiled)) loss += (haircutPace * slow * asset.value) / asset.kept;
    }
    for (let at = 0; at < this.positionCount; at += 1) {
      const position = this.positions[at] as BoxPosition;
      const asset = this.assets[position.asset] as BoxAsset;
      const unit = Math.abs(position.contracts) * position.fundingScale;
      if (slow === 0 || !this.fitsWindow(position, (windowPace * slow * Math.abs(position.value)) / unit, ratio)) {
        const step = slow === 0 ? 0 : powerOfTwoBelow((fundingPace * slow * Math.abs(position.value)) / unit);
        position.fundingWindow = false;
        position.fundingAgainst = step;
        position.fundingAlong = step * ratio;
      }
      loss += unit * position.fundingAgainst * asset.price * asset.slope;
    }
    return loss;
  }

  /** Takes the instrument's funding window for the position's band if it goes at most `most` against the pool (and along, where it matters). */
  private fitsWindow(position: BoxPosition, most: number, ratio: number): boolean {
    const up = this.windows.highOf(position.instrument) - position.funding;
    const down = position.funding - this.windows.lowOf(position.instrument);
    const against = position.exposure > 0 ? up : down;
    const along = position.exposure > 0 ? down : up;
    if (!(up + down > 0 && against >= 0 && along >= 0 && against <= most && (ratio > 1 || along <= most))) return false;
    position.fundingWindow = true;
    position.fundingAgainst = against;
    position.fundingAlong = along;
    return true;
  }

  private haircutWatched(compiled: CompiledAsset): boolean {
    return !this.isolated && (compiled.haircutMoves || this.haircutsStray);
  }

  /** Moves the ends of the box: marks and volatile prices `against` the pool by so much, and `along` the other way. */
  stretch(against: number, along: number): void {
    const { slow, slowAlong } = this;
    for (let at = 0; at < this.assetCount; at += 1) {
      const asset = this.assets[at] as BoxAsset;
      const compiled = asset.compiled as CompiledAsset;
      asset.priceLow = asset.price;
      asset.priceHigh = asset.price;
      asset.keptLow = asset.kept;
      asset.keptHigh = asset.kept;
      if (asset.priceMoves) {
        const [hurt, help] = compiled.volatile ? [against, along] : [stablePace * slow, stablePace * slowAlong];
        asset.priceLow *= 1 - Math.min(downMax, asset.fallHurts ? hurt : help);
        asset.priceHigh *= 1 + Math.min(upMax, asset.fallHurts ? help : hurt);
      }
      if (this.haircutWatched(compiled)) {
        asset.keptLow = Math.max(0, asset.kept - haircutPace * slow);
        asset.keptHigh = Math.min(1, asset.kept + haircutPace * slowAlong);
      }
      asset.balanceLow = asset.cash;
      asset.balanceHigh = asset.cash;
    }
    for (let at = 0; at < this.positionCount; at += 1) {
      const position = this.positions[at] as BoxPosition;
      stretchPosition(position, this.assets[position.asset] as BoxAsset, against, along);
    }
  }

  /** At or below every value that `E_M − k·MM` takes in the box, float errors aside. */
  lowest(k: number): number {
    this.corner(k, true);
    let sum = 0;
    for (let at = 0; at < this.assetCount; at += 1) sum += this.assetLowest(this.assets[at] as BoxAsset, k);
    return sum;
  }

  /**
   * At or below every value that `share·E_full − debt` takes in the box, E_full the balances at their prices without weights and debt
   * the cash below zero.
   */
  leastAboveDebt(share: number): number {
    let sum = 0;
    for (let at = 0; at < this.assetCount; at += 1) {
      const { balanceLow, cash, priceLow, priceHigh } = this.assets[at] as BoxAsset;
      const balance = share * balanceLow + Math.min(cash, 0);
      sum += balance * (balance < 0 ? priceHigh : priceLow);
    }
    return sum;
  }

  /** At or above every value that `E_M − k·MM` takes in the box, float errors aside. */
  highest(k: number): number {
    this.corner(k, false);
    let sum = 0;
    for (let at = 0; at < this.assetCount; at += 1) sum += this.assetHighest(this.assets[at] as BoxAsset, k);
    return sum;
  }

  /** Chooses each position's end of the box, so that balance and requirement together are worst (or best). */
  private corner(k: number, worst: boolean): void {
    for (let at = 0; at < this.assetCount; at += 1) {
      const asset = this.assets[at] as BoxAsset;
      slopes(asset, this.isolated);
      asset.cornerBalance = worst ? asset.balanceLow : asset.balanceHigh;
      asset.cornerNeed = 0;
    }
    for (let at = 0; at < this.positionCount; at += 1) this.cornerOf(this.positions[at] as BoxPosition, k, worst);
  }

  private cornerOf(position: BoxPosition, k: number, worst: boolean): void {
    const compiled = position.compiled as CompiledInstrument;
    const asset = this.assets[position.asset] as BoxAsset;
    if (compiled.entryNotional) {
      asset.cornerNeed += position.fixedNeed;
      return;
    }
    const { valueLow, valueHigh, size } = position;
    const near = worst ? valueLow : valueHigh;
    if (valueLow < 0) {
      // The requirement grows as the value falls: both are at their worst at one end.
      asset.cornerNeed += this.needAt(position, compiled, near, size);
      return;
    }
    const tierLow = compiled.whole ? position.tier : tierOf(compiled, valueLow);
    const tierHigh = compiled.whole ? position.tier : tierOf(compiled, valueHigh);
    const far = worst ? valueHigh : valueLow;
    if (asset.slopeLow >= k * marginalRate(compiled, tierHigh, size)) {
      // Losing value hurts more than the smaller requirement helps, everywhere in the box.
      asset.cornerNeed += requirement(compiled, worst ? tierLow : tierHigh, near, size);
      return;
    }
    asset.cornerNeed += requirement(compiled, worst ? tierHigh : tierLow, far, size);
    // Nowhere in the box does it: the far end is the corner for both. Otherwise each takes its own worst end.
    if (asset.slopeLow >= 0 && asset.slopeHigh <= k * marginalRate(compiled, tierLow, size)) {
      asset.cornerBalance += far - near;
    }
  }

  private needAt(position: BoxPosition, compiled: CompiledInstrument, value: number, size: number): number {
    const notional = Math.abs(value);
    return requirement(compiled, compiled.whole ? position.tier : tierOf(compiled, notional), notional, size);
  }

  private assetLowest(asset: BoxAsset, k: number): number {
    const { priceLow, priceHigh, cornerBalance: balance } = asset;
    const compiled = asset.compiled as CompiledAsset;
    const need = k * asset.cornerNeed;
    if (this.isolated) return balance * asset.price - need * asset.price;
    if (asset.slopeLow < 0) {
      const bound = weightBound(compiled, asset.balanceHigh);
      const worth = Math.max(asset.balanceLow, 0);
      const least = Math.min(slicedValue(compiled, worth * priceLow, bound) * asset.keptLow, compiled.cap);
      const debt = Math.min(asset.balanceLow, 0) * compiled.liability * priceHigh;
      return least + debt - need * priceHigh;
    }
    const atLow = assetValue(compiled, balance, priceLow, asset.keptLow);
    if (balance > 0 && !compiled.descending) return atLow - need * priceHigh;
    const atHigh = priceHigh === priceLow ? atLow : assetValue(compiled, balance, priceHigh, asset.keptLow);
    return Math.min(atLow - need * priceLow, atHigh - need * priceHigh);
  }

  private assetHighest(asset: BoxAsset, k: number): number {
    const { priceLow, priceHigh, cornerBalance: balance } = asset;
    const compiled = asset.compiled as CompiledAsset;
    const need = k * asset.cornerNeed;
    if (this.isolated) return balance * asset.price - need * asset.price;
    if (asset.slopeLow < 0) {
      const bound = weightBound(compiled, asset.balanceLow);
      const worth = Math.max(asset.balanceHigh, 0);
      const most = Math.min(slicedValue(compiled, worth * priceHigh, bound) * asset.keptHigh, compiled.cap);
      const debt = Math.min(asset.balanceHigh, 0) * compiled.liability * priceLow;
      return most + debt - need * priceLow;
    }
    const atHigh = assetValue(compiled, balance, priceHigh, asset.keptHigh);
    if (balance > 0 && atHigh >= compiled.cap) return atHigh - need * priceLow;
    const atLow = priceHigh === priceLow ? atHigh : assetValue(compiled, balance, priceLow, asset.keptHigh);
    let most = Math.max(atLow - need * priceLow, atHigh - need * priceHigh);
    if (balance <= 0 || compiled.upTo.length === 1) return most;
    // Piecewise linear in the price: its maximum stands at an end or at the edge of a slice.
    for (const edge of compiled.upTo) {
      const price = edge / balance;
      if (price <= priceLow || price >= priceHigh) continue;
      most = Math.max(most, assetValue(compiled, balance, price, asset.keptHigh) - need * price);
    }
    return most;
  }
}
