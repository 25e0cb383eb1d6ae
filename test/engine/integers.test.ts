import fc from "fast-check";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { compareStanding, intervention, warn, warningsAt } from "#libs/domain/health/thresholds.ts";
import { Book } from "#libs/engine/book.ts";
import { CompiledRules } from "#libs/engine/compiled-rules.ts";
import { Integers } from "#libs/engine/integers.ts";
import { Judge } from "#libs/engine/judge.ts";
import { PriceMissing } from "#libs/engine/market.ts";
import { comparePools } from "#libs/engine/pending-pools.ts";
import {
  Chance,
  generatedAccount,
  generatedMarket,
  movePrices,
  plainHealth,
  settleNear,
} from "#test/support/generated-books.ts";
import { r, rulesOf } from "#test/support/pools.ts";
import { propertyOptions } from "#test/support/property.ts";

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

function exact(integers: Integers): { readonly maintenanceEquity: Rational; readonly mm: Rational } {
  return {
    maintenanceEquity: Rational.fraction(integers.equityNumerator, integers.equityDenominator),
    mm: Rational.fraction(integers.maintenanceNumerator, integers.maintenanceDenominator),
  };
}

function expectEqual(book: Book, integers: Integers, pool: number): void {
  const plain = plainHealth(book, pool);
  const own = exact(integers.evaluate(pool));
  const told = `${own.maintenanceEquity.toString()} ${own.mm.toString()}`;
  expect(told).toBe(`${plain.maintenanceEquity.toString()} ${plain.mm.toString()}`);
}

test("the integers equal the plain rules exactly, for every pool, after every move of the market", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const chance = new Chance(seed);
      const book = generatedMarket(chance);
      const integers = new Integers(book, new CompiledRules(book));
      const pools = Array.from({ length: 10 }, () => generatedAccount(chance, book)).flat();
      for (let frame = 0; frame < 3; frame += 1) {
        for (const pool of pools) expectEqual(book, integers, pool);
        movePrices(chance, book);
      }
    }),
    propertyOptions({ numRuns: 60 }),
  );
});

test("marks that are no decimals, and amounts of forty digits, are as exact", () => {
  const book = generatedMarket(new Chance(5));
  const integers = new Integers(book, new CompiledRules(book));
  const account = book.internAccount("whale");
  for (let i = 0; i < book.instrumentCount; i += 1) {
    book.market.setMarkPrice(i, Rational.fraction(10n ** 7n + BigInt(i), 7n * BigInt(i + 3)));
    book.setHolding(book.row(account, i), (-1n) ** BigInt(i) * (10n ** 20n + 7n), 10n ** 35n + 3n);
  }
  book.addCash(account, 0, 10n ** 37n + 11n);
  expectEqual(book, integers, book.crossPool(account));
  book.market.setMarkPrice(0, r("0.000000000000000003"));
  expectEqual(book, integers, book.crossPool(account));
});

test("a price that is missing is an error, and the next pool is judged as if there had been none", () => {
  const book = new Book(rulesOf([{ id: "USDT" }, { id: "BTC" }], [{ id: "P" }, { id: "Q" }]));
  const integers = new Integers(book, new CompiledRules(book));
  const [one, two] = [book.internAccount("one"), book.internAccount("two")];
  book.market.setMarkPrice(0, r("100"));
  book.market.setIndexPrice(0, r("1"));
  book.addCash(one, 0, 5n * 10n ** 18n);
  book.setHolding(book.row(one, 0), 10n ** 18n, 90n * 10n ** 18n);
  book.setHolding(book.row(one, 1), 10n ** 18n, 90n * 10n ** 18n);
  book.addCash(two, 0, 5n * 10n ** 18n);
  book.addCash(two, 1, 1n);
  expect(() => integers.evaluate(book.crossPool(one))).toThrow(PriceMissing);
  expect(() => integers.evaluate(book.crossPool(two))).toThrow(PriceMissing);
  book.addCash(two, 1, -1n);
  expectEqual(book, integers, book.crossPool(two));
  book.market.setMarkPrice(1, r("95"));
  expectEqual(book, integers, book.crossPool(one));
});

test("HEALTH-01 HEALTH-04 HEALTH-05 the judge decides as the plain rules do, by screen or by integers, at every threshold", () => {
  let fallbacks = 0;
  fc.assert(
    fc.property(seeds, (seed) => {
      const chance = new Chance(seed);
      const book = generatedMarket(chance);
      const judge = new Judge(book, new CompiledRules(book));
      for (const pool of Array.from({ length: 12 }, () => generatedAccount(chance, book)).flat()) {
        settleNear(book, pool, chance.pick([0.5, 1, 1.05, 1.1, 1.122, 1.25, 1.275, 1.5, 1.53, 2]));
        const standing = plainHealth(book, pool);
        for (let warned = 0; warned <= book.rules.warnings.length; warned += 1) {
          book.setWarned(pool, warned);
          const verdict = { ...judge.judge(pool) };
          const given = book.rules.warnings.map((_level, at) => at < warned);
          expect(verdict).toEqual({
            stage: { none: 0, partial: 2, full: 3 }[intervention(standing, book.rules)],
            warnings: warningsAt(standing, book.rules).length,
            standing: warn(standing, given, book.rules).given.filter(Boolean).length,
          });
          expect(judge.judgeExactly(pool)).toEqual(verdict);
        }
      }
      fallbacks += judge.exactFallbacks;
    }),
    propertyOptions({ numRuns: 40 }),
  );
  expect(fallbacks).toBeGreaterThan(0);
});

test("HEALTH-06 pools are ordered as the plain rules order them, ties by account, cross before isolated", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const chance = new Chance(seed);
      const book = generatedMarket(chance);
      const judge = new Judge(book, new CompiledRules(book));
      const pools = Array.from({ length: 6 }, () => generatedAccount(chance, book)).flat();
      for (const left of pools) {
        for (const right of pools) {
          const plain = compareStanding(plainHealth(book, left), plainHealth(book, right));
          const expected = plain === 0 ? comparePools(book, left, right) : plain;
          expect(Math.sign(judge.compareRatios(left, right))).toBe(Math.sign(expected));
        }
      }
    }),
    propertyOptions({ numRuns: 25 }),
  );
});
