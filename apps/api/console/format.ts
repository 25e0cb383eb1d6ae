import { amountOf, isZero, magnitude, units } from "./amounts.ts";

/** Amounts for eyes, from decimal strings to text by whole numbers alone: what is shown is what was sent. */

const minus = "−";
const scale = 18;
const none = "–";

export type Rounding = "nearest" | "down";

/** With exactly `places` digits, towards zero or to the nearest (a half away from zero). */
export function rounded(amount: string, places: number, rounding: Rounding = "nearest"): string {
  const value = units(amount);
  const size = value < 0n ? -value : value;
  const step = 10n ** BigInt(scale - places);
  const steps = (size + (rounding === "nearest" ? step / 2n : 0n)) / step;
  const text = amountOf(steps * step);
  const [whole = "0", fraction = ""] = text.split(".");
  const sign = value < 0n && steps > 0n ? "-" : "";
  return `${sign}${whole}${places === 0 ? "" : `.${fraction.padEnd(places, "0")}`}`;
}

const grouped = (whole: string): string => whole.replace(/\B(?=(\d{3})+$)/g, ",");

/** `-1234.5` → `−1,234.5`. */
function display(plain: string): string {
  const [whole = "", fraction] = magnitude(plain).split(".");
  const sign = plain.startsWith("-") ? minus : "";
  return `${sign}${grouped(whole)}${fraction === undefined ? "" : `.${fraction}`}`;
}

/** Every digit that was sent, with thousands apart. */
export const exact = (amount: string | null | undefined): string =>
  amount === null || amount === undefined ? none : display(amountOf(units(amount)));

export const fixed = (amount: string | null | undefined, places: number, rounding?: Rounding): string =>
  amount === null || amount === undefined ? none : display(rounded(amount, places, rounding));

/** At most so many digits after the point, cut: what is held is never shown higher than it is. */
export const cutTo = (amount: string, places: number): string => exact(rounded(amount, places, "down"));

const steps = [
  { digits: 12, letter: "T" },
  { digits: 9, letter: "B" },
  { digits: 6, letter: "M" },
  { digits: 3, letter: "k" },
] as const;

/** Three to four digits that matter: `1234567` → `1.235M`, `0.000123` → `0.000123`. */
export function short(amount: string | null | undefined): string {
  if (amount === null || amount === undefined) return none;
  if (isZero(amount)) return "0";
  const sign = amount.startsWith("-") ? minus : "";
  const size = magnitude(amount);
  const digits = (size.split(".")[0] ?? "").replace(/^0+/, "").length;
  const step = steps.find((one) => digits > one.digits);
  if (step !== undefined) {
    const shifted = shift(size, -step.digits);
    return `${sign}${rounded(shifted, Math.max(0, 3 - (digits - step.digits)))}${step.letter}`;
  }
  if (digits > 0) return `${sign}${trimmed(rounded(size, Math.max(0, 4 - digits)))}`;
  const zeros = /^0*\.?(0*)/.exec(size.replace(/^0/, ""))?.[1]?.length ?? 0;
  return `${sign}${trimmed(rounded(size, Math.min(scale, zeros + 3)))}`;
}

/** Moves the decimal point; digits beyond 18 places are cut. */
function shift(amount: string, by: number): string {
  const value = units(amount);
  return amountOf(by >= 0 ? value * 10n ** BigInt(by) : value / 10n ** BigInt(-by));
}

const trimmed = (plain: string): string => (plain.includes(".") ? plain.replace(/\.?0+$/, "") : plain);

/** Less than a cent is said to be that, and no more. */
const cent = "0.01";
const shortMoney = (size: string): string => (!isZero(size) && units(size) < units(cent) ? `<${cent}` : short(size));
export const usd = (amount: string | null | undefined): string => money(amount, shortMoney);
/** To the cent. */
export const usdCents = (amount: string | null | undefined): string => money(amount, (one) => fixed(one, 2));

function money(amount: string | null | undefined, show: (amount: string) => string): string {
  if (amount === null || amount === undefined) return none;
  const text = show(magnitude(amount));
  const sign = amount.startsWith("-") && !isZero(amount) ? minus : "";
  return text.startsWith("<") ? `${sign}<$${text.slice(1)}` : `${sign}$${text}`;
}

/** With a plus where it gains. */
export const signed = (text: string): string =>
  text.startsWith(minus) || text === none || /^\$?0(\.0*)?%?$/.test(text) ? text : `+${text}`;

/** A share as per cent: `0.1234` → `12.34%`. */
export const percent = (share: string | null | undefined, places = 2): string =>
  share === null || share === undefined ? none : `${fixed(shift(share, 2), places)}%`;

/** A margin ratio, never shown higher than it is: at 1.0499 nobody may read 1.05. */
export function ratio(value: string | null | undefined): string {
  if (value === null || value === undefined) return "∞";
  const digits = (magnitude(value).split(".")[0] ?? "").length;
  return fixed(value, digits > 3 ? 0 : digits > 1 ? 1 : 3, "down");
}

/** A price: at least two places where it is above one, six digits that matter where it is below. */
export function price(value: string | null | undefined): string {
  if (value === null || value === undefined) return none;
  const plain = amountOf(units(value));
  const fraction = plain.split(".")[1]?.length ?? 0;
  const digits = (magnitude(plain).split(".")[0] ?? "").replace(/^0+/, "").length;
  if (digits > 0) return display(rounded(plain, Math.min(Math.max(fraction, 2), Math.max(2, 7 - digits))));
  const zeros = /^0*/.exec(plain.split(".")[1] ?? "")?.[0].length ?? 0;
  return display(trimmed(rounded(plain, Math.min(scale, zeros + 6))));
}

/** How long, in the largest unit that says enough. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return none;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** `11:32:05`, UTC. */
export const clock = (t: number | null | undefined): string =>
  t === null || t === undefined ? none : new Date(t).toISOString().slice(11, 19);
/** `2020-03-12 11:32:05`, UTC. */
export const instant = (t: number | null | undefined): string =>
  t === null || t === undefined ? none : new Date(t).toISOString().slice(0, 19).replace("T", " ");
/** The time of the day where it is the day of `t`, month, day and minute where it is another. */
export const moment = (at: number, t: number | null): string =>
  t !== null && instant(at).slice(0, 10) === instant(t).slice(0, 10) ? clock(at) : instant(at).slice(5, 16);
export const whole = (count: number | null | undefined): string =>
  count === null || count === undefined ? none : grouped(String(Math.trunc(count)));

/** `cancel_all` → `cancel all`. */
export const words = (code: string): string => code.replaceAll("_", " ").replaceAll(".", " ");
