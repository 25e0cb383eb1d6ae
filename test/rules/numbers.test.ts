import { describe, expect, test } from "vitest";
import { Rational, sizeCurve, squareRootUp } from "#libs/decimal/index.ts";
import { roundingPlaces } from "#libs/domain/settlement/ledger.ts";
import { OutOfRange, WideColumn, wideMax } from "#libs/engine/columns.ts";
import { Engine } from "#libs/engine/index.ts";
import { readScenario } from "#apps/cli/scenario.ts";
import { r } from "#test/support/pools.ts";
import { table } from "#test/support/table.ts";

describe("text", () => {
  const permitted = [
    "0",
    "-0",
    "1",
    "-1.5",
    "0.000000000000000001",
    "99999999999999999999",
    "99999999999999999999.999999999999999999",
  ];
  const refused = [
    "",
    " 1",
    "1 ",
    "+1",
    "01",
    "1.",
    ".5",
    "1e3",
    "1,5",
    "0x1",
    "NaN",
    "Infinity",
    "100000000000000000000",
    "0.0000000000000000001",
    "١",
  ];
  test.each(permitted)("NUM-01 %j is an amount", (text) => expect(() => r(text)).not.toThrow());
  test.each(refused)("NUM-01 %j is none", (text) => expect(() => r(text)).toThrow("not a decimal amount"));
});

describe("fractions", () => {
  test("NUM-03 a third three times is one, whatever comes between", () => {
    const third = Rational.one.dividedBy(r("3"));
    expect(third.plus(third).plus(third).equals(Rational.one)).toBe(true);
    expect(third.times(r("1000000000000000000")).dividedBy(r("1000000000000000000")).equals(third)).toBe(true);
  });

  test("NUM-03 numbers that differ only beyond what is shown compare as different", () => {
    const third = Rational.one.dividedBy(r("3"));
    const shown = r(third.toStringDown());
    expect([shown.below(third), shown.equals(third), shown.compare(third)]).toEqual([true, false, -1]);
  });
});

describe("curves", () => {
  const roots = table(`
    rule   | of                   | root                 | because
    NUM-04 | 4                    | 2                    | exact where there is a root
    NUM-04 | 2                    | 1.414213562373095049 | rounded up at 1e-18
    NUM-04 | 0.000000000000000001 | 0.000000001          | of the smallest amount
    NUM-04 | 0                    | 0                    | of nothing
  `);
  for (const { rule, of, root, because } of roots)
    test(`${rule} a root is ${because}`, () => expect(squareRootUp(r(of)).toStringDown()).toBe(root));

  const curves = table(`
    rule   | weight | k      | size    | credit               | because
    NUM-04 | 0.95   | 0.0001 | 0       | 0.95                 | nothing is not bounded
    NUM-04 | 0.95   | 0.0001 | 1000000 | 0.95                 | the curve is still above the weight
    NUM-04 | 0.95   | 0.0001 | 9000000 | 0.846153846153846153 | beyond it, 1.1 / (1 + k·√size), rounded down
    NUM-04 | 0.5    | 0      | 9000000 | 0.5                  | no curve without k
  `);
  for (const { rule, weight, k, size, credit, because } of curves)
    test(`${rule} ${because}`, () => expect(sizeCurve(r(weight), r(k), r(size)).toStringDown()).toBe(credit));
});

describe("roundings", () => {
  test("NUM-05 every place has a name of its own, a direction and somebody it favours", () => {
    const names = roundingPlaces.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(roundingPlaces.find(({ name }) => name === "fill_value")).toMatchObject({
      direction: "up",
      favour: "rounding",
    });
  });

  const cases = table(`
    rule   | amount | quantum | up  | down | because
    NUM-05 | 1.01   | 0.1     | 1.1 | 1    | to the quantum
    NUM-05 | -1.01  | 0.1     | -1  | -1.1 | by sign, not by magnitude
    NUM-05 | 1.1    | 0.1     | 1.1 | 1.1  | whole quanta stay
    NUM-05 | 7      | 5       | 10  | 5    | quanta above one
  `);
  for (const { rule, amount, quantum, up, down, because } of cases)
    test(`${rule} up and down ${because}`, () => {
      expect([r(amount).ceilTo(r(quantum)), r(amount).floorTo(r(quantum))].map(String)).toEqual(
        [up, down].map((text) => String(r(text))),
      );
    });
});

describe("shown", () => {
  const cases = table(`
    rule   | of | by | up                    | down
    NUM-06 | 1  | 3  | 0.333333333333333334  | 0.333333333333333333
    NUM-06 | -1 | 3  | -0.333333333333333333 | -0.333333333333333334
    NUM-06 | 10 | 4  | 2.5                   | 2.5
    NUM-06 | 0  | 7  | 0                     | 0
  `);
  for (const { rule, of, by, up, down } of cases)
    test(`${rule} ${of}/${by} at 18 decimals`, () => {
      const value = r(of).dividedBy(r(by));
      expect([value.toStringUp(), value.toStringDown()]).toEqual([up, down]);
    });
});

describe("range", () => {
  test("NUM-07 the largest magnitude is stored, the next one refused with nothing changed", () => {
    const column = new WideColumn(2);
    column.set(0, wideMax);
    column.set(1, -wideMax);
    expect(() => column.set(0, wideMax + 1n)).toThrow(OutOfRange);
    expect([column.get(0), column.get(1)]).toEqual([wideMax, -wideMax]);
  });

  test("NUM-07 a trade beyond the range is refused by a fact, and nothing has moved", () => {
    const engine = smallExchange("0.000000000000000001");
    const before = engine.account("a");
    const qty = "90000000000000000000";
    const { facts } = engine.apply({
      k: "trade",
      instrument: "BTC-PERP",
      buyer: "a",
      seller: "b",
      qty,
      price: "50000",
      t: 1,
    });
    expect(facts.map((one) => one.fact)).toContain("trade.refused");
    expect(engine.account("a")).toEqual(before);
  });
});

describe("grain and time", () => {
  const file = (entry: object): string =>
    JSON.stringify({
      rules: { assets: [{ id: "USDT", quantum: "0.01" }], instruments: [] },
      entries: [{ t: 5, k: "index", asset: "USDT", price: "1" }, entry],
    });

  test("NUM-02 an amount off the quantum is refused at the border, on it it is taken", () => {
    expect(readScenario(file({ t: 5, k: "cash", account: "a", asset: "USDT", amount: "1.001" })).ok).toBe(false);
    expect(readScenario(file({ t: 5, k: "cash", account: "a", asset: "USDT", amount: "1.01" })).ok).toBe(true);
  });

  test("NUM-08 an entry of an earlier time takes place at the latest time so far", () => {
    const engine = smallExchange("0.01");
    engine.apply({ k: "time", t: 70_000 });
    const { facts } = engine.apply({ k: "cash", account: "a", asset: "USDT", amount: "1", t: 10 });
    expect(facts.map((one) => one.t)).toEqual([70_000]);
  });
});

function smallExchange(quantum: string): Engine {
  const terms = { kind: "linear" as const, base: "BTC", quote: "USDT", settle: "USDT", lot: "0.001" };
  const engine = Engine.create({
    assets: [{ id: "USDT", quantum }, { id: "BTC" }],
    instruments: [{ id: "BTC-PERP", ...terms }],
  });
  engine.apply({ k: "frame", index: { USDT: "1", BTC: "50000" }, mark: { "BTC-PERP": "50000" }, t: 0 });
  for (const account of ["a", "b"]) engine.apply({ k: "cash", account, asset: "USDT", amount: "1000", t: 0 });
  return engine;
}
