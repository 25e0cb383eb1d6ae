import { expect, test } from "vitest";
import fc from "fast-check";
import { indicators } from "#libs/domain/adl/ranking.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import { adlQueues } from "#libs/engine/adl-queues.ts";
import { rankingKey, rankSide } from "#libs/engine/adl-ranking.ts";
import { liveOptions } from "#libs/journal/index.ts";
import { Machine } from "#libs/engine/machine.ts";
import {
  Chance,
  generatedAccount,
  generatedDocument,
  generatedMarket,
  movePrices,
} from "#test/support/generated-books.ts";
import { propertyOptions } from "#test/support/property.ts";

const options = {
  receipts: false,
  roundsPerFrame: "one",
  quietFills: false,
  audit: "light",
  venue: "matching",
  ...liveOptions,
} as const;
const accounts = 30;

test("ADL-03 ADL-04 a queue of floats stands in the exact order, with the same places, at and after a move of prices", () => {
  let places = 0;
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const chance = new Chance(seed);
      const document = generatedDocument(chance);
      const { rules } = compileRules(document, 1, 0);
      const machine = new Machine(generatedMarket(chance, rules), document, rules, options);
      machine.useRules(document, rules);
      for (let account = 0; account < accounts; account += 1) generatedAccount(chance, machine.book);
      places += compare(machine);
      movePrices(chance, machine.book, 1);
      places += compare(machine);
    }),
    propertyOptions({ numRuns: 60 }),
  );
  expect(places).toBeGreaterThan(0);
});

/** How many places were compared. */
function compare(machine: Machine): number {
  const numbers = [...Array(machine.book.instrumentCount).keys()];
  const queues = adlQueues(machine, new Set(numbers));
  let compared = 0;
  for (const instrument of numbers)
    for (const side of ["long", "short"] as const) {
      const ranking = rankSide(machine, instrument, side);
      const exact = indicators(ranking).map(({ rank, bucket, ahead }) => ({
        rank,
        bucket,
        ahead: ahead.toStringDown(),
      }));
      const queue = queues.get(rankingKey(instrument, side));
      expect(queue?.first(ranking.length + 1) ?? []).toEqual(ranking.map(({ row }) => row));
      expect(ranking.map(({ row }) => queue?.standing(row, machine.book.rowAccount(row)))).toEqual(exact);
      compared += ranking.length;
    }
  return compared;
}
