import { Rational } from "#libs/decimal/index.ts";

/** Underlyings deep enough for the larger default leverage. */
const majors: ReadonlySet<string> = new Set(["BTC", "ETH"]);
const majorLeverage = Rational.ofInteger(100);
const otherLeverage = Rational.ofInteger(20);

/** LIM-05: the maximum leverage of an instrument on this base where a profile is in force and nobody says another. */
export function defaultLeverage(base: string | null): Rational {
  return base !== null && majors.has(base) ? majorLeverage : otherLeverage;
}
