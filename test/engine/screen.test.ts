import fc from "fast-check";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { Book } from "#libs/engine/book.ts";
import { CompiledRules } from "#libs/engine/compiled-rules.ts";
import { Integers } from "#libs/engine/integers.ts";
import { Screen } from "#libs/engine/screen.ts";
import { exactly } from "#test/support/band-corners.ts";
import {
  Chance,
  generatedAccount,
  generatedDocument,
  generatedMarket,
  plainHealth,
} from "#test/support/generated-books.ts";
import { propertyOptions } from "#test/support/property.ts";

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const thresholds = ["1", "1.05", "1.1", "1.122", "1.25", "1.275", "1.5", "1.53"].map((text) => Rational.parse(text));

test("the floats are never further from the exact values than the bound says", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const chance = new Chance(seed);
      const book = generatedMarket(chance);
      const screen = new Screen(book, new CompiledRules(book));
      for (const pool of Array.from({ length: 15 }, () => generatedAccount(chance, book)).flat()) {
        const { maintenanceEquity, mm } = plainHealth(book, pool);
        expect(screen.evaluate(pool)).toBe(true);
        const equityOff = exactly(screen.equity).minus(maintenanceEquity).abs().toNumber();
        const marginOff = exactly(screen.maintenance).minus(mm).abs().toNumber();
        expect(equityOff).toBeLessThanOrEqual(screen.equityError);
        expect(marginOff).toBeLessThanOrEqual(screen.maintenanceError);
      }
    }),
    propertyOptions({ numRuns: 80 }),
  );
});

/** Half a unit in the last place is the least by which two floats around a value can differ. */
const ulp = (value: number): number => Math.max(2 ** -60, 2 ** (Math.floor(Math.log2(Math.abs(value))) - 52));

/** A book whose USDT counts plainly and in quanta of 1e-18, so that cash can put a pool anywhere around a threshold. */
function fineBook(chance: Chance): Book {
  const document = generatedDocument(chance);
  document.assets[0] = { id: "USDT", quantum: "0.000000000000000001" };
  return generatedMarket(chance, compileRules(document, 1).rules);
}

/** Moves cash so that `E_M − k·MM` becomes `wanted`, to the quantum; the exact slack reached. */
function place(book: Book, integers: Integers, pool: number, k: Rational, wanted: Rational): void {
  const plain = plainHealth(book, pool);
  const missing = wanted.minus(plain.maintenanceEquity.minus(k.times(plain.mm)));
  const price = book.market.indexPrice(0) as Rational;
  book.addCash(book.poolAccount(pool), 0, missing.dividedBy(price).floorIn(book.assetRules(0).quantum));
  integers.evaluate(pool);
}

test("HEALTH-01 within four units in the last place of a threshold the screen proves the right sign or none", () => {
  let [unsure, sure] = [0, 0];
  fc.assert(
    fc.property(seeds, (seed) => {
      const chance = new Chance(seed);
      const book = fineBook(chance);
      const compiled = new CompiledRules(book);
      const [screen, integers] = [new Screen(book, compiled), new Integers(book, compiled)];
      for (let account = 0; account < 6; account += 1) {
        const pool = generatedAccount(chance, book)[0] as number;
        const k = chance.pick(thresholds);
        const size = Math.abs(plainHealth(book, pool).mm.toNumber()) * k.toNumber();
        for (const steps of [-1e6, -1e3, -4, -3, -2, -1, 0, 1, 2, 3, 4, 1e3, 1e6]) {
          place(book, integers, pool, k, exactly(ulp(size) * steps));
          screen.evaluate(pool);
          const side = screen.side(k.toNumber());
          if (side === 0) unsure += 1;
          else {
            sure += 1;
            expect(side).toBe(integers.sign(k));
          }
        }
      }
    }),
    propertyOptions({ numRuns: 60 }),
  );
  // The attack has met the screen's limit from both sides.
  expect(unsure).toBeGreaterThan(0);
  expect(sure).toBeGreaterThan(0);
});

test("a slack of a millionth of what the pool holds is proven, so that exact numbers stay rare", () => {
  let [asked, unsure] = [0, 0];
  for (let seed = 1; seed <= 40; seed += 1) {
    const chance = new Chance(seed);
    const book = generatedMarket(chance);
    const screen = new Screen(book, new CompiledRules(book));
    for (const pool of Array.from({ length: 10 }, () => generatedAccount(chance, book)).flat()) {
      const { maintenanceEquity, fullEquity, mm } = plainHealth(book, pool);
      const slack = maintenanceEquity.minus(mm).abs().toNumber();
      if (slack < 1e-6 * (fullEquity.abs().toNumber() + mm.toNumber()) || slack === 0) continue;
      asked += 1;
      screen.evaluate(pool);
      if (screen.side(1) === 0) unsure += 1;
    }
  }
  expect(asked).toBeGreaterThan(300);
  expect(unsure / asked).toBeLessThan(0.01);
});

test("at a threshold exactly, and at the floor of a whole tier, the screen says that it cannot tell", () => {
  const chance = new Chance(3);
  const document = generatedDocument(chance);
  document.assets[0] = { id: "USDT", quantum: "0.01" };
  const linear = { kind: "linear" as const, base: "BTC", quote: "USDT", settle: "USDT", lot: "1", multiplier: "1" };
  const tiers = [
    { from: "0", im: "0.02", mm: "0.01" },
    { from: "1000", im: "0.2", mm: "0.1" },
  ];
  document.instruments = [{ ...linear, id: "P", tierMode: "whole", tiers }];
  const book = generatedMarket(chance, compileRules(document, 1).rules);
  const screen = new Screen(book, new CompiledRules(book));
  const account = book.internAccount("edge");
  book.market.setIndexPrice(0, Rational.one);
  const row = book.row(account, 0);
  const pool = book.crossPool(account);
  const sideAt = (mark: string, cash: bigint): number => {
    book.market.setMarkPrice(0, Rational.parse(mark));
    book.setHolding(row, 10n, 100_000n);
    book.addCash(account, 0, cash - book.cash(account, 0));
    screen.evaluate(pool);
    return screen.side(1);
  };
  // Ten contracts at 100 are a notional of 1000: the higher tier, 100 to be kept; just below the floor it would be 10.
  expect(sideAt("100", 5_000n)).toBe(0);
  expect(sideAt("100", 50_000n)).toBe(1);
  expect(sideAt("100", -5_000n)).toBe(-1);
  expect(sideAt("99.99", 5_000n)).toBe(1);
  expect(sideAt("100.01", 5_000n)).toBe(-1);
  expect(sideAt("90", 10_900n)).toBe(0);
});
