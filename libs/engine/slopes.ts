import type { CompiledAsset } from "./compiled-rules.ts";
import { slicedValue, weightBound } from "./screen.ts";

/** The part of a box's asset that the slope of its value is bounded from. */
export interface SlopeInput {
  readonly compiled: CompiledAsset | null;
  readonly priceLow: number;
  readonly priceHigh: number;
  readonly keptLow: number;
  readonly keptHigh: number;
  readonly balanceLow: number;
  readonly balanceHigh: number;
  slopeLow: number;
  slopeHigh: number;
}

/**
 * Bounds of how much value one more unit of balance adds, per unit of price, over the asset's box: between `slopeLow` and
 * `slopeHigh`. A negative `slopeLow` says that more balance may count for less (a size curve over slices that end).
 */
export function slopes(asset: SlopeInput, isolated: boolean): void {
  if (isolated) {
    asset.slopeLow = asset.slopeHigh = 1;
    return;
  }
  const compiled = asset.compiled as CompiledAsset;
  const { liability } = compiled;
  if (asset.balanceHigh <= 0) {
    asset.slopeLow = asset.slopeHigh = liability;
    return;
  }
  if (compiled.plain) {
    const weight = compiled.weight[0] as number;
    asset.slopeLow = weight * asset.keptLow;
    asset.slopeHigh = weight * asset.keptHigh;
  } else slicedSlopes(asset, compiled);
  // Weights and what a haircut keeps are at most one, so the slope of a debt is the larger one; it may not bound from below.
  if (asset.balanceLow < 0) asset.slopeHigh = Math.max(asset.slopeHigh, liability);
}

function slicedSlopes(asset: SlopeInput, compiled: CompiledAsset): void {
  const { upTo, weight } = compiled;
  const least = Math.max(asset.balanceLow, 0);
  const boundLow = weightBound(compiled, asset.balanceHigh);
  const boundHigh = weightBound(compiled, least);
  const worthLow = least * asset.priceLow;
  const worthHigh = asset.balanceHigh * asset.priceHigh;
  let lightest = Infinity;
  let heaviest = 0;
  let heaviestBelow = 0;
  let floor = 0;
  for (let at = 0; at < upTo.length && floor <= worthHigh; at += 1) {
    const end = upTo[at] as number;
    const own = weight[at] as number;
    heaviestBelow = Math.max(heaviestBelow, own);
    if (end >= worthLow) {
      lightest = Math.min(lightest, own);
      heaviest = Math.max(heaviest, own);
    }
    floor = end;
  }
  // Beyond the last end nothing counts.
  if (floor <= worthHigh && floor !== Infinity) lightest = 0;
  let low = Math.min(lightest, boundLow);
  // Where the curve binds, a larger balance lowers the weight of all of it: by at most half the weight, c being 1.1/(1+k√B).
  if (heaviestBelow > boundLow) low -= boundHigh / 2;
  if (slicedValue(compiled, worthHigh, boundHigh) * asset.keptHigh >= compiled.cap) low = Math.min(low, 0);
  asset.slopeLow = low * (low < 0 ? asset.keptHigh : asset.keptLow);
  asset.slopeHigh = Math.min(heaviest, boundHigh) * asset.keptHigh;
}
