import type { Rational } from "#libs/decimal/index.ts";
import { Rational as Exact } from "#libs/decimal/index.ts";
import type { AssetRules, InstrumentRules } from "#libs/domain/rule-set/types.ts";
import type { Book } from "../book.ts";
import { nearestFloat } from "../floats.ts";

/**
 * The room that every float is given, relative to the magnitudes that it was added up from: more than a thousand times what an
 * evaluation of `termsMax` terms can lose (docs/float-bounds.md).
 */
export const room = 2 ** -30;
export const termsMax = 4096;
/** A sum of sums, each with its own room. */
export const least = 1 - 4 * room;

/** No weight counts for more than this. */
const weightMost = 1.1;

const orInfinite = (limit: Rational | null): number => (limit === null ? Infinity : nearestFloat(limit));
const ascends = (rates: readonly Rational[]): boolean =>
  rates.every((rate, at) => at === 0 || rate.atLeast(rates[at - 1] as Rational));

/** What the screen needs of one instrument, as plain numbers. Sizes are `contracts · multiplier`. */
export class CertainInstrument {
  readonly rules: InstrumentRules;
  readonly settle: number;
  readonly markFactor: number;
  readonly inverse: boolean;
  readonly entryNotional: boolean;
  readonly whole: boolean;
  /** The size of one lot. */
  readonly lotSize: number;
  readonly multiplier: number;
  readonly from: Float64Array;
  readonly rate: Float64Array;
  /** Added to a rate per unit of size, or per root of it; at most one of them is not zero. */
  readonly linearPremium: number;
  readonly rootPremium: number;
  /** Open interest from which rates rise, and from which they are 1; infinite: never. */
  readonly interestLower: number;
  readonly interestUpper: number;
  readonly maxLeverage: number;
  readonly minNotional: number;
  readonly band: number;
  /** Asset that it follows, and the factor of its index. */
  readonly underlying: number;
  readonly indexFactor: number;
  /** False: rules of a kind that the screen leaves to the exact check. */
  readonly usable: boolean;

  constructor(rules: InstrumentRules, book: Book) {
    const { sizePremium: premium, oiScaling: scaling, tiers } = rules;
    this.rules = rules;
    const number = book.instrumentIndex(rules.id);
    this.settle = book.settleIndex(number);
    this.markFactor = book.market.markFactor(number);
    this.underlying = book.indexAsset(number);
    this.indexFactor = book.market.indexFactor(this.underlying);
    this.inverse = rules.kind === "inverse";
    this.entryNotional = rules.notional === "entry";
    this.whole = rules.tierMode === "whole";
    this.multiplier = nearestFloat(rules.multiplier);
    this.lotSize = nearestFloat(rules.lot.times(rules.multiplier));
    this.from = Float64Array.from(tiers, (tier) => nearestFloat(tier.from));
    this.rate = Float64Array.from(tiers, (tier) => nearestFloat(tier.im));
    this.linearPremium = premium?.shape === "linear" ? nearestFloat(premium.k) : 0;
    this.rootPremium = premium?.shape === "sqrt" ? nearestFloat(premium.k) : 0;
    this.interestLower = orInfinite(scaling?.lower ?? null);
    this.interestUpper = orInfinite(scaling?.upper ?? null);
    this.maxLeverage = orInfinite(rules.maxLeverage);
    this.minNotional = nearestFloat(rules.minNotional);
    this.band = orInfinite(rules.priceBand);
    this.usable = ascends(tiers.map((tier) => tier.im));
  }

  /** Lots as a size. */
  interest(lots: bigint): number {
    return Number(lots) * this.lotSize;
  }

  /** The magnitude of the value of a size at a price, settle asset. */
  worth(size: number, price: number): number {
    return this.inverse ? size / price : size * price;
  }

