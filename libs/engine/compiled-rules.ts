import { Rational } from "#libs/decimal/index.ts";
import type { AssetRules, InstrumentRules, RuleSet, Slice } from "#libs/domain/rule-set/types.ts";
import type { Book } from "./book.ts";
import { nearestFloat } from "./floats.ts";

/** How the size premium bends a tier's rate; numbers, because the hot loops compare them. */
export const premiumNone = 0;
export const premiumSqrt = 1;
export const premiumLinear = 2;

/** No weight counts for more than this: the size curve bounds every one of them, even where its k is zero. */
const weightMost = 1.1;

/** What the float screen needs of one instrument: its maintenance tiers as plain numbers. */
export class CompiledInstrument {
  readonly rules: InstrumentRules;
  readonly inverse: boolean;
  /** Number of the asset that profit, cost and requirement are in. */
  readonly settle: number;
  readonly markFactor: number;
  readonly fundingFactor: number;
  readonly multiplier: number;
  /** Whether tiers are read at |cost|, so that the mark does not move the requirement. */
  readonly entryNotional: boolean;
  readonly whole: boolean;
  readonly premium: number;
  readonly premiumK: number;
  /** The closing-fee reserve as a rate on the whole notional. */
  readonly fee: number;
  readonly from: Float64Array;
  /** Maintenance rates without premium and without fee. */
  readonly rate: Float64Array;
  /** `n·rate − deduction` is the progressive requirement; zero for `whole` tiers. */
  readonly deduction: Float64Array;
  /** Without premium: rate and fee of a tier together, and an upper bound of Σ|terms| per unit of notional (see `requirementGross`). */
  readonly marginal: Float64Array;
  readonly grossRate: Float64Array;
  /** Below this notional the requirement is certainly `notional·plainRate`, whatever the size; most positions are. */
  readonly plainBelow: number;
  readonly plainRate: number;
  readonly plainGross: number;
  /** Largest tier rate, for bounds. */
  readonly rateMax: number;

  constructor(rules: InstrumentRules, settle: number, markFactor: number, fundingFactor: number) {
    this.rules = rules;
    this.inverse = rules.kind === "inverse";
    this.settle = settle;
    this.markFactor = markFactor;
    this.fundingFactor = fundingFactor;
    this.multiplier = nearestFloat(rules.multiplier);
    this.entryNotional = rules.notional === "entry";
    this.whole = rules.tierMode === "whole";
    const premium = rules.sizePremium;
    this.premium = premium === null ? premiumNone : premium.shape === "sqrt" ? premiumSqrt : premiumLinear;
    this.premiumK = premium === null ? 0 : nearestFloat(premium.k);
    this.fee = rules.closeFeeInMargin ? nearestFloat(rules.takerFee) : 0;
    const tiers = rules.tiers;
    this.from = Float64Array.from(tiers, (tier) => nearestFloat(tier.from));
    this.rate = Float64Array.from(tiers, (tier) => nearestFloat(tier.mm));
    this.deduction = Float64Array.from(this.whole ? tiers.map(() => 0) : deductions(rules).map(nearestFloat));
    this.marginal = this.rate.map((rate) => rate + this.fee);
    // The next tier's rate, because a notional close to its floor may in truth have reached it.
    this.grossRate = this.rate.map(
      (_rate, at) => 2 * (this.rate[Math.min(at + 1, tiers.length - 1)] as number) + this.fee,
    );
    const single = this.premium === premiumNone;
    this.plainBelow = !single ? 0 : tiers.length < 2 ? Infinity : (this.from[1] as number) * (1 - 2 ** -30);
    this.plainRate = this.marginal[0] ?? this.fee;
    this.plainGross = this.grossRate[0] ?? this.fee;
    this.rateMax = this.rate.reduce((most, rate) => Math.max(most, rate), 0);
  }
}

/** `deduction_n = deduction_{n−1} + floor_n·(rate_n − rate_{n−1})`, exact, in the settle asset. */
export function deductions(rules: InstrumentRules): Rational[] {
  const found: Rational[] = [];
  let deduction = Rational.zero;
  let before = Rational.zero;
  for (const tier of rules.tiers) {
    deduction = deduction.plus(tier.from.times(tier.mm.minus(before)));
    before = tier.mm;
    found.push(deduction);
  }
  return found;
}

/** What the float screen needs of one asset's maintenance valuation. */
export class CompiledAsset {
  readonly rules: AssetRules;
  readonly indexFactor: number;
  readonly haircutFactor: number;
  /** One slice without end, no curve and no cap: the value is `balance·price·weight·(1 − h)`. */
  readonly plain: boolean;
  readonly upTo: Float64Array;
  readonly weight: Float64Array;
  /** k of the size curve; zero: none. */
  readonly curve: number;
  /** USD; infinite when there is none. */
  readonly cap: number;
  /** `1 + l`: what a unit of debt counts. */
  readonly liability: number;
  /** |value(B) − value(B′)| ≤ lipschitz·price·|B − B′| for any two balances. */
  readonly lipschitz: number;
  /** Whether weights fall from slice to slice, so that the value is concave in the price. */
  readonly descending: boolean;
  /** Whether the haircut can move while these rules hold. */
  readonly haircutMoves: boolean;
  /** Whether some instrument follows its price; others (a quote asset) are taken to move little, which only shapes bands. */
  readonly volatile: boolean;

