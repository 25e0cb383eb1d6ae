import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { Book } from "#libs/engine/book.ts";
import { CompiledRules } from "#libs/engine/compiled-rules.ts";
import { entryBytes } from "#libs/engine/factor-rings.ts";
import { keyOf, powerOfTwoBelow, roundInward } from "#libs/engine/float-bits.ts";
import { TriggerIndex } from "#libs/engine/trigger-index.ts";
import { Chance } from "#test/support/generated-books.ts";
import { Watched } from "#test/support/index-check.ts";
import { r, rulesOf } from "#test/support/pools.ts";
import { readText } from "#test/support/source.ts";
import { table } from "#test/support/table.ts";

const perpetual = { lot: "0.001", tiers: [{ from: "0", im: "0.2", mm: "0.1" }] };
const isolatedToo = { ...perpetual, id: "ETH-PERP", base: "ETH" };

/** One long of a BTC at 1000 (100 to be kept) in a small exchange of two contracts, with so much cash beside the cost of 1000. */
function small(
  cash: string,
  more: Partial<RuleDocument> = {},
): { watched: Watched; book: Book; pool: number; account: number } {
  const quantum = "0.000001";
  const assets = [
    { id: "USDT", quantum },
    { id: "BTC", quantum, haircut: { base: "0.1" } },
    { id: "ETH", quantum },
  ];
  const book = new Book(rulesOf(assets, [{ ...perpetual, id: "BTC-PERP" }, isolatedToo], more));
  book.market.setIndexPrice(0, r("1"));
  book.market.setIndexPrice(1, r("1000"));
  book.market.setMarkPrice(0, r("1000"));
  book.market.setMarkPrice(1, r("100"));
  const account = book.internAccount("alice");
  book.addCash(account, 0, r(cash).floorIn(r(quantum)));
  book.setHolding(book.row(account, 0), 1000n, 1_000_000_000n);
  return { watched: new Watched(book), book, pool: book.crossPool(account), account };
}

const setMark = (watched: Watched, price: string, instrument = 0): number[] => {
  const { market } = watched.book;
  market.setMarkPrice(instrument, r(price));
  return watched.tell([market.markFactor(instrument)]);
};

// Cash 200 and mark p: E_M = p − 800, MM = p/10, so the ratio is k at p = 8000/(10 − k).
const slots = table(`
  warned | at | moves | crosses | because
  0 | 1000 | 941.2 | 941.1 | the first warning, 1.50, is reached at 941.18
  1 | 935 | 914.3 | 914.2 | 1.25 is next when 1.50 stands given: at 914.29
  2 | 910 | 898.9 | 898.8 | 1.10 is next: at 898.88
  3 | 897 | 893.9 | 893.8 | when all stand given partial liquidation is next, 1.05: at 893.85
  1 | 935 | 944.5 | 944.6 | 1.50 may be given again from 1.53 on: at 944.51
  2 | 910 | 916.9 | 917   | 1.25 may be given again from 1.275 on: at 916.91
  3 | 897 | 901   | 901.2 | 1.10 may be given again from 1.122 on: at 901.10
`);
for (const { warned, at, moves, crosses, because } of slots) {
  test(`INV-07 HEALTH-04 HEALTH-05 ${because}`, () => {
    const { watched, book, pool } = small("200");
    setMark(watched, at);
    book.setWarned(pool, Number(warned));
    watched.look(pool);
    expect(book.warned(pool)).toBe(Number(warned));
    // However it comes there: step by step to where nothing happens yet, then over the line.
    for (let step = 1; step <= 20; step += 1) {
      const price = Rational.parse(at).plus(
        r(moves)
          .minus(r(at))
          .times(Rational.fraction(BigInt(step), 20n)),
      );
      if (setMark(watched, price.toStringDown(6)).length > 0) watched.look(pool);
      expect([book.warned(pool), watched.armed.has(pool)]).toEqual([Number(warned), true]);
    }
    expect(setMark(watched, crosses)).toEqual([pool]);
    expect(watched.due(pool)).toBe(true);
  });
}

test("INV-07 a threshold that is reached already, or touched, is told at once", () => {
  const { watched, book, pool } = small("200");
  expect(watched.index.arm(pool)).toBe("armed");
  setMark(watched, "941");
  expect(watched.index.arm(pool)).toBe("act");
  book.setWarned(pool, 1);
  expect(watched.index.arm(pool)).toBe("armed");
  // 8000/8.95 is no decimal; at ratio 1.25 exactly no float can exclude it.
  setMark(watched, "1000");
  book.addCash(book.poolAccount(pool), 0, -75_000_000n);
  expect(watched.index.arm(pool)).toBe("act");
  // It has bands all the same: any move pops it.
  expect(setMark(watched, "1000.000001")).toEqual([pool]);
});