  /** At least the initial margin of a notional and a size, settle asset; `share`: how far open interest has gone between its bounds. */
  initialUp(notional: number, size: number, share: number): number {
    const { from, rate } = this;
    const most = notional * (1 + room);
    let sum = 0;
    for (let tier = 0; tier < from.length && most >= (from[tier] as number) * (1 - room); tier += 1) {
      const base = rate[tier] as number;
      const premium = Math.max(base + this.linearPremium * size, 0.8 * base + this.rootPremium * Math.sqrt(size));
      const raised = Math.max(premium, premium + (1 - premium) * share);
      if (this.whole) sum = most * raised;
      else sum += (Math.min(most, from[tier + 1] ?? Infinity) - (from[tier] as number)) * raised;
    }
    return sum * (1 + room);
  }
}

/** What the screen needs of one asset's initial valuation. */
export class CertainAsset {
  readonly indexFactor: number;
  readonly quantum: number;
  readonly upTo: Float64Array;
  readonly weight: Float64Array;
  readonly curve: number;
  readonly cap: number;
  readonly liability: number;
  /** USD of all traders' cash from which it is scaled. */
  readonly platformStart: number;
  readonly concentrationLimited: boolean;
  /** A bound of how much the value moves, over price, with each unit of balance; doubled for what the balance is made of. */
  readonly slope: number;
  #haircut: Rational | null = null;
  #kept = 1;

  constructor(rules: AssetRules, indexFactor: number) {
    const slices = rules.initialSlices;
    this.indexFactor = indexFactor;
    this.quantum = nearestFloat(rules.quantum);
    this.upTo = Float64Array.from(slices, (slice) => orInfinite(slice.upTo));
    this.weight = Float64Array.from(slices, (slice) => Math.min(nearestFloat(slice.weight), weightMost));
    this.curve = nearestFloat(rules.sizeCurve);
    this.cap = orInfinite(rules.cap);
    this.liability = nearestFloat(Exact.one.plus(rules.liabilityPremium));
    this.platformStart = orInfinite(rules.platformStart);
    this.concentrationLimited = rules.concentration !== null;
    this.slope = 4 * Math.max(1.5 * weightMost, this.liability);
  }

  /** One minus the haircut. */
  kept(haircut: Rational): number {
    if (haircut === this.#haircut) return this.#kept;
    this.#haircut = haircut;
    this.#kept = 1 - nearestFloat(haircut);
    return this.#kept;
  }

  /** COL-09 from below; `cash`: quanta of all traders, `price`: USD. */
  platform(cash: bigint, price: number): number {
    if (this.platformStart === Infinity) return 1;
    const total = Number(cash) * this.quantum * price * (1 + room);
    return total > this.platformStart ? (this.platformStart / total) * (1 - room) : 1;
  }

  /** What a balance counts for, USD; `scale`: of the platform. */
  value(balance: number, price: number, kept: number, scale: number): number {
    const worth = balance * price;
    if (balance < 0) return worth * this.liability;
    const bound = weightBound(this.curve, balance);
    let sum = 0;
    let floor = 0;
    for (let at = 0; at < this.upTo.length && worth > floor; at += 1) {
      const end = Math.min(worth, this.upTo[at] as number);
      sum += (end - floor) * Math.min(this.weight[at] as number, bound);
      floor = end;
    }
    return Math.min(sum * scale * kept, this.cap);
  }
}

/** NUM-04: the most that a weight may be for a size under a curve. */
export const weightBound = (curve: number, size: number): number => weightMost / (1 + curve * Math.sqrt(size));

/** The rules as the screen reads them, by dense number. */
export class CertainRules {
  readonly instruments: readonly (CertainInstrument | undefined)[];
  readonly assets: readonly (CertainAsset | undefined)[];
  readonly profitWeight: number;
  readonly profitCurve: number;

  constructor(book: Book) {
    const { rules, market } = book;
    const instruments: CertainInstrument[] = [];
    for (const one of rules.instruments.values()) {
      const number = book.instrumentIndex(one.id);
      instruments[number] = new CertainInstrument(one, book);
    }
    const assets: CertainAsset[] = [];
    for (const one of rules.assets.values()) {
      const number = book.assetIndex(one.id);
      assets[number] = new CertainAsset(one, market.indexFactor(number));
    }
    const { profitWeight } = rules;
    this.instruments = instruments;
    this.assets = assets;
    this.profitWeight = Math.min(nearestFloat(profitWeight.weight), weightMost);
    this.profitCurve = nearestFloat(profitWeight.k);
  }
}
