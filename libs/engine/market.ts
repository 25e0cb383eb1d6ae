import type { Quality } from "#libs/contracts/log.ts";
import { Rational } from "#libs/decimal/index.ts";
import { value } from "#libs/domain/positions/value.ts";
import { Accruals } from "./accruals.ts";
import { grownCapacity, grownFloat64 } from "./columns.ts";
import { nearestFloat } from "./floats.ts";
import type { Listing } from "./listing.ts";
import { type Reader, Unreadable, type Writer } from "./writer.ts";

/** Thrown where a price is needed that no entry has given yet. */
export class PriceMissing extends Error {
  readonly code = "price_missing";
  readonly id: string;
  constructor(id: string) {
    super(`no price of ${id} yet`);
    this.name = "PriceMissing";
    this.id = id;
  }
}

const qualities: readonly Quality[] = ["good", "stale", "disputed", "invalid"];

/** The unit of account: as an asset its index is 1 by definition. */
const unitOfAccount = "USD";

/** How far above one contract's value the funding factor's unit lies: years of funding never come near it. */
const fundingHeadroom = 2 ** 20;

/** A price with its quality, as an index or a mark. */
class Quote {
  price: Rational | null = null;
  /** UTC ms of the last price. */
  time = 0;
  quality: Quality = "good";
  /** UTC ms since which the quality is what it is. */
  since = 0;

  setQuality(quality: Quality, t: number): void {
    if (quality !== this.quality) this.since = t;
    this.quality = quality;
  }

  save(writer: Writer): void {
    writer.optionalRational(this.price);
    writer.float64(this.time);
    writer.byte(qualities.indexOf(this.quality));
    writer.float64(this.since);
  }

  static load(reader: Reader): Quote {
    const quote = new Quote();
    quote.price = reader.optionalRational();
    quote.time = reader.float64();
    const quality = qualities[reader.byte()];
    if (quality === undefined) throw new Unreadable("no such price quality");
    quote.quality = quality;
    quote.since = reader.float64();
    return quote;
  }
}

/** What the market says of one asset; haircuts are null until a frame or the haircut rule sets them. */
class AssetMarket {
  quote = new Quote();
  haircutInitial: Rational | null = null;
  haircutMaintenance: Rational | null = null;
  readonly indexFactor: number;
  readonly haircutFactor: number;
  constructor(factor: number) {
    this.indexFactor = factor;
    this.haircutFactor = factor + 1;
  }
}

class InstrumentMarket {
  quote = new Quote();
  accruals = new Accruals();
  /** All payments ever as one float, only for the factor. */
  fundingTotal = 0;
  fundingScale = 0;
  readonly markFactor: number;
  readonly fundingFactor: number;
  constructor(factor: number) {
    this.markFactor = factor;
    this.fundingFactor = factor + 1;
  }
}

/**
 * Prices, haircuts, qualities and funding by dense number, and each as a float *factor* with a dense number of its
 * own, for the trigger index. Factors are derived: never hashed. An unknown price is the factor NaN.
 */
export class Market {
  private readonly listing: Listing;
  private readonly assets: AssetMarket[] = [];
  private readonly instruments: InstrumentMarket[] = [];
  private floats = new Float64Array(16).fill(Number.NaN);
  private used = 0;

  constructor(listing: Listing) {
    this.listing = listing;
    this.refresh();
  }

  /** Every factor by its number; replaced when instruments are listed, so read it through the market each time. */
  get factors(): Float64Array {
    return this.floats;
  }
  get factorCount(): number {
    return this.used;
  }

  /** Follows a change of rules: numbers what is new, forgets what was said of what has gone, renews the factors. */
  refresh(): void {
    const { assetCount, instrumentCount } = this.listing;
    while (this.assets.length < assetCount) this.assets.push(new AssetMarket(this.takeFactors()));
    while (this.instruments.length < instrumentCount) this.instruments.push(new InstrumentMarket(this.takeFactors()));
    for (const [number, asset] of this.assets.entries()) this.refreshAsset(number, asset);
    for (const [number, instrument] of this.instruments.entries()) this.refreshInstrument(number, instrument);
  }

