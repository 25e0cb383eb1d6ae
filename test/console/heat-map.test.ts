import fc from "fast-check";
import { expect, test } from "vitest";
import { placeTiles, type Tile, zoneOf, zones, zoneSums } from "#apps/api/console/charts/heat-zones.ts";
import { squarified } from "#apps/api/console/charts/treemap.ts";
import { propertyOptions } from "#test/support/property.ts";

const tile = (key: string, ratio: string | null, notionalUsd: string): Tile => ({
  key,
  account: key,
  instrument: null,
  ratio,
  notionalUsd,
  equity: "1",
  liquidating: false,
});

test("a pool at a bound exactly is in the zone of that bound, one quantum above in the next", () => {
  expect(["0.5", "1", "1.000000000000000001", "1.05", "1.1", "1.25", "1.5", "3", "3.1", null].map(zoneOf)).toEqual([
    0,
    0,
    1,
    1,
    2,
    3,
    4,
    5,
    6,
    zones.length - 1,
  ]);
});

test("zones are summed exactly", () => {
  const sums = zoneSums([tile("a", "1", "0.1"), tile("b", "0.9", "0.2"), tile("c", "2", "90071992547409931")]);
  expect(sums[0]).toMatchObject({ pools: 2, notionalUsd: "0.3" });
  expect(sums[5]).toMatchObject({ pools: 1, notionalUsd: "90071992547409931" });
});

const within = { x: 0, y: 0, width: 640, height: 300 };

test("boxes fill the map, in areas as their weights, without one over another", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(weights, (unsorted) => {
      const sorted = [...unsorted].sort((a, b) => b - a);
      const total = sorted.reduce((sum, one) => sum + one, 0);
      const boxes = squarified(sorted, within);
      for (const [at, box] of boxes.entries()) {
        const share = (box.width * box.height) / (within.width * within.height);
        expect(Math.abs(share - (sorted[at] ?? 0) / total)).toBeLessThan(1e-9);
        expect(box.x + box.width).toBeLessThanOrEqual(within.width + 1e-6);
        expect(box.y + box.height).toBeLessThanOrEqual(within.height + 1e-6);
      }
    }),
    propertyOptions({ numRuns: 100 }),
  );
});

test("the most dangerous stand at the left, wide enough to be seen however small", () => {
  const placed = placeTiles(
    [tile("safe", "9", "1000000000"), tile("lost", "0.9", "1"), tile("flat", null, "0")],
    within,
  );
  expect(placed.map(({ tile: { key } }) => key)).toEqual(["lost", "safe"]);
  expect(placed[0]?.box).toMatchObject({ x: 0, width: 44 });
  expect(placed[1]?.box).toMatchObject({ x: 44, width: 596 });
});
