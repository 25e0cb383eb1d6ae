import fc from "fast-check";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import { fullWorth, usdQuantum } from "#libs/engine/entries/session.ts";
import { lossOfAll, watchLosses } from "#libs/engine/loss-watch.ts";
import { Machine } from "#libs/engine/machine.ts";
import { roughWorth } from "#libs/engine/rough-worth.ts";
import { exactly } from "#test/support/band-corners.ts";
import {
  Chance,
  generatedAccount,
  generatedDocument,
  generatedMarket,
  quietMachine,
  payFunding,
} from "#test/support/generated-books.ts";
import { propertyOptions } from "#test/support/property.ts";

const keys = ["dayLoss", "weekLoss", "drawdown"] as const;

test("LIM-24 the watch halts whom the exact loss says, however near it is to its limit", () => {
  let [halted, free] = [0, 0];
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (seed) => {
      const chance = new Chance(seed);
      const document = generatedDocument(chance);
      const { rules } = compileRules(document, 1);
      const machine = new Machine(generatedMarket(chance, rules), document, rules, quietMachine);
      const { book, sessions, activity } = machine;
      const account = (generatedAccount(chance, book)[0] as number) >> 1;
      payFunding(chance, book);
      const worth = fullWorth(machine, account);
      if (worth === null) throw new Error("every price is known");
      const { least, most } = roughWorth(machine, account);
      expect(exactly(least).atMost(worth) && exactly(most).atLeast(worth)).toBe(true);
      if (worth.sign <= 0) return;
      const from = worth.times(Rational.parse("1.25")).ceilIn(usdQuantum);
      const exact = usdQuantum.times(Rational.ofInteger(from));
      const lost = exact.minus(worth).dividedBy(exact);
      for (const key of keys)
        for (const eps of ["-0.5", "-0.000000000001", "0", "0.000000000001", "0.000000001", "0.1", "1"]) {
          const share = lost.times(Rational.one.plus(Rational.parse(eps))).toStringUp();
          const name = book.accountId(account);
          const limited = { ...document, accounts: { [name]: { limits: { [key]: share } } } };
          machine.useRules(limited, compileRules(limited, 2).rules);
          for (const session of ["day", "week"] as const) {
            sessions.of(session).begin(0);
            sessions.of(session).open(account, from);
          }
          if (key === "drawdown") activity.peaks.set(account, from);
          activity.halted.clear();
          machine.halts = [];
          watchLosses(machine);
          const loss = lossOfAll(machine, [account], key);
          const due = loss.lost.atLeast(Rational.parse(share).times(loss.from));
          expect([key, eps, machine.halts.length]).toEqual([key, eps, due ? 1 : 0]);
          if (due) halted += 1;
          else free += 1;
        }
    }),
    propertyOptions({ numRuns: 60 }),
  );
  expect(Math.min(halted, free)).toBeGreaterThan(50);
});
