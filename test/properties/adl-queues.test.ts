import { expect, test } from "vitest";
import fc from "fast-check";
import { indicators } from "#libs/domain/adl/ranking.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import { answerAccount, answerRisk } from "#libs/engine/account-answer.ts";
import { adlQueues } from "#libs/engine/adl-queues.ts";
import { rankSide } from "#libs/engine/adl-ranking.ts";
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

/** A generated book, and the same after its prices have moved. */
function overBooks(numRuns: number, look: (machine: Machine) => void): void {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const chance = new Chance(seed);
      const document = generatedDocument(chance);
      const { rules } = compileRules(document, 1, 0);
      const machine = new Machine(generatedMarket(chance, rules), document, rules, options);
      machine.useRules(document, rules);
      for (let account = 0; account < accounts; account += 1) generatedAccount(chance, machine.book);
      look(machine);
      movePrices(chance, machine.book, 1);
      look(machine);
    }),
    propertyOptions({ numRuns }),
  );
}

test("ADL-03 ADL-04 a queue of floats stands in the exact order, with the same places, at and after a move of prices", () => {
  let places = 0;
  overBooks(60, (machine) => {
    places += compare(machine);
  });
  expect(places).toBeGreaterThan(0);
});

test("what is told of an account's risk again and again is the same part of its whole answer, kept queues and prices included", () => {
  let positions = 0;
  overBooks(6, (machine) => {
    const numbers = [...Array(machine.book.instrumentCount).keys()];
    const queues = adlQueues(machine, new Set(numbers));
    for (let account = 0; account < machine.book.accountCount; account += 1) {
      const id = machine.book.accountId(account);
      const whole = answerAccount(machine, id);
      const prices = new Map(whole.positions.map((position) => [position.instrument, position]));
      positions += whole.positions.length;
      expect(whole).toMatchObject(answerRisk(machine, id));
      expect(answerRisk(machine, id, { queues, prices })).toEqual(answerRisk(machine, id));
    }
  });
  expect(positions).toBeGreaterThan(0);
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
      const queue = queues.of(instrument, side);
      expect(queue?.first(ranking.length + 1) ?? []).toEqual(ranking.map(({ row }) => row));
      expect(ranking.map(({ row }) => queue?.standing(row, machine.book.rowAccount(row)))).toEqual(exact);
      compared += ranking.length;
    }
  return compared;
}