  private refreshAsset(number: number, asset: AssetMarket): void {
    if (!this.listing.isAssetListed(number)) {
      asset.quote = new Quote();
      asset.haircutInitial = null;
      asset.haircutMaintenance = null;
      this.floats[asset.indexFactor] = Number.NaN;
      return;
    }
    if (asset.quote.price === null && this.listing.assetIds[number] === unitOfAccount) asset.quote.price = Rational.one;
    this.floats[asset.indexFactor] = priceFloat(asset.quote.price);
    this.floats[asset.haircutFactor] = nearestFloat(Rational.one.minus(this.haircutMaintenance(number)));
  }

  private refreshInstrument(number: number, instrument: InstrumentMarket): void {
    if (!this.listing.isInstrumentListed(number)) {
      instrument.quote = new Quote();
      instrument.accruals.rebase(instrument.accruals.epoch);
      instrument.fundingTotal = 0;
      instrument.fundingScale = 0;
    }
    this.floats[instrument.markFactor] = priceFloat(instrument.quote.price);
    this.floats[instrument.fundingFactor] = fundingFactorOf(instrument);
  }

  private takeFactors(): number {
    const first = this.used;
    this.used += 2;
    if (this.used > this.floats.length)
      this.floats = grownFloat64(this.floats, grownCapacity(this.floats.length, this.used), Number.NaN);
    return first;
  }

  private asset(asset: number): AssetMarket {
    return this.assets[asset] as AssetMarket;
  }
  private instrument(instrument: number): InstrumentMarket {
    return this.instruments[instrument] as InstrumentMarket;
  }

  indexPrice(asset: number): Rational | null {
    return this.asset(asset).quote.price;
  }
  markPrice(instrument: number): Rational | null {
    return this.instrument(instrument).quote.price;
  }

  /** USD per unit of the asset, positive; `t` UTC ms of the price, unchanged when left out. */
  setIndexPrice(asset: number, price: Rational, t?: number): void {
    const { quote, indexFactor } = this.asset(asset);
    quote.price = price.reduced();
    if (t !== undefined) quote.time = t;
    this.floats[indexFactor] = nearestFloat(quote.price);
  }

  setMarkPrice(instrument: number, price: Rational, t?: number): void {
    const market = this.instrument(instrument);
    market.quote.price = price.reduced();
    if (t !== undefined) market.quote.time = t;
    this.floats[market.markFactor] = nearestFloat(market.quote.price);
    if (market.fundingScale === 0) {
      const one = value(this.listing.instrumentRules(instrument), Rational.one, price).abs();
      market.fundingScale = fundingHeadroom * powerOfTwoAbove(nearestFloat(one));
    }
  }

  /** The haircut for initial margin: a fraction; what the rules say as base until one was set. */
  haircutInitial(asset: number): Rational {
    return this.asset(asset).haircutInitial ?? this.baseHaircut(asset);
  }
  haircutMaintenance(asset: number): Rational {
    return this.asset(asset).haircutMaintenance ?? this.baseHaircut(asset);
  }
  private baseHaircut(asset: number): Rational {
    return this.listing.assetRules(asset).haircut?.base ?? Rational.zero;
  }
  /** Whether haircuts were set, rather than read from the rules. */
  haircutSet(asset: number): boolean {
    return this.asset(asset).haircutMaintenance !== null;
  }
  setHaircuts(asset: number, initial: Rational, maintenance: Rational): void {
    const market = this.asset(asset);
    market.haircutInitial = initial.reduced();
    market.haircutMaintenance = maintenance.reduced();
    this.floats[market.haircutFactor] = nearestFloat(Rational.one.minus(maintenance));
  }

  assetQuality(asset: number): Quality {
    return this.asset(asset).quote.quality;
  }
  instrumentQuality(instrument: number): Quality {
    return this.instrument(instrument).quote.quality;
  }
  /** UTC ms since which the quality is what it is. */
  assetQualitySince(asset: number): number {
    return this.asset(asset).quote.since;
  }
  instrumentQualitySince(instrument: number): number {
    return this.instrument(instrument).quote.since;
  }
  setAssetQuality(asset: number, quality: Quality, t: number): void {
    this.asset(asset).quote.setQuality(quality, t);
  }
  setInstrumentQuality(instrument: number, quality: Quality, t: number): void {
    this.instrument(instrument).quote.setQuality(quality, t);
  }
  /** UTC ms of the last price; 0 before the first. */
  assetPriceTime(asset: number): number {
    return this.asset(asset).quote.time;
  }
  instrumentPriceTime(instrument: number): number {
    return this.instrument(instrument).quote.time;
  }

