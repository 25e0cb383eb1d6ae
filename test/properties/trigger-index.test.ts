import fc from "fast-check";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { CompiledRules } from "#libs/engine/compiled-rules.ts";
import { TriggerIndex } from "#libs/engine/trigger-index.ts";
import { Chance, decimal, generatedAccount, payFunding, settleNear } from "#test/support/generated-books.ts";
import { runFrames, tryCorners, watchedBook } from "#test/support/index-check.ts";
import type { CornerReport, Watched } from "#test/support/index-check.ts";
import { propertyOptions } from "#test/support/property.ts";

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

/** The corners of all bands of some fixed books whose bands are `bandScale` times as wide as they should be. */
function cornersAt(bandScale: number): CornerReport {
  const report: CornerReport = { pools: 0, crossed: 0, tight: 0 };
  for (let seed = 1; seed <= 12; seed += 1) {
    const chance = new Chance(seed);
    tryCorners(chance, watchedBook(chance, 8, bandScale), report);
  }
  return report;
}

test("INV-07 at every corner of a pool's bands the plain rules would still do nothing", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const chance = new Chance(seed);
      const report: CornerReport = { pools: 0, crossed: 0, tight: 0 };
      tryCorners(chance, watchedBook(chance, 6), report);
      expect(report.crossed).toBe(0);
    }),
    propertyOptions({ numRuns: 40 }),
  );
});

test("INV-07 bands end within half a percent of where something would happen, and bands 2 % wider are found out", () => {
  const right = cornersAt(1);
  expect(right.pools).toBeGreaterThan(80);
  expect(right.crossed).toBe(0);
  expect(right.tight / right.pools).toBeGreaterThan(0.75);
  const wrong = cornersAt(1.02);
  expect(wrong.crossed / wrong.pools).toBeGreaterThan(0.75);
});

test("INV-07 after every frame the pools popped are those that left a band, and nobody else is due in an exact scan", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const chance = new Chance(seed);
      expect(runFrames(chance, watchedBook(chance, 10), 12)).toEqual([]);
    }),
    propertyOptions({ numRuns: 40 }),
  );
});

test("INV-07 bands that are too wide let frames pass at which a full scan finds somebody", () => {
  let missed = 0;
  for (let seed = 1; seed <= 60; seed += 1) {
    const chance = new Chance(seed);
    const wrong = runFrames(chance, watchedBook(chance, 10, 1.3), 12);
    missed += wrong.filter((sentence) => sentence.endsWith("is due and was not found")).length;
  }
  expect(missed).toBeGreaterThan(0);
});

/** Moves one factor step by step one way; the first step at which somebody is due who was not popped before, or null. */
function walk(chance: Chance, watched: Watched, move: (step: number) => readonly number[]): string | null {
  const popped = new Set<number>();
  for (let step = 1; step <= 12; step += 1) {
    for (const pool of watched.tell(move(step))) popped.add(pool);
    for (const pool of watched.armed) {
      if (!popped.has(pool) && watched.due(pool)) return `pool ${pool} is due at step ${step}`;
    }
    if (chance.is(0.3)) {
      for (const pool of popped) watched.look(pool);
      popped.clear();
    }
  }
  return null;
}

const factors = ["mark", "index", "haircut", "funding"] as const;

for (const factor of factors) {
  test(`INV-07 one ${factor} that moves alone, either way, pops whoever it brings to a threshold`, () => {
    fc.assert(
      fc.property(seeds, fc.boolean(), (seed, up) => {
        const chance = new Chance(seed);
        const watched = watchedBook(chance, 6);
        const { book } = watched;
        const { market } = book;
        const size = chance.scale(0.001, 0.08) * (up ? 1 : -1);
        const number = chance.whole(
          0,
          (factor === "index" || factor === "haircut" ? book.assetCount : book.instrumentCount) - 1,
        );
        const moved = (price: Rational): Rational => price.times(decimal(1 + size, 9));
        const moves = {
          mark: () => {
            market.setMarkPrice(number, moved(market.markPrice(number) as Rational));
            return [market.markFactor(number)];
          },
          index: () => {
            market.setIndexPrice(number, moved(market.indexPrice(number) as Rational));
            return [market.indexFactor(number)];
          },
          haircut: () => {
            const next = market.haircutMaintenance(number).toNumber() + size;
            market.setHaircuts(number, Rational.zero, decimal(Math.min(1, Math.max(0, next)), 6));
            return [market.haircutFactor(number)];
          },
          funding: () => payFunding(chance, book),
        };
        expect(walk(chance, watched, moves[factor])).toBeNull();
      }),
      propertyOptions({ numRuns: 40 }),
    );
  });
}

test("INV-07 an entry that touches a pool gives it bands that hold at once, and a rebuilt index has those of a new one", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const chance = new Chance(seed);
      const watched = watchedBook(chance, 6);
      const { book, index } = watched;
      const report: CornerReport = { pools: 0, crossed: 0, tight: 0 };
      for (let round = 0; round < 6; round += 1) {
        expect(runFrames(chance, watched, 1)).toEqual([]);
        const pool = chance.pick([...watched.armed]);
        if (chance.is(0.5)) settleNear(book, pool, chance.pick([1.07, 1.2, 1.6, 4]));
        watched.look(pool);
        for (const fresh of chance.is(0.5) ? generatedAccount(chance, book) : []) watched.look(fresh);
      }
      tryCorners(chance, watched, report);
      expect(report.crossed).toBe(0);
      const built = new TriggerIndex(book, new CompiledRules(book));
      for (const one of [built, index]) one.rebuild([]);
      for (const pool of watched.armed) expect(index.bands(pool)).toEqual(built.bands(pool));
    }),
    propertyOptions({ numRuns: 30 }),
  );
});

test("INV-07 near the floor of a tier, the edge of a slice and a balance of zero bands hold as anywhere else", () => {
  fc.assert(
    fc.property(seeds, fc.constantFrom(-1e-3, -1e-9, 0, 1e-9, 1e-3), (seed, off) => {
      const chance = new Chance(seed);
      const watched = watchedBook(chance, 4);
      const { book } = watched;
      for (const one of book.rules.instruments.values()) {
        const tier = one.tiers[chance.whole(0, one.tiers.length - 1)];
        const number = book.instrumentIndex(one.id);
        const row = [...watched.armed]
          .map((pool) => book.findRow(book.poolAccount(pool), number))
          .find((found) => found >= 0);
        if (tier === undefined || row === undefined || tier.from.isZero()) continue;
        const exposure = Rational.ofInteger(book.qty(row)).times(one.lot).times(one.multiplier).abs();
        if (exposure.isZero()) continue;
        const price = one.kind === "linear" ? tier.from.dividedBy(exposure) : exposure.dividedBy(tier.from);
        book.market.setMarkPrice(number, price.times(decimal(1 + off, 9)));
      }
      for (const pool of watched.armed) watched.look(pool);
      watched.index.rebuild([]);
      const report: CornerReport = { pools: 0, crossed: 0, tight: 0 };
      tryCorners(chance, watched, report);
      expect(report.crossed).toBe(0);
      expect(runFrames(chance, watched, 4)).toEqual([]);
    }),
    propertyOptions({ numRuns: 60 }),
  );
});