  constructor(rules: AssetRules, indexFactor: number, haircutFactor: number, volatile: boolean) {
    this.rules = rules;
    this.indexFactor = indexFactor;
    this.haircutFactor = haircutFactor;
    const slices = rules.slices;
    this.upTo = Float64Array.from(slices, (slice) => (slice.upTo === null ? Infinity : nearestFloat(slice.upTo)));
    this.weight = Float64Array.from(slices, (slice) => Math.min(nearestFloat(slice.weight), weightMost));
    this.curve = nearestFloat(rules.sizeCurve);
    this.cap = rules.cap === null ? Infinity : nearestFloat(rules.cap);
    this.liability = nearestFloat(Rational.one.plus(rules.liabilityPremium));
    const weightMax = this.weight.reduce((most, weight) => Math.max(most, weight), 0);
    // The curve adds at most half a weight to the slope: |size·c′(size)| ≤ c(size)/2.
    this.lipschitz = Math.max(weightMax * 1.5, this.liability);
    this.descending = descends(slices);
    this.plain = slices.length === 1 && this.upTo[0] === Infinity && this.curve === 0 && rules.cap === null;
    this.haircutMoves = rules.haircut !== null;
    this.volatile = volatile;
  }
}

function descends(slices: readonly Slice[]): boolean {
  return slices.every((slice, at) => at === 0 || slice.weight.atMost((slices[at - 1] as Slice).weight));
}

/** A threshold of the rule book as the screen sees it, with its exact value beside it. */
export interface Threshold {
  readonly exact: Rational;
  readonly float: number;
}
const threshold = (exact: Rational): Threshold => ({ exact, float: nearestFloat(exact) });

/**
 * The rule set turned into numbers by dense index, for the engine's hot paths. It must be rebuilt whenever the book's rules
 * change; users compare `version` to notice.
 */
export class CompiledRules {
  readonly book: Book;
  version = 0;
  /** By number; a number that the present rules do not list has no element, and no pool holds it. */
  instruments: readonly CompiledInstrument[] = [];
  assets: readonly CompiledAsset[] = [];
  /** Descending. */
  warnings: readonly Threshold[] = [];
  /** At which each fired warning stands up again: warning·(1 + re-arm). */
  rearms: readonly Threshold[] = [];
  partial: Threshold = threshold(Rational.one);
  full: Threshold = threshold(Rational.one);
  /** Cash debts above this share of the full equity are converted; null: never by themselves. */
  convertAt: number | null = null;
  /** Roundings that a pool of no rows may already have had, in units of 2^-53; each row adds its own. */
  roundings = 64;

  constructor(book: Book) {
    this.book = book;
    this.rebuild();
  }

  rebuild(): void {
    const { book } = this;
    const { market } = book;
    const rules: RuleSet = book.rules;
    this.version += 1;
    const volatile = new Set<string>();
    for (const one of rules.instruments.values()) volatile.add(one.index).add(one.base);
    const instruments: CompiledInstrument[] = [];
    for (const one of rules.instruments.values()) {
      const i = book.instrumentIndex(one.id);
      const settle = book.settleIndex(i);
      instruments[i] = new CompiledInstrument(one, settle, market.markFactor(i), market.fundingFactor(i));
    }
    const assets: CompiledAsset[] = [];
    for (const one of rules.assets.values()) {
      const c = book.assetIndex(one.id);
      const moves = volatile.has(one.id);
      assets[c] = new CompiledAsset(one, market.indexFactor(c), market.haircutFactor(c), moves);
    }
    this.instruments = instruments;
    this.assets = assets;
    this.warnings = rules.warnings.map(threshold);
    const rearm = Rational.one.plus(rules.warningRearm);
    this.rearms = rules.warnings.map((warning) => threshold(warning.times(rearm)));
    this.partial = threshold(rules.liquidation.partialAt);
    this.full = threshold(rules.liquidation.fullAt);
    this.convertAt = rules.convertAt === null ? null : nearestFloat(rules.convertAt);
    let steps = 0;
    for (const one of rules.instruments.values()) steps = Math.max(steps, one.tiers.length);
    for (const one of rules.assets.values()) steps = Math.max(steps, one.slices.length);
    this.roundings = 64 + 4 * steps;
  }
}

/** A tier's rate with the premium of a position of `size` (|q·m|) on it. */
export function premiumRate(instrument: CompiledInstrument, rate: number, size: number): number {
  if (instrument.premium === premiumNone) return rate;
  if (instrument.premium === premiumLinear) return rate + instrument.premiumK * size;
  return Math.max(rate, 0.8 * rate + instrument.premiumK * Math.sqrt(size));
}

/** The tier that a notional stands in: the last whose floor is not above it; −1 below all. */
export function tierOf(instrument: CompiledInstrument, notional: number): number {
  const { from } = instrument;
  let tier = -1;
  while (tier + 1 < from.length && notional >= (from[tier + 1] as number)) tier += 1;
  return tier;
}

/**
 * The maintenance requirement in the settle asset, float. `tier` must be `tierOf` the notional (or, for bounds over a box
 * whose ends stay inside one `whole` tier, that tier).
 */
export function requirement(instrument: CompiledInstrument, tier: number, notional: number, size: number): number {
  const { rate, fee } = instrument;
  if (tier < 0) return notional * fee;
  if (instrument.premium === premiumNone) {
    return notional * (instrument.marginal[tier] as number) - (instrument.deduction[tier] as number);
  }
  if (instrument.whole) return notional * (premiumRate(instrument, rate[tier] as number, size) + fee);
  const { from } = instrument;
  let sum = notional * fee;
  for (let at = 0; at <= tier; at += 1) {
    const top = at === tier ? notional : (from[at + 1] as number);
    sum += (top - (from[at] as number)) * premiumRate(instrument, rate[at] as number, size);
  }
  return sum;
}

/** What one more unit of notional inside a tier requires, fee included. */
export function marginalRate(instrument: CompiledInstrument, tier: number, size: number): number {
  if (tier < 0) return instrument.fee;
  return premiumRate(instrument, instrument.rate[tier] as number, size) + instrument.fee;
}
