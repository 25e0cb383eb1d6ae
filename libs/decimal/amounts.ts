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

const [zero, nine, minus, point] = [0x30, 0x39, 0x2d, 0x2e];
/** So many digits are exact in a double. */
const shortDigits = 15;

/** As `parseAmount`, of an amount with few digits, which nearly all have; null: of any other text. */
function parseShort(text: string): { readonly units: bigint; readonly decimals: number } | null {
  const { length } = text;
  const negative = text.charCodeAt(0) === minus;
  const first = negative ? 1 : 0;
  let at = first;
  let units = 0;
  let dot = -1;
  for (; at < length; at += 1) {
    const code = text.charCodeAt(at);
    if (code >= zero && code <= nine) units = units * 10 + (code - zero);
    else if (code === point && dot < 0) dot = at;
    else return null;
  }
  const whole = (dot < 0 ? length : dot) - first;
  const decimals = dot < 0 ? 0 : length - dot - 1;
  const digits = whole + decimals;
  if (whole < 1 || digits > shortDigits || (dot >= 0 && decimals < 1)) return null;
  if (whole > 1 && text.charCodeAt(first) === zero) return null;
  return { units: BigInt(negative ? -units : units), decimals };
}

/** NUM-01: reads a decimal string as `units · 10^-decimals`, refusing everything else before any arithmetic sees it. */
export function parseAmount(text: string): { readonly units: bigint; readonly decimals: number } {
  const short = parseShort(text);
  if (short !== null) return short;
  if (!amountPattern.test(text)) throw new NotAnAmount(text);
  const dot = text.indexOf(".");
  if (dot < 0) return { units: BigInt(text), decimals: 0 };
  return { units: BigInt(text.slice(0, dot) + text.slice(dot + 1)), decimals: text.length - dot - 1 };
}

/** The exponent of a power of ten that is at most 10^`most`, else −1. */
export function exponentOf(power: bigint, most: number): number {
  // The logarithm is a guess, and what it says counts only where it proves true.
  const exponent = Math.round(Math.log10(Number(power)));
  return exponent <= most && powers[exponent] === power ? exponent : -1;
}

/** Digits of a number that is not negative; short ones by way of a double, which is quicker. */
const digitsOf = (size: bigint): string => (size <= longestShort ? String(Number(size)) : size.toString());
const longestShort = BigInt(Number.MAX_SAFE_INTEGER);

/** Prints `units · 10^-decimals` without trailing zeros, without exponent and without a negative zero. */
export function formatUnits(units: bigint, decimals: number): string {
  const negative = units < 0n;
  const digits = digitsOf(negative ? -units : units).padStart(decimals + 1, "0");
  const whole = digits.length - decimals;
  let end = digits.length;
  while (end > whole && digits.charCodeAt(end - 1) === zero) end -= 1;
  const text = end === whole ? digits.slice(0, whole) : `${digits.slice(0, whole)}.${digits.slice(whole, end)}`;
  return negative ? `-${text}` : text;
}
