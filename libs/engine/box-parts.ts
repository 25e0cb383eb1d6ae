import type { CompiledAsset, CompiledInstrument } from "./compiled-rules.ts";
import { premiumRate } from "./compiled-rules.ts";
import { floorFuzz } from "./screen.ts";

/** One position of the pool at hand. */
export class BoxPosition {
  compiled: CompiledInstrument | null = null;
  instrument = 0;
  /** Place of its settle asset in the box. */
  asset = 0;
  exposure = 0;
  size = 0;
  contracts = 0;
  mark = 0;
  value = 0;
  /** What it adds to the balance whatever the mark: accrued funding less cost. */
  rest = 0;
  tier = 0;
  /** Requirement at entry notional: no mark moves it. */
  fixedNeed = 0;
  /** Prices between which a `whole` tier holds. */
  clipLow = 0;
  clipHigh = 0;
  /** The funding factor less one, and the settle asset per contract that moves it by one. */
  funding = 0;
  fundingScale = 0;
  /** Whether that factor's band is the instrument's window, and how far it goes either way. */
  fundingWindow = false;
  fundingAgainst = 0;
  fundingAlong = 0;
  /** The box: mark, and value at both ends. */
  low = 0;
  high = 0;
  valueLow = 0;
  valueHigh = 0;
}

/** One asset of the pool at hand. */
export class BoxAsset {
  compiled: CompiledAsset | null = null;
  number = 0;
  cash = 0;
  price = 1;
  kept = 1;
  /** At the centre. */
  balance = 0;
  need = 0;
  gross = 0;
  needGross = 0;
  /** Height of the steps of `whole` tiers that its positions stand at. */
  step = 0;
  /** Σ|value| of its positions. */
  exposed = 0;
  /** Σ of what requirements fall by as values fall, per unit. */
  relief = 0;
  /** What the balance counts for, USD, and that per unit of its worth. */
  value = 0;
  slope = 1;
  /** Whether the pool does worse when the price falls. */
  fallHurts = true;
  priceMoves = true;
  /** The box. */
  priceLow = 1;
  priceHigh = 1;
  keptLow = 1;
  keptHigh = 1;
  balanceLow = 0;
  balanceHigh = 0;
  slopeLow = 0;
  slopeHigh = 0;
  /** The corner a bound is taken at. */
  cornerBalance = 0;
  cornerNeed = 0;
}

/** A price never gets a band wider than this, as a share of itself: bounds of errors over a box rely on it. */
export const downMax = 0.5;
export const upMax = 1;

/** Moves the ends of a position's mark and of its value, and with them its settle asset's balance. */
export function stretchPosition(position: BoxPosition, asset: BoxAsset, against: number, along: number): void {
  const compiled = position.compiled as CompiledInstrument;
  const { exposure, mark } = position;
  const long = exposure > 0;
  let low = mark * (1 - Math.min(downMax, long ? against : along));
  let high = mark * (1 + Math.min(upMax, long ? along : against));
  if (compiled.whole && !compiled.entryNotional) {
    low = Math.max(low, position.clipLow);
    high = Math.min(high, position.clipHigh);
  }
  position.low = low;
  position.high = high;
  const first = long ? low : high;
  const last = long ? high : low;
  position.valueLow = compiled.inverse ? -exposure / first : exposure * first;
  position.valueHigh = compiled.inverse ? -exposure / last : exposure * last;
  const unit = Math.abs(position.contracts) * position.fundingScale;
  asset.balanceLow += position.valueLow + position.rest - unit * position.fundingAgainst;
  asset.balanceHigh += position.valueHigh + position.rest + unit * position.fundingAlong;
}

/** Finds the prices between which the position's `whole` tier certainly holds; none, and false, when its notional is at a floor. */
export function clip(position: BoxPosition, compiled: CompiledInstrument, notional: number): boolean {
  const { from } = compiled;
  const { size, mark } = position;
  const floor = position.tier > 0 ? (from[position.tier] as number) * (1 + 2 * floorFuzz) : 0;
  const ceiling =
    position.tier + 1 < from.length ? (from[position.tier + 1] as number) * (1 - 2 * floorFuzz) : Infinity;
  const inside = notional >= floor && notional <= ceiling;
  const [least, most] = compiled.inverse ? [size / ceiling, size / floor] : [floor / size, ceiling / size];
  position.clipLow = inside ? Math.min(least, mark) : mark;
  position.clipHigh = inside ? Math.max(most, mark) : mark;
  return inside;
}

/** The difference between the rates of the tiers below and above one. */
export function tierStep(compiled: CompiledInstrument, tier: number, size: number): number {
  const { rate } = compiled;
  const above = rate[Math.min(tier + 1, rate.length - 1)] as number;
  const below = tier > 0 ? (rate[tier - 1] as number) : 0;
  return premiumRate(compiled, above, size) - (tier > 0 ? premiumRate(compiled, below, size) : 0);
}