  /** Numbers of the factors: mark, index, `1 − h_M`, and `1 + F/fundingScale` with F all funding so far. */
  markFactor(instrument: number): number {
    return this.instrument(instrument).markFactor;
  }
  indexFactor(asset: number): number {
    return this.asset(asset).indexFactor;
  }
  haircutFactor(asset: number): number {
    return this.asset(asset).haircutFactor;
  }
  fundingFactor(instrument: number): number {
    return this.instrument(instrument).fundingFactor;
  }
  /** Settle asset per contract that moves the funding factor by 1; 0 before the first mark. */
  fundingScale(instrument: number): number {
    return this.instrument(instrument).fundingScale;
  }

  fundingEpoch(instrument: number): number {
    return this.instrument(instrument).accruals.epoch;
  }
  /** What +1 contract has to pay for the payments after `epoch`, settle asset, exact. */
  fundingSince(instrument: number, epoch: number): Rational {
    return this.instrument(instrument).accruals.since(epoch);
  }
  /** The float nearest to `fundingSince`. */
  fundingSinceFloat(instrument: number, epoch: number): number {
    return this.instrument(instrument).accruals.sinceFloat(epoch);
  }

  /**
   * FUND-03: adds one payment per contract (settle asset; positive: longs pay). Throws `OutOfRange` with nothing changed
   * when 1000 wait unbooked. Returns whether the scale of the funding factor had to change: then bands on it are void.
   */
  addFunding(instrument: number, incrementPerContract: Rational): boolean {
    const market = this.instrument(instrument);
    market.accruals.add(incrementPerContract);
    market.fundingTotal += nearestFloat(incrementPerContract);
    const total = Math.abs(market.fundingTotal);
    const rescaled = total * 2 > market.fundingScale;
    if (rescaled) market.fundingScale = fundingHeadroom * powerOfTwoAbove(total);
    this.floats[market.fundingFactor] = fundingFactorOf(market);
    return rescaled;
  }

  /** Forgets payments that no open position is older than. */
  rebaseFunding(instrument: number, minEpochInUse: number): void {
    this.instrument(instrument).accruals.rebase(minEpochInUse);
  }

  /** Every authoritative value in order of id. Funding is told by the positions that owe it. */
  canonical(writer: Writer): void {
    for (const number of this.listing.sortedAssets) {
      const asset = this.asset(number);
      writer.text(this.listing.assetIds[number] as string);
      asset.quote.save(writer);
      writer.optionalRational(asset.haircutInitial);
      writer.optionalRational(asset.haircutMaintenance);
    }
    for (const number of this.listing.sortedInstruments) {
      writer.text(this.listing.instrumentIds[number] as string);
      this.instrument(number).quote.save(writer);
    }
  }

  save(writer: Writer): void {
    for (const asset of this.assets) {
      asset.quote.save(writer);
      writer.optionalRational(asset.haircutInitial);
      writer.optionalRational(asset.haircutMaintenance);
    }
    for (const instrument of this.instruments) {
      instrument.quote.save(writer);
      instrument.accruals.save(writer);
      writer.float64(instrument.fundingTotal);
      writer.float64(instrument.fundingScale);
    }
  }

  /** Fills a market made for the listing that was saved; factors are renewed. */
  load(reader: Reader, assetCount: number, instrumentCount: number): void {
    for (let number = 0; number < assetCount; number += 1) {
      const asset = this.asset(number);
      asset.quote = Quote.load(reader);
      asset.haircutInitial = reader.optionalRational();
      asset.haircutMaintenance = reader.optionalRational();
    }
    for (let number = 0; number < instrumentCount; number += 1) {
      const instrument = this.instrument(number);
      instrument.quote = Quote.load(reader);
      instrument.accruals = Accruals.load(reader);
      instrument.fundingTotal = reader.float64();
      instrument.fundingScale = reader.float64();
    }
    this.refresh();
  }
}

function priceFloat(price: Rational | null): number {
  return price === null ? Number.NaN : nearestFloat(price);
}

function fundingFactorOf({ fundingTotal, fundingScale }: InstrumentMarket): number {
  return fundingScale === 0 ? 1 : 1 + fundingTotal / fundingScale;
}

/** The smallest power of two at or above a positive float, found by doubling and halving: no logarithm is exact enough. */
function powerOfTwoAbove(value: number): number {
  let power = 1;
  while (power < value) power *= 2;
  while (power / 2 >= value && power > Number.MIN_VALUE) power /= 2;
  return power;
}