test("a pool with neither position nor debt is never popped, one with a debt is before it falls below zero", () => {
  const { watched, book } = small("200");
  const [saver, debtor] = [book.internAccount("saver"), book.internAccount("debtor")].map((account) => {
    book.addCash(account, 1, 1_000_000n);
    return book.crossPool(account);
  }) as [number, number];
  book.addCash(book.poolAccount(debtor), 0, -800_000_000n);
  watched.look(saver);
  watched.look(debtor);
  expect(watched.index.bands(saver)).toEqual([]);
  const popped: number[] = [];
  for (let price = 1000; price > 880; price -= 5) {
    book.market.setIndexPrice(1, r(String(price)));
    popped.push(...watched.tell([book.market.indexFactor(1)]));
    expect(watched.due(debtor) && !popped.includes(debtor)).toBe(false);
  }
  expect(popped).toEqual([debtor]);
});

test("a debt is popped before it is worth more than the share of equity at which it is converted", () => {
  const { watched, book } = small("200", { convertAt: "0.5" });
  const debtor = book.internAccount("debtor");
  const pool = book.crossPool(debtor);
  book.addCash(debtor, 1, 2_000_000n);
  book.addCash(debtor, 0, -500_000_000n);
  watched.look(pool);
  // 500 is half of 2·P − 500 at P = 750.
  const popped: number[] = [];
  for (const price of ["900", "800", "760", "750", "749"]) {
    book.market.setIndexPrice(1, r(price));
    for (const one of watched.tell([book.market.indexFactor(1)])) popped.push(one);
    if (price === "750") watched.look(pool);
    else if (price !== "749" && popped.length > 0) watched.look(pool);
    if (price === "760") popped.length = 0;
  }
  expect(popped).toEqual([pool, pool]);
  expect(watched.index.arm(pool)).toBe("armed");
  book.market.setIndexPrice(1, r("749.5"));
  expect(watched.tell([book.market.indexFactor(1)])).toEqual([pool]);
});

test("system accounts, pools with a saga and pools that were disarmed are never popped", () => {
  const { watched, book, pool, account } = small("200");
  const house = book.crossPool(book.findAccount("house"));
  book.addCash(book.findAccount("house"), 0, -1n);
  for (const one of [house, pool]) watched.index.arm(one);
  expect(watched.index.bands(house)).toEqual([]);
  book.setSaga(pool, 0);
  watched.index.arm(pool);
  expect(setMark(watched, "500")).toEqual([]);
  book.setSaga(pool, -1);
  setMark(watched, "1000");
  watched.index.arm(pool);
  expect(watched.index.entryCount).toBeGreaterThan(0);
  watched.index.disarm(pool);
  expect(setMark(watched, "500")).toEqual([]);
  expect(watched.index.entryCount).toBe(0);
  expect(book.accountId(account)).toBe("alice");
});

test("a pool is popped once, however many of its bands are left, until it is armed again", () => {
  const { watched, book, pool } = small("200");
  book.setHolding(book.row(book.poolAccount(pool), 1), -100n, -10_000_000n);
  watched.look(pool);
  expect(setMark(watched, "800")).toEqual([pool]);
  expect(setMark(watched, "700")).toEqual([]);
  expect(setMark(watched, "900", 1)).toEqual([]);
  setMark(watched, "1000");
  setMark(watched, "100", 1);
  watched.index.arm(pool);
  expect(setMark(watched, "800")).toEqual([pool]);
  expect(watched.index.popped).toBe(2);
});

test("an isolated pool hangs on its own mark alone; a pool without a price is popped when the price comes", () => {
  const { watched, book, account } = small("200");
  const row = book.row(account, 1);
  book.setIsolated(row, true);
  book.setHolding(row, -1000n, -100_000_000n);
  book.addMargin(row, 20_000_000n);
  const pool = book.isolatedPool(row);
  watched.look(pool);
  const { market } = book;
  expect(watched.index.bands(pool).map(({ factor }) => factor)).toEqual([
    market.markFactor(1),
    market.fundingFactor(1),
  ]);
  expect(setMark(watched, "500")).toEqual([]);
  expect(setMark(watched, "106", 1)).toEqual([pool]);
  const newcomer = book.internAccount("newcomer");
  book.addCash(newcomer, 2, 5n);
  book.addCash(newcomer, 0, -1n);
  expect(watched.index.arm(book.crossPool(newcomer))).toBe("armed");
  market.setIndexPrice(2, r("100"));
  expect(watched.tell([market.indexFactor(2)])).toEqual([book.crossPool(newcomer)]);
});

