import { describe, expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { clampedBasis, nextBasis, unsteppedMark } from "#libs/domain/mark-price/basis.ts";
import type { IndexPrice, SourceQuote } from "#libs/domain/mark-price/index-price.ts";
import { indexPrice } from "#libs/domain/mark-price/index-price.ts";
import { weightedMedian } from "#libs/domain/mark-price/median.ts";
import type { Permission, PricedAction, PriceQuality } from "#libs/domain/mark-price/quality.ts";
import { permissionGiven, permitted, permittedByAll, priceQualities } from "#libs/domain/mark-price/quality.ts";
import { quorumConfirms, steppedMark } from "#libs/domain/mark-price/step.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { table } from "#test/support/table.ts";

const number = (text: string): Rational => Rational.parse(text);
const shown = (value: Rational | null): string => value?.toStringDown() ?? "—";

/** "50000:1 50100:2" → prices and weights. */
function weighted(text: string): { price: Rational; weight: Rational }[] {
  return text.split(" ").flatMap((one) => {
    const [price, weight] = one.split(":");
    return price === undefined || weight === undefined ? [] : [{ price: number(price), weight: number(weight) }];
  });
}

describe("median", () => {
  const cases = table(`
    rule    | prices                   | median | because
    MARK-01 | 100:1                    | 100    | one price is its own median
    MARK-01 | 100:1 101:1 150:1        | 101    | the middle one of three
    MARK-01 | 150:1 100:1 101:1        | 101    | in any order
    MARK-01 | 100:1 101:2              | 101    | half is first passed at the heavier
    MARK-01 | 100:2 101:1              | 100    | the lowest price that passes half
    MARK-01 | 100:1 101:1.000001 200:2 | 101    | one millionth past half is past half
    MARK-01 | 100:0 101:1 102:0        | 101    | weight zero does not count
    MARK-02 | 100:1 101:1              | 100.5  | half exactly gives the middle
    MARK-02 | 100:1 101:1 200:2        | 150.5  | the middle is between that price and the next
    MARK-02 | 100:1 100:1 101:2        | 100.5  | equal prices are one
    MARK-01 | 100:1 101:0.999999 200:2 | 200    | one millionth short of half is not half
    MARK-01 | —                        | —      | no price, no median
  `);
  for (const { rule, prices, median, because } of cases)
    test(`${rule} ${because}`, () => expect(shown(weightedMedian(weighted(prices)))).toBe(median));
});

const markRules = {
  sources: { BTC: { a: "1", b: "1", c: "1" } },
  outlier: "0.05",
  staleMs: 10_000,
  quorum: 2,
} satisfies RuleDocument["marks"];

const compile = (marks: RuleDocument["marks"], instruments: RuleDocument["instruments"] = []): RuleSet =>
  compileRules({ assets: [], instruments, marks: marks ?? {} }, 1).rules;

/** "a 100@0 b 101@500": source, price and time of its quote. */
function quotesOf(text: string): Map<string, SourceQuote> {
  const found = text.matchAll(/(\w+) (-?[\d.]+)@(\d+)/g);
  return new Map(
    [...found].map(([, source, price, t]) => [source ?? "", { price: number(price ?? ""), t: Number(t) }]),
  );
}

const why = (index: IndexPrice): string =>
  index.dropped.map(({ source, reason }) => `${source} ${reason}`).join(", ") || "—";

describe("index", () => {
  const cases = table(`
    rule    | quotes                               | last | price                  | quality  | dropped                        | because
    MARK-01 | a 100@10000 b 101@10000 c 102@10000  | —    | 101                    | good     | —                              | all fresh, all agree
    MARK-03 | a 100@0 b 101@10000 c 102@10000      | —    | 101                    | good     | —                              | exactly staleMs old still counts
    MARK-03 | a 100@0 b 101@10001 c 102@10001      | —    | 101.5                  | good     | a stale                        | one ms older does not
    MARK-03 | a 100@10000 b 101@10000              | —    | 100.5                  | good     | c no_quote                     | a silent source is named
    MARK-04 | a 0@10000 b 101@10000 c 102@10000    | —    | 101.5                  | good     | a non_positive                 | zero is not a price
    MARK-04 | a -5@10000 b 101@10000 c 102@10000   | —    | 101.5                  | good     | a non_positive                 | nor is less
    MARK-04 | a 0.01@0 b 0.01@0 c 0.0101@0         | —    | 0.01                   | good     | —                              | however small, it counts
    MARK-05 | a 95@0 b 100@0 c 105@0               | —    | 100                    | good     | —                              | exactly outlier away is kept
    MARK-05 | a 95@0 b 100@0 c 105.01@0            | —    | 97.5                   | good     | c outlier                      | a cent further is not, and the median is taken again
    MARK-05 | a 94.99@0 b 100@0 c 105@0            | —    | 102.5                  | good     | a outlier                      | on the other side too
    MARK-05 | a 130@0 b 100@0 c 100@0              | —    | 100                    | good     | a outlier                      | one tick of one source changes nothing
    MARK-06 | a 100@0                              | 90   | 100                    | disputed | b no_quote, c no_quote         | one of a quorum of two
    MARK-06 | a 100@0 b 100@0                      | 90   | 100                    | good     | c no_quote                     | two of two
    MARK-07 | a 100@0 b 120@0 c 140@0              | 90   | 120                    | disputed | a outlier, c outlier           | a third is no majority
    MARK-07 | a 100@0 b 140@0                      | 90   | 90                     | disputed | a outlier, b outlier, c no_quote | between two camps nobody stands
    MARK-07 | a 100@0 b 140@0                      | —    | —                      | disputed | a outlier, b outlier, c no_quote | no last price either
    MARK-08 | a 100@0 b 100@0                      | 90   | 100                    | good     | c no_quote                     | in time
    MARK-08 | c 100@0                              | 90   | 100                    | disputed | a no_quote, b no_quote         | one is not none
    MARK-09 | a 0@0 b -1@0                         | 90   | 90                     | invalid  | a non_positive, b non_positive, c no_quote | none speaks of a positive price
    MARK-09 | a 0@0 b 100@0 c 100@0                | 90   | 100                    | good     | a non_positive                 | one does
  `);
  for (const { rule, quotes, last, price, quality, dropped, because } of cases)
    test(`${rule} ${because}`, () => {
      const said = quotesOf(quotes);
      const t = Math.max(...[...said.values()].map((one) => one.t));
      const before = last === "—" ? null : number(last);
      const index = indexPrice({ asset: "BTC", quotes: said, last: before, t }, compile(markRules).marks);
      expect([shown(index.price), index.quality, why(index)]).toEqual([price, quality, dropped]);
    });

  const stale = { asset: "BTC", quotes: quotesOf("a 100@0 b 100@0 c 100@0"), t: 10_001 };
  test("MARK-08 no fresh source leaves the last price, stale", () => {
    const index = indexPrice({ ...stale, last: number("100") }, compile(markRules).marks);
    expect([shown(index.price), index.quality, index.used.length]).toEqual(["100", "stale", 0]);
  });
  test("MARK-09 no fresh source and no last price is invalid", () => {
    const index = indexPrice({ ...stale, last: null }, compile(markRules).marks);
    expect([index.price, index.quality]).toEqual([null, "invalid"]);
  });
  test("MARK-03 without staleMs no quote grows old; without outlier none is too far", () => {
    const { marks } = compile({ sources: markRules.sources, quorum: 2 });
    const quotes = quotesOf("a 1@0 b 100@0 c 9999@0");
    const index = indexPrice({ asset: "BTC", quotes, last: null, t: 1e12 }, marks);
    expect([shown(index.price), index.quality, why(index)]).toEqual(["100", "good", "—"]);
  });
  test("MARK-07 half of the fresh weight is no majority, a little more is", () => {
    const of = (weight: string): RuleSet["marks"] =>
      compile({ ...markRules, sources: { BTC: { a: "1", b: "1", c: "1", d: weight } } }).marks;
    const quotes = quotesOf("a 100@0 b 104@0 c 110@0 d 120@0");
    const quality = (weight: string): PriceQuality =>
      indexPrice({ asset: "BTC", quotes, last: null, t: 0 }, of(weight)).quality;
    // Weights 1 1 1 1: median 107, b and c are left with 2 of 4. With d at 0.99 the median is 104: a is kept too.
    expect([quality("1"), quality("0.99")]).toEqual(["disputed", "good"]);
  });
  test("MARK-20 a middle with nineteen decimals is rounded down to eighteen", () => {
    const { marks } = compile({ sources: { BTC: { a: "1", b: "1" } } });
    const quotes = quotesOf("a 1.000000000000000001@0 b 1.000000000000000002@0");
    expect(shown(indexPrice({ asset: "BTC", quotes, last: null, t: 0 }, marks).price)).toBe("1.000000000000000001");
  });
  test("the sources used are named with price, age and weight", () => {
    const { marks } = compile(markRules);
    const { used } = indexPrice({ asset: "BTC", quotes: quotesOf("b 101@500 a 100@200"), last: null, t: 700 }, marks);
    expect(used.map((one) => [one.source, shown(one.price), one.ageMs, shown(one.weight)])).toEqual([
      ["a", "100", 500, "1"],
      ["b", "101", 200, "1"],
    ]);
  });
});

describe("redemption", () => {
  const cases = table(`
    rule    | sources | quotes                  | price | quality  | because
    MARK-10 | 2       | a 0.65@0 b 0.65@0       | 0.65  | good     | depegged everywhere: the median is the lower
    MARK-10 | 2       | a 1.02@0 b 1.02@0       | 1     | good     | above redemption: redemption is the lower
    MARK-10 | 2       | a 1@0 b 1@0             | 1     | good     | at redemption exactly
    MARK-10 | 3       | a 1.02@0 b 1.02@0       | 1.02  | disputed | two of three sources do not agree yet
    MARK-10 | 3       | a 1.02@0 b 1.02@0 c 1.02@0 | 1  | good     | three of three do
    MARK-10 | 2       | a 0.65@0 b 1@0 c 1@0    | 1     | good     | one venue alone is an outlier
  `);
  for (const { rule, sources, quotes, price, quality, because } of cases)
    test(`${rule} ${because}`, () => {
      const redemption = { BTC: { value: "1", sources: Number(sources) } };
      const { marks } = compile({ ...markRules, redemption });
      const index = indexPrice({ asset: "BTC", quotes: quotesOf(quotes), last: null, t: 0 }, marks);
      expect([shown(index.price), index.quality]).toEqual([price, quality]);
    });
});

describe("quality", () => {
  const cases = table(`
    rule    | action                  | good | stale              | disputed                     | invalid
    MARK-12 | cancel                  | yes  | yes                | yes                          | yes
    MARK-13 | reduce_risk             | yes  | yes                | yes                          | no
    MARK-14 | open_risk               | yes  | no                 | no                           | no
    MARK-14 | withdraw                | yes  | no                 | no                           | no
    MARK-15 | liquidate_on_mark       | yes  | after_confirmation | no                           | no
    MARK-16 | liquidate_on_collateral | yes  | no                 | after_grace_and_confirmation | no
  `);
  for (const row of cases)
    for (const quality of priceQualities)
      test(`${row.rule} ${row.action} on a ${quality} price: ${row[quality]}`, () =>
        expect(permitted(row.action as PricedAction, quality)).toBe(row[quality]));

  test("MARK-17 with several prices the strictest permission holds, not that of the worst quality", () => {
    expect(permittedByAll("liquidate_on_collateral", ["good", "disputed"])).toBe("after_grace_and_confirmation");
    expect(permittedByAll("liquidate_on_collateral", ["stale", "disputed"])).toBe("no");
    expect(permittedByAll("liquidate_on_mark", ["stale", "good"])).toBe("after_confirmation");
    expect(permittedByAll("open_risk", [])).toBe("yes");
  });

  const given = table(`
    rule    | permission                   | confirm | grace | held | given | because
    MARK-18 | yes                          | —       | —     | 0    | true  | yes needs no time
    MARK-18 | no                           | 0       | 0     | 9999 | false | no time is enough
    MARK-18 | after_confirmation           | 1000    | —     | 999  | false | one ms short
    MARK-18 | after_confirmation           | 1000    | —     | 1000 | true  | at confirmation exactly
    MARK-18 | after_confirmation           | —       | —     | 9999 | false | without a time it never is
    MARK-18 | after_grace_and_confirmation | 1000    | 500   | 1499 | false | one ms short of both
    MARK-18 | after_grace_and_confirmation | 1000    | 500   | 1500 | true  | both over exactly
    MARK-18 | after_grace_and_confirmation | 1000    | —     | 9999 | false | without grace it never is
    MARK-18 | after_grace_and_confirmation | —       | 500   | 9999 | false | without confirmation neither
  `);
  const ms = (text: string): number | null => (text === "—" ? null : Number(text));
  for (const row of given)
    test(`${row.rule} ${row.permission} ${row.because}`, () => {
      const rules = { staleConfirmMs: ms(row.confirm), disputedGraceMs: ms(row.grace) };
      expect(permissionGiven(row.permission as Permission, Number(row.held), rules)).toBe(row.given === "true");
    });
});

describe("basis", () => {
  test("MARK-21 the average starts at zero and takes dt/(dt + T) of the way", () => {
    const first = nextBasis(null, number("10"), 60_000, 0);
    const second = nextBasis(first, number("10"), 60_000, 60_000);
    const third = nextBasis(second, number("-10"), 60_000, 80_000);
    expect([first, second, third].map((one) => shown(one.average))).toEqual(["0", "5", "1.25"]);
    expect(nextBasis(second, number("99"), 60_000, 60_000)).toBe(second);
  });
  test("MARK-21 a third of the way is rounded down at the eighteenth decimal, also below zero", () => {
    const start = nextBasis(null, Rational.zero, 2, 0);
    expect(shown(nextBasis(start, number("1"), 2, 1).average)).toBe("0.333333333333333333");
    expect(shown(nextBasis(start, number("-1"), 2, 1).average)).toBe("-0.333333333333333334");
  });
  test("MARK-21 a time constant of zero follows the basis at once", () => {
    expect(shown(nextBasis({ average: Rational.zero, t: 0 }, number("7"), 0, 1).average)).toBe("7");
  });
  const cases = table(`
    rule    | average | basisMax | mark   | because
    MARK-22 | 0.5     | 0.01     | 100.5  | inside the clamp
    MARK-22 | 1       | 0.01     | 101    | at the clamp exactly
    MARK-22 | 1.01    | 0.01     | 101    | beyond it
    MARK-22 | -1      | 0.01     | 99     | at the clamp below
    MARK-22 | -50     | 0.01     | 99     | a pumped book of its own moves the mark no further
    MARK-22 | 50      | —        | 150    | without basisMax there is no clamp
  `);
  for (const { rule, average, basisMax, mark, because } of cases)
    test(`${rule} ${because}`, () => {
      const max = basisMax === "—" ? {} : { basisMax };
      const rules = compile({ basisEmaMs: 60_000, ...max }).marks;
      expect(shown(unsteppedMark(number("100"), { average: number(average), t: 0 }, rules))).toBe(mark);
      expect(shown(clampedBasis(number(average), number("100"), rules.basisMax).plus(number("100")))).toBe(mark);
    });
  test("MARK-22 without basisEmaMs the mark is the index", () => {
    const basis = { average: number("5"), t: 0 };
    expect(shown(unsteppedMark(number("100"), basis, compile({ basisMax: "0.1" }).marks))).toBe("100");
  });
});

describe("step", () => {
  const cases = table(`
    rule    | previous | proposed | sources         | mark | because
    MARK-23 | —        | 200      | —               | 200  | the first mark is no step
    MARK-23 | 100      | 110      | —               | 110  | a step of stepMax exactly
    MARK-23 | 100      | 110.01   | —               | 110  | a cent more is held back
    MARK-23 | 100      | 89.99    | —               | 90   | downwards too
    MARK-23 | 100      | 90       | —               | 90   | exactly stepMax down
    MARK-24 | 100      | 50       | 50              | 90   | one of a quorum of two does not confirm
    MARK-24 | 100      | 50       | 50 50           | 50   | two do
    MARK-24 | 100      | 50       | 47.5 52.5       | 50   | at outlier exactly they still stand by it
    MARK-24 | 100      | 50       | 47.49 52.5      | 90   | a cent further one does not
  `);
  const rules = compile({ ...markRules, stepMax: "0.1" }).marks;
  const used = (text: string): IndexPrice["used"] =>
    text === "—"
      ? []
      : text
          .split(" ")
          .map((price, at) => ({ source: `s${at}`, price: number(price), ageMs: 0, weight: Rational.one }));
  for (const { rule, previous, proposed, sources, mark, because } of cases)
    test(`${rule} ${because}`, () => {
      const from = previous === "—" ? null : number(previous);
      expect(shown(steppedMark(from, number(proposed), used(sources), rules))).toBe(mark);
    });
  test("MARK-23 without stepMax every step is taken", () => {
    expect(shown(steppedMark(number("100"), number("1"), [], compile(markRules).marks))).toBe("1");
  });
  test("MARK-23 a step is rounded towards the previous mark", () => {
    const odd = compile({ stepMax: "0.333333333333333333" }).marks;
    const previous = number("0.000000000000000010");
    expect(shown(steppedMark(previous, number("1"), [], odd))).toBe("0.000000000000000013");
    expect(shown(steppedMark(previous, number("0.000000000000000001"), [], odd))).toBe("0.000000000000000007");
  });
  test("MARK-24 nobody is never a quorum", () => {
    expect(quorumConfirms(number("1"), [], compile({ quorum: 0 }).marks)).toBe(false);
  });
});
