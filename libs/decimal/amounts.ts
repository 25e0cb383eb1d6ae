/** The textual form of every amount, price and rate that crosses a border (RULES: amounts are decimal strings). */
export const amountPattern = /^-?(0|[1-9]\d{0,19})(\.\d{1,18})?$/;

/** At most this many decimals enter or leave the process. */
export const amountDecimalsMax = 18;

const powers: bigint[] = [1n];

/** 10^exponent, remembered, because every parse and every print needs one. `exponent` must be a small natural number. */
export function powerOfTen(exponent: number): bigint {
  for (let known = powers.length; known <= exponent; known += 1) powers.push((powers[known - 1] as bigint) * 10n);
  return powers[exponent] as bigint;
}

/** Thrown where text that is not an amount reaches the arithmetic: the border should have refused it. */
export class NotAnAmount extends Error {
  readonly text: string;
  constructor(text: string) {
    super(`not a decimal amount: ${text.length > 64 ? `${text.slice(0, 64)}…` : text}`);
    this.name = "NotAnAmount";
    this.text = text;
  }
}

/** NUM-01: reads a decimal string as `units · 10^-decimals`, refusing everything else before any arithmetic sees it. */
export function parseAmount(text: string): { readonly units: bigint; readonly decimals: number } {
  if (!amountPattern.test(text)) throw new NotAnAmount(text);
  const point = text.indexOf(".");
  if (point < 0) return { units: BigInt(text), decimals: 0 };
  return { units: BigInt(text.slice(0, point) + text.slice(point + 1)), decimals: text.length - point - 1 };
}

/** Prints `units · 10^-decimals` without trailing zeros, without exponent and without a negative zero. */
export function formatUnits(units: bigint, decimals: number): string {
  const negative = units < 0n;
  const digits = (negative ? -units : units).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "");
  const text = fraction === "" ? whole : `${whole}.${fraction}`;
  return negative ? `-${text}` : text;
}
