import { isNegative, isZero, magnitude, quotient } from "./amounts.ts";
import { exact, percent } from "./format.ts";

/** Of signed contracts. */
export function sideOf(qty: string): "long" | "short" | "flat" {
  if (isZero(qty)) return "flat";
  return isNegative(qty) ? "short" : "long";
}

export const sizeText = (qty: string): string => (isZero(qty) ? "flat" : `${sideOf(qty)} ${exact(magnitude(qty))}`);

/** Of a number that is per cent already: `-12.34` → `−12.34%`. */
export const percentText = (value: string | null): string => percent(value === null ? null : quotient(value, "100"));

export const gainClass = (amount: string): string => (isZero(amount) ? "" : isNegative(amount) ? "loss" : "gain");
