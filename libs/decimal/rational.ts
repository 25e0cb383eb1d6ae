import { amountDecimalsMax, exponentOf, formatUnits, parseAmount, powerOfTen } from "./amounts.ts";

/** Past this size a fraction is reduced, so that long sums of quotients stay small without paying a gcd at every step. */
const reduceAboveBits = 512n;
const reduceAbove = 1n << reduceAboveBits;

function gcd(left: bigint, right: bigint): bigint {
  let a = left < 0n ? -left : left;
  let b = right;
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

/** Integer quotient rounded towards minus infinity; `divisor` must be positive. */
export function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend < 0n && quotient * divisor !== dividend ? quotient - 1n : quotient;
}

/** Integer quotient rounded towards plus infinity; `divisor` must be positive. */
export function ceilDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend > 0n && quotient * divisor !== dividend ? quotient + 1n : quotient;
}

/**
 * An exact fraction (NUM-03): sums, products and quotients never round, comparisons cross-multiply.
 * The denominator is always positive; fractions are reduced only when they grow, so equality is by value, not by shape.
 */
export class Rational {
  readonly numerator: bigint;
  readonly denominator: bigint;

  private constructor(numerator: bigint, denominator: bigint) {
    this.numerator = numerator;
    this.denominator = denominator;
  }

  static readonly zero = new Rational(0n, 1n);
  static readonly one = new Rational(1n, 1n);

  /** Reads a decimal string; throws `NotAnAmount` for anything the border should have refused. */
  static parse(text: string): Rational {
    const { units, decimals } = parseAmount(text);
    return new Rational(units, powerOfTen(decimals));
  }

  /** `units · 10^-decimals`. */
  static ofUnits(units: bigint, decimals: number): Rational {
    return new Rational(units, powerOfTen(decimals));
  }

  static ofInteger(value: bigint | number): Rational {
    return new Rational(BigInt(value), 1n);
  }

  /** numerator / denominator; throws `RangeError` when the denominator is zero. */
  static fraction(numerator: bigint, denominator: bigint): Rational {
    if (denominator === 0n) throw new RangeError("a fraction needs a denominator that is not zero");
    const positive = denominator > 0n;
    return Rational.sized(positive ? numerator : -numerator, positive ? denominator : -denominator);
  }

  private static sized(numerator: bigint, denominator: bigint): Rational {
    if (denominator < reduceAbove) return new Rational(numerator, denominator);
    const shared = gcd(numerator, denominator);
    return new Rational(numerator / shared, denominator / shared);
  }

  plus(other: Rational): Rational {
    if (other.numerator === 0n) return this;
    if (this.numerator === 0n) return other;
    if (this.denominator === other.denominator) return new Rational(this.numerator + other.numerator, this.denominator);
    const [coarse, fine] = this.denominator < other.denominator ? [this, other] : [other, this];
    const times = fine.denominator / coarse.denominator;
    // Most are decimals, where one scale divides the other: then the sum needs no larger one.
    if (times * coarse.denominator === fine.denominator)
      return new Rational(coarse.numerator * times + fine.numerator, fine.denominator);
    return Rational.sized(
      this.numerator * other.denominator + other.numerator * this.denominator,
      this.denominator * other.denominator,
    );
  }

  minus(other: Rational): Rational {
    return this.plus(other.negated());
  }

  times(other: Rational): Rational {
    if (this.numerator === 0n || other.numerator === 0n) return Rational.zero;
    return Rational.sized(this.numerator * other.numerator, this.denominator * other.denominator);
  }

  /** The exact quotient; throws `RangeError` when `other` is zero. */
  dividedBy(other: Rational): Rational {
    return Rational.fraction(this.numerator * other.denominator, this.denominator * other.numerator);
  }

  negated(): Rational {
    return this.numerator === 0n ? this : new Rational(-this.numerator, this.denominator);
  }

  abs(): Rational {
    return this.numerator < 0n ? this.negated() : this;
  }

  /** In lowest terms: the one shape of this value, for storing and hashing. */
  reduced(): Rational {
    const shared = gcd(this.numerator, this.denominator);
    return shared === 1n ? this : new Rational(this.numerator / shared, this.denominator / shared);
  }