test("a haircut that a frame sets though the rules have none pops whoever has bands, and is watched from then on", () => {
  const { watched, book, pool } = small("200");
  watched.look(pool);
  book.market.setHaircuts(0, r("0.01"), r("0.01"));
  expect(watched.tell([book.market.haircutFactor(0)])).toEqual([pool]);
  watched.look(pool);
  expect(watched.index.bands(pool).map(({ factor }) => factor)).toContain(book.market.haircutFactor(0));
  book.market.setHaircuts(0, r("0.3"), r("0.3"));
  expect(watched.tell([book.market.haircutFactor(0)])).toEqual([pool]);
});

test("funding that rescales its factor, and rules that change under bands, pop whoever depends on them", () => {
  const { watched, book, pool } = small("200");
  watched.look(pool);
  const popped: number[] = [];
  watched.index.factorVoid(book.market.fundingFactor(0), popped);
  expect(popped).toEqual([pool]);
  watched.index.arm(pool);
  watched.compiled.rebuild();
  expect(setMark(watched, "1000.5")).toEqual([pool]);
  popped.length = 0;
  watched.index.rebuild(popped);
  expect(popped).toEqual([]);
  expect(setMark(watched, "800")).toEqual([pool]);
});

test("bands end at the floor of a whole tier, above and below", () => {
  const tiers = [
    { from: "0", im: "0.02", mm: "0.01" },
    { from: "900", im: "0.2", mm: "0.1" },
    { from: "1100", im: "0.4", mm: "0.2" },
  ];
  const book = new Book(rulesOf([{ id: "USDT" }, { id: "BTC" }], [{ id: "P", tierMode: "whole", tiers }]));
  book.market.setIndexPrice(0, r("1"));
  book.market.setMarkPrice(0, r("1000"));
  const account = book.internAccount("edge");
  book.addCash(account, 0, 10n ** 21n);
  book.setHolding(book.row(account, 0), 10n ** 18n, 10n ** 21n);
  const index = new TriggerIndex(book, new CompiledRules(book));
  index.arm(book.crossPool(account));
  const mark = index.bands(book.crossPool(account)).find(({ factor }) => factor === book.market.markFactor(0));
  expect(mark?.low).toBeGreaterThanOrEqual(900);
  expect(mark?.low).toBeLessThan(900.001);
  expect(mark?.high).toBeLessThan(1100);
  expect(mark?.high).toBeGreaterThan(1099.999);
});

test("entries take forty bytes, are used again, and none is left behind", () => {
  expect(entryBytes).toBeLessThanOrEqual(40);
  const { watched, book, pool, account } = small("200");
  watched.look(pool);
  const before = watched.index.entryCount;
  const bytes = watched.index.bytes;
  for (let round = 0; round < 1000; round += 1) {
    book.setHolding(book.row(account, 1), round % 2 === 0 ? 10n : 0n, round % 2 === 0 ? 1_000_000n : 0n);
    watched.look(pool);
  }
  expect(watched.index.entryCount).toBe(before);
  expect(watched.index.bytes).toBe(bytes);
});

test("keys rise with the floats they stand for, and rounding inwards never leaves the band", () => {
  const chance = new Chance(11);
  const values = Array.from({ length: 4000 }, () => chance.scale(1e-12, 1e12) * (chance.is(0.5) ? 1 : -1));
  for (const value of [...values, 0, 1, 2 ** 40, 1e-30]) {
    expect(roundInward(value, true)).toBeGreaterThanOrEqual(value);
    expect(roundInward(value, false)).toBeLessThanOrEqual(value);
    expect(Math.abs(roundInward(value, true) - roundInward(value, false))).toBeLessThanOrEqual(
      Math.abs(value) * 2 ** -22,
    );
    expect(Math.fround(roundInward(value, true))).toBe(roundInward(value, true));
    if (value > 0)
      expect([powerOfTwoBelow(value) <= value * (1 + 2 ** -23), powerOfTwoBelow(value) * 2 > value]).toEqual([
        true,
        true,
      ]);
  }
  const sorted = values.toSorted((left, right) => left - right).map(keyOf);
  expect(sorted).toEqual(sorted.toSorted((left, right) => left - right));
  // Ten bits within a factor of two.
  expect(keyOf(2) - keyOf(1)).toBe(1024);
});

test("buckets come from the bits of the float: the index computes no logarithm", () => {
  for (const file of ["factor-rings", "float-bits", "trigger-index", "bands", "box"]) {
    expect(readText(`libs/engine/${file}.ts`)).not.toContain("Math.log");
  }
});
