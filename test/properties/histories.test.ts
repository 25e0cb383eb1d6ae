import fc from "fast-check";
import { describe, test } from "vitest";
import { histories } from "#test/support/histories.ts";
import { checkBooks, checkFunding } from "#test/support/history-books.ts";
import { runHistory } from "#test/support/history-run.ts";
import { propertyOptions } from "#test/support/property.ts";

describe("every entry of every history", () => {
  test("INV-01 INV-02 INV-03 money is neither made nor lost, longs are shorts, funds never owe", () => {
    fc.assert(
      fc.property(histories(), (history) => {
        runHistory(history, [checkBooks, checkFunding]);
      }),
      propertyOptions({ numRuns: 40 }),
    );
  });
});