  /** Negative, zero or positive as this is below, equal to or above `other`. */
  compare(other: Rational): -1 | 0 | 1 {
    const difference =
      this.denominator === other.denominator
        ? this.numerator - other.numerator
        : this.numerator * other.denominator - other.numerator * this.denominator;
    return difference < 0n ? -1 : difference > 0n ? 1 : 0;
  }

  get sign(): -1 | 0 | 1 {
    return this.numerator < 0n ? -1 : this.numerator > 0n ? 1 : 0;
  }

  isZero(): boolean {
    return this.numerator === 0n;
  }
  equals(other: Rational): boolean {
    return this.compare(other) === 0;
  }
  below(other: Rational): boolean {
    return this.compare(other) < 0;
  }
  atMost(other: Rational): boolean {
    return this.compare(other) <= 0;
  }
  above(other: Rational): boolean {
    return this.compare(other) > 0;
  }
  atLeast(other: Rational): boolean {
    return this.compare(other) >= 0;
  }

  static min(left: Rational, right: Rational): Rational {
    return right.below(left) ? right : left;
  }
  static max(left: Rational, right: Rational): Rational {
    return right.above(left) ? right : left;
  }
  static sum(terms: Iterable<Rational>): Rational {
    let total = Rational.zero;
    for (const term of terms) total = total.plus(term);
    return total;
  }

  /** How many whole `quantum` fit, rounded towards minus infinity. `quantum` must be positive. */
  floorIn(quantum: Rational): bigint {
    return floorDivide(this.numerator * quantum.denominator, this.denominator * quantum.numerator);
  }

  /** How many whole `quantum` cover this, rounded towards plus infinity. `quantum` must be positive. */
  ceilIn(quantum: Rational): bigint {
    return ceilDivide(this.numerator * quantum.denominator, this.denominator * quantum.numerator);
  }

  /** The largest whole multiple of `quantum` that is not above this. */
  floorTo(quantum: Rational): Rational {
    return quantum.times(Rational.ofInteger(this.floorIn(quantum)));
  }

  /** The smallest whole multiple of `quantum` that is not below this. */
  ceilTo(quantum: Rational): Rational {
    return quantum.times(Rational.ofInteger(this.ceilIn(quantum)));
  }

  isMultipleOf(quantum: Rational): boolean {
    return (this.numerator * quantum.denominator) % (this.denominator * quantum.numerator) === 0n;
  }

  /** NUM-06: as a decimal string of at most `decimals` places, rounded towards minus infinity: credit, ratios, prices. */
  toStringDown(decimals: number = amountDecimalsMax): string {
    const exact = exponentOf(this.denominator, decimals);
    if (exact >= 0) return formatUnits(this.numerator, exact);
    return formatUnits(floorDivide(this.numerator * powerOfTen(decimals), this.denominator), decimals);
  }

  /** NUM-06: as a decimal string of at most `decimals` places, rounded towards plus infinity: requirements and debts. */
  toStringUp(decimals: number = amountDecimalsMax): string {
    const exact = exponentOf(this.denominator, decimals);
    if (exact >= 0) return formatUnits(this.numerator, exact);
    return formatUnits(ceilDivide(this.numerator * powerOfTen(decimals), this.denominator), decimals);
  }

  /** Exact text for messages and hashes: `n` or `n/d` in lowest terms. */
  toString(): string {
    const { numerator, denominator } = this.reduced();
    return denominator === 1n ? numerator.toString() : `${numerator}/${denominator}`;
  }

  /** The nearest float, for screens, sorting hints and charts only; relative error below 2^-51. */
  toNumber(): number {
    const direct = Number(this.numerator);
    const divisor = Number(this.denominator);
    if (Number.isFinite(direct) && Number.isFinite(divisor)) return direct / divisor;
    const excess = this.denominator.toString(2).length - 1000;
    const shift = BigInt(Math.max(excess, 0));
    return Number(this.numerator >> shift) / Number(this.denominator >> shift);
  }
}
