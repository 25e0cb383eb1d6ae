/** Decimal strings, exactly: as a whole number of 1e-18, which is the finest that crosses a border. */
const places = 18;
const unit = 10n ** BigInt(places);
const pattern = /^(-?)(\d+)(?:\.(\d{1,18}))?$/;

/** Throws for what is no decimal string: a number on the screen is never guessed. */
export function units(amount: string): bigint {
  const found = pattern.exec(amount);
  if (found === null) throw new Error(`no decimal amount: ${amount.slice(0, 40)}`);
  const [, sign, whole = "0", fraction = ""] = found;
  const size = BigInt(whole) * unit + BigInt(fraction.padEnd(places, "0"));
  return sign === "-" ? -size : size;
}

export function amountOf(value: bigint): string {
  const size = value < 0n ? -value : value;
  const fraction = (size % unit).toString().padStart(places, "0").replace(/0+$/, "");
  return `${value < 0n ? "-" : ""}${size / unit}${fraction === "" ? "" : `.${fraction}`}`;
}

export const isAmount = (text: string): boolean => pattern.test(text);
export const add = (a: string, b: string): string => amountOf(units(a) + units(b));
export const subtract = (a: string, b: string): string => amountOf(units(a) - units(b));
export const sum = (amounts: Iterable<string>): string => {
  let total = 0n;
  for (const amount of amounts) total += units(amount);
  return amountOf(total);
};
export const negate = (a: string): string => amountOf(-units(a));
export const magnitude = (a: string): string => (a.startsWith("-") ? a.slice(1) : a);
/** Towards zero at 1e-18. */
export const multiply = (a: string, b: string): string => amountOf((units(a) * units(b)) / unit);
/** `a` as a share of `b`, towards zero at 1e-18; null where `b` is zero. */
export const quotient = (a: string, b: string): string | null =>
  units(b) === 0n ? null : amountOf((units(a) * unit) / units(b));

/** Below zero, zero or above, as `a − b`. */
export function compare(a: string, b: string): number {
  const difference = units(a) - units(b);
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}

export const isNegative = (a: string): boolean => units(a) < 0n;
export const isZero = (a: string): boolean => units(a) === 0n;
/** Only to draw with: how long a bar is, where a dot stands. */
export const drawn = (a: string): number => Number(a);
