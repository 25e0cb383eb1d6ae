import { Decimal as Base } from "decimal.js";
import type { Rational } from "./rational.ts";

/**
 * The one configured clone of decimal.js. It serves only the natural logarithm: 40 significant digits leave at least
 * 20 digits of room below the 1e-15 that is kept, because |ln x| < 100 for every quotient of two permitted amounts.
 */
const Decimal = Base.clone({
  defaults: true,
  precision: 60,
  rounding: Base.ROUND_HALF_EVEN,
  toExpNeg: -100,
  toExpPos: 100,
});

/** Log returns are kept as whole numbers of 1e-15, so that sums of them add and remove exactly. */
export const logReturnDecimals = 15;

/**
 * HAIR-02: ln(to / from) at 40 digits, rounded half even to 1e-15, as a whole number of 1e-15.
 * Both must be positive; throws `RangeError` otherwise.
 */
export function logReturnUnits(from: Rational, to: Rational): bigint {
  if (from.sign <= 0 || to.sign <= 0) throw new RangeError("a log return needs two positive prices");
  const quotient = to.dividedBy(from).reduced();
  if (quotient.numerator === quotient.denominator) return 0n;
  const value = new Decimal(quotient.numerator.toString()).div(quotient.denominator.toString());
  const log = value.ln().toSignificantDigits(40);
  return BigInt(log.times(`1e${logReturnDecimals}`).toDecimalPlaces(0, Base.ROUND_HALF_EVEN).toFixed(0));
}
