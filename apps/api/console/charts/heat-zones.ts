import { compare, drawn, isZero, sum } from "../amounts.ts";
import { type Box, squarified } from "./treemap.ts";

/** One pool of the heat map: decimal strings; a ratio of null has no requirement. */
export interface Tile {
  readonly key: string;
  readonly account: string;
  readonly instrument: string | null;
  readonly ratio: string | null;
  readonly notionalUsd: string;
  readonly equity: string;
  readonly liquidating: boolean;
}

/** From the worst; a pool is in the first whose bound it does not exceed. The bounds are those of liquidation and warnings. */
export const zones = [
  { upTo: "1", name: "≤ 1.00 full liquidation" },
  { upTo: "1.05", name: "≤ 1.05 partial" },
  { upTo: "1.1", name: "≤ 1.10 close" },
  { upTo: "1.25", name: "≤ 1.25 warned" },
  { upTo: "1.5", name: "≤ 1.50 watched" },
  { upTo: "3", name: "≤ 3" },
  { upTo: null, name: "above 3" },
] as const;

export function zoneOf(ratio: string | null): number {
  if (ratio === null) return zones.length - 1;
  return zones.findIndex(({ upTo }) => upTo === null || compare(ratio, upTo) <= 0);
}

export interface ZoneSum {
  readonly name: string;
  readonly pools: number;
  readonly notionalUsd: string;
}

/** How many pools and how much of their notional lies in each zone, exactly. */
export const zoneSums = (tiles: readonly Tile[]): ZoneSum[] =>
  zones.map(({ name }, zone) => {
    const inside = tiles.filter(({ ratio }) => zoneOf(ratio) === zone);
    return { name, pools: inside.length, notionalUsd: sum(inside.map(({ notionalUsd }) => notionalUsd)) };
  });

export interface Placed {
  readonly tile: Tile;
  readonly zone: number;
  readonly box: Box;
}

const zoneWidthMin = 44;

/**
 * Zones side by side, the most dangerous at the left, wider with their notional, but by its root: what is safe is mostly the largest,
 * and must not push what is not out of sight. Inside a zone areas are as notional.
 */
export function placeTiles(tiles: readonly Tile[], within: Box): Placed[] {
  const groups = zones.map((_, zone) =>
    tiles
      .filter((tile) => zoneOf(tile.ratio) === zone && !isZero(tile.notionalUsd))
      .sort((a, b) => compare(b.notionalUsd, a.notionalUsd) || (a.key < b.key ? -1 : 1)),
  );
  const weights = groups.map((group) =>
    Math.sqrt(group.reduce((total, { notionalUsd }) => total + drawn(notionalUsd), 0)),
  );
  const widths = widthsOf(weights, within.width);
  const placed: Placed[] = [];
  let x = within.x;
  for (const [zone, group] of groups.entries()) {
    const width = widths[zone] ?? 0;
    const boxes = squarified(
      group.map(({ notionalUsd }) => drawn(notionalUsd)),
      { ...within, x, width },
    );
    for (const [at, tile] of group.entries()) placed.push({ tile, zone, box: boxes[at] as Box });
    x += width;
  }
  return placed;
}

/** As their weights, but none that has anything so narrow that it could be overlooked. */
function widthsOf(weights: readonly number[], width: number): number[] {
  const total = weights.reduce((sum, one) => sum + one, 0);
  if (total === 0) return weights.map(() => 0);
  const wanted = weights.map((weight) => (weight === 0 ? 0 : Math.max(zoneWidthMin, (weight / total) * width)));
  const over = wanted.reduce((sum, one) => sum + one, 0) - width;
  const spare = wanted.reduce((sum, one) => sum + Math.max(0, one - zoneWidthMin), 0);
  return wanted.map((one) => one - (spare === 0 ? 0 : (Math.max(0, one - zoneWidthMin) / spare) * over));
}
