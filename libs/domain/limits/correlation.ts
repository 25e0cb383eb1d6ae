import { Rational } from "#libs/decimal/index.ts";

/** Prices are kept by slots of UTC; a day of them makes the statistic. */
const slotMs = 300_000;
const returnsKept = 288;
/** With fewer common returns nothing is said. */
export const returnsMin = 60;
const decimals = 4;
const scale = 10 ** decimals;

/** The last price of each slot, floats, without gaps: a slot without a price has that of the one before. */
export interface Closes {
  /** Number of the newest. */
  readonly slot: number;
  readonly prices: readonly number[];
}

export const slotAt = (t: number): number => Math.floor(t / slotMs);

/** Closes filled up to a slot with the last price. */
function filledTo({ slot, prices }: Closes, until: number): readonly number[] {
  const last = prices.at(-1);
  if (last === undefined || until <= slot) return prices;
  const missing = Math.min(until - slot, returnsKept + 1);
  return [...prices, ...Array.from({ length: missing }, () => last)].slice(-(returnsKept + 1));
}

/** The closes with a price at `t` (UTC ms). */
export function closed(before: Closes | undefined, t: number, price: number): Closes {
  const slot = slotAt(t);
  if (before === undefined) return { slot, prices: [price] };
  const prices = filledTo(before, slot);
  return { slot: Math.max(slot, before.slot), prices: [...prices.slice(0, -1), price] };
}

/** Simple returns of consecutive slots, the newest last; simple, because division is exact to the last bit everywhere. */
export function returnsOf(closes: Closes, t: number): readonly number[] {
  const prices = filledTo(closes, slotAt(t));
  return prices.slice(1).map((price, at) => price / (prices[at] as number) - 1);
}

/** What a portfolio makes in each slot: Σ of what each part is worth, USD and signed, times its return; as far back as all go. */
export function portfolioReturns(
  parts: readonly { readonly usd: number; readonly returns: readonly number[] }[],
): readonly number[] {
  const length = Math.min(...parts.map((one) => one.returns.length));
  return Array.from({ length }, (_, at) =>
    parts.reduce((sum, { usd, returns }) => sum + usd * (returns[returns.length - length + at] as number), 0),
  );
}

/**
 * LIM-22: Pearson's correlation of two series over their common newest part, a statistic in floats, rounded up at four decimals
 * because a higher one refuses. Null: too short, or one of them stands still.
 */
export function correlation(left: readonly number[], right: readonly number[]): Rational | null {
  const length = Math.min(left.length, right.length);
  if (length < returnsMin) return null;
  const [x, y] = [left.slice(-length), right.slice(-length)];
  const mean = (some: readonly number[]): number => some.reduce((sum, one) => sum + one, 0) / length;
  const [mx, my] = [mean(x), mean(y)];
  let [xx, yy, xy] = [0, 0, 0];
  x.forEach((one, at) => {
    const [dx, dy] = [one - mx, (y[at] as number) - my];
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  });
  if (!(xx > 0 && yy > 0)) return null;
  return Rational.ofUnits(BigInt(unitsOf(xy / Math.sqrt(xx * yy))), decimals);
}

const unitsOf = (found: number): number => Math.max(-scale, Math.min(scale, Math.ceil(found * scale)));

/** A correlation as the rule states it, at four decimals rounded up. */
export const correlationOf = (found: number): number => unitsOf(found) / scale;
