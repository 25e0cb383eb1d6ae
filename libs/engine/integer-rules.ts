import { powerOfTen, Rational } from "#libs/decimal/index.ts";
import type { AssetRules, InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { deductions } from "./compiled-rules.ts";

/** Denominators that divide 10^60 are decimals; others (a quotient as a price) go the general way. */
const decimalsMax = 60;

function gcd(left: bigint, right: bigint): bigint {
  let [a, b] = [left < 0n ? -left : left, right];
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

const lcm = (left: bigint, right: bigint): bigint => (left / gcd(left, right)) * right;

/** The smallest power of ten that `denominator` divides; 0 when there is none up to 10^60. */
function decimalScale(denominator: bigint): bigint {
  if (denominator === 1n) return 1n;
  for (let decimals = 1; decimals <= decimalsMax; decimals += 1) {
    const scale = powerOfTen(decimals);
    if (scale % denominator === 0n) return scale;
  }
  return 0n;
}

/** A sum of fractions, kept as one numerator over one positive denominator. */
export class FractionSum {
  numerator = 0n;
  denominator = 1n;

  clear(): void {
    this.numerator = 0n;
    this.denominator = 1n;
  }

  add(numerator: bigint, denominator: bigint): void {
    if (numerator === 0n) return;
    if (denominator === this.denominator) this.numerator += numerator;
    else if (this.numerator === 0n) {
      this.numerator = numerator;
      this.denominator = denominator;
    } else {
      this.numerator = this.numerator * denominator + numerator * this.denominator;
      this.denominator *= denominator;
    }
  }
}

/**
 * One asset in the exact evaluation: what its rules multiply a balance by, and the sums of the pool at hand. Balances are in
 * quanta: `cash` whole, `scaled` over `scale` (a power of ten that only grows), `rest` over whatever is left.
 */
export class AssetIntegers {
  readonly rules: AssetRules;
  readonly number: number;
  readonly quantumNumerator: bigint;
  readonly quantumDenominator: bigint;
  /** One slice without end, no curve, no cap. */
  readonly plain: boolean;
  private readonly weight: Rational;
  private readonly liability: Rational;
  /** Common denominator of the rates of every instrument settled in it. */
  rateDenominator = 1n;
  scale = 1n;

  /** Whether the pool at hand has touched it. */
  run = false;
  cash = 0n;
  scaled = 0n;
  readonly rest = new FractionSum();
  /** Requirement over `scale·rateDenominator`, and the rest of it, both in quanta. */
  needScaled = 0n;
  readonly need = new FractionSum();
  balance = 0n;
  balanceDenominator = 1n;

  private price: Rational | null = null;
  private haircut: Rational | null = null;
  kept: Rational = Rational.one;
  /** USD that a positive quantum counts for, and that a quantum of debt counts. */
  keptNumerator = 0n;
  keptDenominator = 1n;
  debtNumerator = 0n;
  debtDenominator = 1n;

  constructor(rules: AssetRules, number: number) {
    const { slices } = rules;
    const quantum = rules.quantum.reduced();
    this.rules = rules;
    this.number = number;
    this.quantumNumerator = quantum.numerator;
    this.quantumDenominator = quantum.denominator;
    this.plain = slices.length === 1 && slices[0]?.upTo === null && rules.sizeCurve.isZero() && rules.cap === null;
    this.weight = slices[0]?.weight ?? Rational.zero;
    this.liability = Rational.one.plus(rules.liabilityPremium);
  }

  open(): void {
    this.run = true;
    this.cash = 0n;
    this.scaled = 0n;
    this.needScaled = 0n;
    this.rest.clear();
    this.need.clear();
  }

  /** Makes `scale` a multiple of a power of ten; what is summed already follows. */
  absorb(power: bigint): void {
    if (this.scale % power === 0n) return;
    const scale = lcm(this.scale, power);
    this.scaled *= scale / this.scale;
    this.needScaled *= scale / this.scale;
    this.scale = scale;
  }

  addBalance(numerator: bigint, denominator: bigint): void {
    if (this.scale % denominator === 0n) this.scaled += numerator * (this.scale / denominator);
    else this.rest.add(numerator, denominator);
  }

  /** Brings the balance of the pool at hand over one denominator. */
  close(): void {
    const { rest, scale } = this;
    const decimal = this.cash * scale + this.scaled;
    if (rest.numerator === 0n) {
      this.balance = decimal;
      this.balanceDenominator = scale;
      return;
    }
    this.balance = decimal * rest.denominator + rest.numerator * scale;
    this.balanceDenominator = scale * rest.denominator;
  }

  /** Renews what depends on index and haircut when either is another object than before. */
  follow(price: Rational, haircut: Rational): void {
    if (price === this.price && haircut === this.haircut) return;
    this.price = price;
    this.haircut = haircut;
    this.kept = Rational.one.minus(haircut);
    const quantum = price.times(this.rules.quantum);
    const kept = quantum.times(this.weight).times(this.kept).reduced();
    const debt = quantum.times(this.liability).reduced();
    this.keptNumerator = kept.numerator;
    this.keptDenominator = kept.denominator;
    this.debtNumerator = debt.numerator;
    this.debtDenominator = debt.denominator;
  }
}

/** Floors, rates and deductions of one instrument as integers, and what one lot is worth at the present mark. */
export class InstrumentIntegers {
  readonly rules: InstrumentRules;
  readonly number: number;
  readonly asset: AssetIntegers;
  readonly entryNotional: boolean;
  readonly premium: InstrumentRules["sizePremium"];
  /** |q·m| of one lot. */
  readonly exposureNumerator: bigint;
  readonly exposureDenominator: bigint;
  /** Contracts of one lot per settle quantum. */
  readonly lotNumeratorQuanta: bigint;
  readonly lotDenominatorQuanta: bigint;
  /** Floors in quanta are `floors[t] / floorDenominator`. */
  readonly floorDenominator: bigint;
  private readonly floors: readonly bigint[];
  /** Over the asset's `rateDenominator`, closing fee included; deductions also over `floorDenominator`. */
  private rates: readonly bigint[] = [];
  private deductions: readonly bigint[] = [];
  private fee = 0n;
  /** Floors and deductions over the asset's `scale`. */
  private floorsScaled: readonly bigint[] = [];
  private deductionsScaled: readonly bigint[] = [];

  private mark: Rational | null = null;
  private scaleSeen = 0n;
  private ratesSeen = 0n;
  /** Whether `lotValue` is over the asset's `scale`. */
  decimal = false;
  /** Signed value of one lot at mark in quanta: `lotValue / lotDenominator`. */
  lotValue = 0n;
  lotDenominator = 1n;

  constructor(rules: InstrumentRules, number: number, asset: AssetIntegers) {
    const { quantum } = asset.rules;
    const exposure = rules.lot.times(rules.multiplier).reduced();
    const lot = rules.lot.dividedBy(quantum).reduced();
    const floors = rules.tiers.map((tier) => tier.from.dividedBy(quantum).reduced());
    const rates = rules.tiers.map((tier) => tier.mm.plus(feeOf(rules)).reduced().denominator);
    this.rules = rules;
    this.number = number;
    this.asset = asset;
    this.entryNotional = rules.notional === "entry";
    this.premium = rules.sizePremium;
    this.exposureNumerator = exposure.numerator;
    this.exposureDenominator = exposure.denominator;
    this.lotNumeratorQuanta = lot.numerator;
    this.lotDenominatorQuanta = lot.denominator;
    this.floorDenominator = floors.reduce((common, floor) => lcm(common, floor.denominator), 1n);
    this.floors = floors.map((floor) => floor.numerator * (this.floorDenominator / floor.denominator));
    const denominators = [
      feeOf(rules).reduced().denominator,
      ...rules.tiers.map((tier) => tier.mm.reduced().denominator),
    ];
    for (const denominator of [...rates, ...denominators])
      asset.rateDenominator = lcm(asset.rateDenominator, denominator);
  }

  /** Renews what depends on the mark, when it is another object than before, and on the asset's scale. */
  follow(mark: Rational): void {
    const { asset } = this;
    if (mark === this.mark && (!this.decimal || asset.scale === this.scaleSeen)) return;
    if (this.ratesSeen !== asset.rateDenominator) this.followRates();
    this.mark = mark;
    const { rules } = this;
    const unit = rules.lot.times(rules.multiplier);
    const linear = rules.kind === "linear";
    const one = (linear ? unit.times(mark) : unit.dividedBy(mark).negated()).dividedBy(asset.rules.quantum).reduced();
    const power = linear ? decimalScale(one.denominator) : 0n;
    const floorPower = linear ? decimalScale(this.floorDenominator) : 0n;
    this.decimal = power !== 0n && floorPower !== 0n;
    this.lotValue = one.numerator;
    this.lotDenominator = one.denominator;
    if (!this.decimal) return;
    asset.absorb(power);
    asset.absorb(floorPower);
    this.lotValue = one.numerator * (asset.scale / one.denominator);
    this.lotDenominator = asset.scale;
    if (asset.scale === this.scaleSeen) return;
    this.scaleSeen = asset.scale;
    const factor = asset.scale / this.floorDenominator;
    this.floorsScaled = this.floors.map((floor) => floor * factor);
    this.deductionsScaled = this.deductions.map((deduction) => deduction * factor);
  }

  private followRates(): void {
    const { rules, asset } = this;
    const rateUnit = Rational.ofInteger(asset.rateDenominator);
    const fee = feeOf(rules);
    this.ratesSeen = asset.rateDenominator;
    this.scaleSeen = 0n;
    this.fee = fee.times(rateUnit).floorIn(Rational.one);
    this.rates = rules.tiers.map((tier) => tier.mm.plus(fee).times(rateUnit).floorIn(Rational.one));
    const perQuantum = rateUnit.times(Rational.ofInteger(this.floorDenominator)).dividedBy(asset.rules.quantum);
    this.deductions =
      rules.tierMode === "whole"
        ? rules.tiers.map(() => 0n)
        : deductions(rules).map((deduction) => deduction.times(perQuantum).floorIn(Rational.one));
  }

  /** The requirement for a notional over the asset's scale, over `scale·rateDenominator`. */
  need(notional: bigint): bigint {
    const { floorsScaled } = this;
    let tier = -1;
    while (tier + 1 < floorsScaled.length && notional >= (floorsScaled[tier + 1] as bigint)) tier += 1;
    if (tier < 0) return notional * this.fee;
    return notional * (this.rates[tier] as bigint) - (this.deductionsScaled[tier] as bigint);
  }

  /** The requirement for `notional / denominator` quanta, over `denominator·rateDenominator·floorDenominator`. */
  needOver(notional: bigint, denominator: bigint): bigint {
    const { floors, floorDenominator } = this;
    const compared = notional * floorDenominator;
    let tier = -1;
    while (tier + 1 < floors.length && compared >= (floors[tier + 1] as bigint) * denominator) tier += 1;
    if (tier < 0) return compared * this.fee;
    return compared * (this.rates[tier] as bigint) - (this.deductions[tier] as bigint) * denominator;
  }

  /** The requirement in quanta when each rate is raised by `extra` (`sqrt`: four fifths of it, if that is more). */
  needWithPremium(notional: bigint, denominator: bigint, extra: Rational, sqrt: boolean): Rational {
    const { tiers } = this.rules;
    const { quantum } = this.asset.rules;
    const amount = Rational.fraction(notional, denominator);
    let need = amount.times(feeOf(this.rules));
    let highest = -1;
    while (highest + 1 < tiers.length && amount.times(quantum).atLeast((tiers[highest + 1] as { from: Rational }).from))
      highest += 1;
    for (let at = this.rules.tierMode === "whole" ? highest : 0; at >= 0 && at <= highest; at += 1) {
      const tier = tiers[at] as { from: Rational; mm: Rational };
      const raised = sqrt ? Rational.max(tier.mm, tier.mm.times(fourFifths).plus(extra)) : tier.mm.plus(extra);
      if (this.rules.tierMode === "whole") return need.plus(amount.times(raised));
      const next = tiers[at + 1];
      const end = at === highest || next === undefined ? amount : next.from.dividedBy(quantum);
      need = need.plus(end.minus(tier.from.dividedBy(quantum)).times(raised));
    }
    return need;
  }
}

const fourFifths = Rational.ofUnits(8n, 1);

/** The closing-fee reserve as a rate on the notional. */
function feeOf(rules: InstrumentRules): Rational {
  return rules.closeFeeInMargin ? rules.takerFee : Rational.zero;
}
