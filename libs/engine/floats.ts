import type { Rational } from "#libs/decimal/index.ts";

/** Unit roundoff of a float: half the distance from 1 to the next one. */
export const unitRoundoff = 2 ** -53;

/** No mirror of this engine is further than this from its exact value, relatively; zero is mirrored exactly. */
export const mirrorErrorMax = 3 * unitRoundoff;

const bitLength = (natural: bigint): number => natural.toString(16).length * 4;

/** The float nearest to an exact fraction: one rounding, relative error ≤ 2^-53 within the normal range of floats. */
export function nearestFloat(value: Rational): number {
  const { numerator, denominator } = value;
  if (numerator === 0n) return 0;
  const direct = Number(numerator);
  const divisor = Number(denominator);
  if (Math.abs(direct) <= Number.MAX_SAFE_INTEGER && divisor <= Number.MAX_SAFE_INTEGER) return direct / divisor;
  const magnitude = numerator < 0n ? -numerator : numerator;
  // A quotient of 64 bits or more, its last bit set when anything was cut off, rounds as the exact value does.
  const shift = bitLength(denominator) - bitLength(magnitude) + 72;
  const dividend = shift > 0 ? magnitude << BigInt(shift) : magnitude;
  const scaled = shift < 0 ? denominator << BigInt(-shift) : denominator;
  const quotient = dividend / scaled;
  const sticky = quotient * scaled === dividend ? quotient : quotient | 1n;
  const rounded = Number(sticky) * 2 ** -shift;
  return numerator < 0n ? -rounded : rounded;
}

/** How whole numbers of one unit (a quantum, a lot times a multiplier) become floats for the screen. */
export class FloatScale {
  private readonly factor: number;
  private readonly divisor: number;

  constructor(unit: Rational) {
    const { numerator, denominator } = unit.reduced();
    const divisor = Number(denominator);
    // 1/10^k is no float but 10^k is, up to 10^22: dividing by it then costs one rounding less.
    const divides = numerator === 1n && BigInt(divisor) === denominator;
    this.divisor = divides ? divisor : 1;
    this.factor = divides ? 1 : nearestFloat(unit);
  }

  /**
   * `count` units as a float. A power of ten as unit: the exact value rounded once up to 2^53 units, twice above;
   * any other: at most three roundings. Relative error ≤ `mirrorErrorMax` = 3·2^-53 always.
   */
  toFloat(count: bigint): number {
    return (Number(count) * this.factor) / this.divisor;
  }
}
