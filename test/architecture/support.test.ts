import fc from "fast-check";
import { expect, test } from "vitest";
import { failureMessage, propertyOptions } from "#test/support/property.ts";
import { table } from "#test/support/table.ts";

test("a table gives trimmed cells under the header's names", () => {
  const rows = table(`
    rule | size | because
    # a remark, a ruler and an empty line are passed over
    -----|------|--------

    A    |  1   | one: two
    B    |      | an empty cell is an empty string
  `);
  expect(rows).toEqual([
    { rule: "A", size: "1", because: "one: two" },
    { rule: "B", size: "", because: "an empty cell is an empty string" },
  ]);
  expect(table("| a | b |\n|---|---|\n| 1 | 2 |")).toEqual([{ a: "1", b: "2" }]);
  // @ts-expect-error A column that the header does not name does not compile.
  expect(rows[0]?.sise).toBeUndefined();
});

test("a table that is empty or ragged is an error, never a pass", () => {
  expect(() => table("")).toThrow("at least one row");
  expect(() => table("a | b")).toThrow("at least one row");
  expect(() => table("a | b\n1")).toThrow("1 cells under 2 columns: 1");
  expect(() => table("a | a\n1 | 2")).toThrow("distinct names");
});

test("a failed property says its seed and path, a passed one says nothing", () => {
  const check = (seed: number, holds: boolean) =>
    fc.check(
      fc.property(fc.integer(), () => holds),
      { seed },
    );
  expect(failureMessage(check(42, true))).toBeUndefined();
  expect(failureMessage(check(42, false))).toMatch(/^seed 42, path "0[:0-9]*"\. Run it again with PLIMSOLL_SEED=42\n/);
});

test("a property's runs are its own times the factor, and its seed is always known", () => {
  const factor = Number(process.env["PLIMSOLL_RUNS"] ?? "1");
  const options = propertyOptions({ numRuns: 7 });
  expect(options.numRuns).toBe(7 * factor);
  expect(Number.isSafeInteger(options.seed)).toBe(true);
});

test("the options fit any property, and a failure through them names its seed", () => {
  fc.assert(
    fc.property(fc.integer(), fc.string(), (a, b) => `${a}${b}`.endsWith(b)),
    propertyOptions({ numRuns: 5 }),
  );
  const options = { ...propertyOptions({ seed: 7 }), seed: 7 };
  expect(() =>
    fc.assert(
      fc.property(fc.nat(), (n) => n < 0),
      options,
    ),
  ).toThrow("PLIMSOLL_SEED=7");
});
