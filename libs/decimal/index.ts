/** Exact numbers: decimal strings at the border, fractions of big integers inside, named roundings, nothing else. */
export { amountDecimalsMax, amountPattern, formatUnits, NotAnAmount, parseAmount, powerOfTen } from "./amounts.ts";
export { logReturnDecimals, logReturnUnits } from "./logarithm.ts";
export { ceilDivide, floorDivide, Rational } from "./rational.ts";
export { integerSquareRoot, sizeCurve, squareRootUp } from "./roots.ts";
export { slotCount, slotOf } from "./slots.ts";
