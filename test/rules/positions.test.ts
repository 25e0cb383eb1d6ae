import { describe, expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import type { EntryBody, Fact } from "#libs/contracts/log.ts";
import { applyFill } from "#libs/domain/positions/fill.ts";
import { entryPrice, notional, unrealisedProfit, value } from "#libs/domain/positions/value.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { InstrumentDocument } from "#libs/domain/rule-set/documents.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { Engine } from "#libs/engine/index.ts";
import { r, rulesOf } from "#test/support/pools.ts";
import { table } from "#test/support/table.ts";

const inverse = { kind: "inverse" as const, base: "BTC", quote: "USD", settle: "BTC" };
const rules = rulesOf(
  [],
  [
    { id: "linear", multiplier: "0.1" },
    { id: "inverse", multiplier: "100", ...inverse },
  ],
);

function instrument(id: string): InstrumentRules {
  const found = rules.instruments.get(id);
  if (found === undefined) throw new Error(`no ${id}`);
  return found;
}

describe("values", () => {
  const cases = table(`
    rule   | kind    | q   | price | value   | because
    POS-01 | linear  | 3   | 50000 | 15000   | q·m·p
    POS-01 | linear  | -3  | 50000 | -15000  | a short's is negative
    POS-01 | inverse | 3   | 50000 | -0.006  | −q·m/p, in base
    POS-01 | inverse | -3  | 50000 | 0.006   | a short's is positive
  `);
  for (const { rule, kind, q, price, value: expected, because } of cases)
    test(`${rule} ${kind}: ${because}`, () =>
      expect(value(instrument(kind), r(q), r(price)).toStringDown()).toBe(expected));

  test.each(["linear", "inverse"])("POS-02 the notional of %s has no sign", (kind) => {
    expect(notional(instrument(kind), r("-3"), r("50000")).toStringDown()).toBe(kind === "linear" ? "15000" : "0.006");
  });

  const profits = table(`
    rule   | kind    | q  | entry | mark   | profit | because
    POS-03 | linear  | 1  | 50000 | 52000  | 200    | a long gains when the price rises
    POS-03 | linear  | -1 | 50000 | 52000  | -200   | a short loses
    POS-03 | inverse | 5  | 50000 | 100000 | 0.005  | an inverse long gains base, by 1/p
    POS-03 | inverse | 5  | 50000 | 25000  | -0.01  | and loses more of it on the same way down
    POS-03 | inverse | -5 | 50000 | 25000  | 0.01   | what its short gains
  `);
  for (const { rule, kind, q, entry, mark, profit, because } of profits)
    test(`${rule} ${because}`, () => {
      const cost = value(instrument(kind), r(q), r(entry));
      expect(unrealisedProfit(instrument(kind), r(q), cost, r(mark)).toStringDown()).toBe(profit);
      expect(
        entryPrice(instrument(kind), r(q), cost).toStringDown(),
        "POS-04 the entry price comes back from cost",
      ).toBe(entry);
    });

  test.each(["linear", "inverse"])("POS-04 two entries of %s average by what they cost", (kind) => {
    const cost = value(instrument(kind), r("1"), r("40000")).plus(value(instrument(kind), r("1"), r("60000")));
    expect(entryPrice(instrument(kind), r("2"), cost).toStringDown()).toBe(kind === "linear" ? "50000" : "48000");
  });
});

describe("fills", () => {
  // Costs and profits in whole quanta of 0.01; multiplier 0.1 of the linear, 100 of the inverse instrument.
  const cases = table(`
    rule   | kind    | held | cost  | q   | price   | after | left  | realised | rounding | because
    POS-05 | linear  | 0    | 0     | 1   | 100.01  | 1     | 10.01 | 0        | 0.009    | a purchase costs the next quantum
    POS-05 | linear  | 0    | 0     | -1  | 100.01  | -1    | -10   | 0        | 0.001    | a sale brings whole quanta alone
    POS-05 | inverse | 0    | 0     | 1   | 30000   | 1     | 0     | 0        | 0.00333… | inverse values round up by sign too
    POS-07 | linear  | 2    | 20    | 3   | 110     | 5     | 53    | 0        | 0        | adding adds its value
    POS-06 | linear  | 3    | 30    | -1  | 110     | 2     | 20    | 1        | 0        | reducing takes its part of the cost
    POS-06 | linear  | 3    | 10    | -1  | 110     | 2     | 6.66  | 7.66     | 0        | and of a cost that does not divide the next quantum
    POS-06 | linear  | -3   | -10   | 1   | 110     | -2    | -6.67 | -7.67    | 0        | a short's too, against it
    POS-06 | linear  | 3    | 10    | -3  | 110     | 0     | 0     | 23       | 0        | a full close takes all of it
    POS-07 | linear  | 2    | 20    | -5  | 110     | -3    | -33   | 2        | 0        | a fill through zero closes, then opens at its price
    POS-07 | linear  | -2   | -20   | 5   | 110     | 3     | 33    | -2       | 0        | the other way round
    POS-05 | linear  | 1    | 10    | -2  | 100.01  | -1    | -10   | 0        | 0.002    | each leg of a flip rounds on its own
    POS-07 | inverse | 200  | -0.4  | -300 | 40000  | -100  | 0.25  | -0.1     | 0        | an inverse flip, at a lower price a loss
  `);
  for (const { rule, kind, held, cost, q, price, after, left, realised, rounding, because } of cases)
    test(`${rule} ${kind}: ${because}`, () => {
      const outcome = applyFill(instrument(kind), { qty: r(held), cost: r(cost) }, r(q), r(price), r("0.01"));
      const shown = [outcome.after.qty, outcome.after.cost, outcome.realised].map((one) => one.toStringDown());
      expect(shown).toEqual([after, left, realised]);
      const added = outcome.rounding.toStringDown();
      expect(rounding.endsWith("…") ? added.startsWith(rounding.slice(0, -1)) : added === rounding, added).toBe(true);
    });

  const atMark = table(`
    rule   | kind    | held | cost   | q
    POS-08 | linear  | 3    | 28.50  | 2
    POS-08 | linear  | 3    | 28.50  | -2
    POS-08 | linear  | 3    | 28.50  | -7
    POS-08 | inverse | -300 | 0.60   | 100
    POS-08 | inverse | -300 | 0.60   | 500
  `);
  for (const { rule, kind, held, cost, q } of atMark)
    test(`${rule} ${kind}: ${q} at mark from ${held} leaves equity what it was`, () => {
      const [mark, quantum] = [r("50000"), r("0.01")];
      const before = unrealisedProfit(instrument(kind), r(held), r(cost), mark);
      const { after, realised, rounding } = applyFill(
        instrument(kind),
        { qty: r(held), cost: r(cost) },
        r(q),
        mark,
        quantum,
      );
      const now = unrealisedProfit(instrument(kind), after.qty, after.cost, mark).plus(realised).plus(rounding);
      expect(now.minus(before).toString()).toBe("0");
    });
});

/** An exchange where a holds an isolated long against b: BTC at 50000, 10x, cash 20000 each, quantum 0.01. */
class Small {
  readonly engine: Engine;

  constructor(more: Partial<InstrumentDocument> = {}, setUp: { isolated?: boolean; qty?: string } = {}) {
    const tiers = [{ from: "0", im: "0.01", mm: "0.005" }];
    const terms = { kind: "linear" as const, base: "BTC", quote: "USDT", settle: "USDT", lot: "0.001", tiers, ...more };
    const assets = [{ id: "USDT", quantum: "0.01" }, { id: "BTC" }];
    this.engine = Engine.create({ assets, instruments: [{ id: "BTC-PERP", ...terms }] });
    this.do({ k: "frame", index: { USDT: "1", BTC: "50000" }, mark: { "BTC-PERP": "50000" } });
    for (const account of ["a", "b"]) this.do({ k: "cash", account, asset: "USDT", amount: "20000" });
    if (setUp.isolated ?? true)
      this.do({ k: "mode", account: "a", instrument: "BTC-PERP", mode: "isolated", leverage: "10" });
    if (setUp.qty !== "0") this.trade(setUp.qty ?? "1", "50000");
  }

  do(body: EntryBody): readonly Fact[] {
    return this.engine.apply({ ...body, t: 0 }).facts;
  }

  /** a buys, or sells where the quantity is negative. */
  trade(qty: string, price: string, fees = false): readonly Fact[] {
    const sells = qty.startsWith("-");
    const [buyer, seller] = sells ? ["b", "a"] : ["a", "b"];
    return this.do({
      k: "trade",
      instrument: "BTC-PERP",
      buyer: buyer,
      seller: seller,
      qty: sells ? qty.slice(1) : qty,
      price,
      fees,
    });
  }

  /** Cross cash and margin of a. */
  get money(): readonly (string | null | undefined)[] {
    const { cash, positions } = this.engine.account("a");
    return [cash["USDT"], positions[0]?.margin];
  }
}

const refused = (facts: readonly Fact[]): unknown => facts.find((one) => one.fact.endsWith(".rejected"))?.["codes"];

describe("isolated pools", () => {
  test("POS-10 opening moves initial margin from cross cash, adding what adding requires at its price", () => {
    const small = new Small();
    expect(small.money).toEqual(["15000", "5000"]);
    small.trade("1", "51000");
    expect(small.money).toEqual(["9900", "10100"]);
  });

  test("POS-10 what moves is rounded up", () => {
    const small = new Small({}, { qty: "0" });
    small.do({ k: "mode", account: "a", instrument: "BTC-PERP", leverage: "3" });
    small.trade("0.001", "50000");
    expect(small.money).toEqual(["19983.33", "16.67"]);
  });

  test("POS-11 reducing releases its part of the margin and the profit", () => {
    const small = new Small();
    small.trade("-0.25", "52000");
    expect(small.money).toEqual(["16750", "3750"]);
  });

  test("POS-11 what is released is rounded down", () => {
    const small = new Small({}, { qty: "0.003" });
    small.trade("0.004", "50000");
    // 35.03 of margin for seven lots: three of them release 15.0128….
    small.do({ k: "margin", account: "a", instrument: "BTC-PERP", amount: "0.03" });
    small.trade("-0.003", "50000");
    expect(small.money).toEqual(["19979.98", "20.02"]);
  });

  test("POS-12 a loss eats the released margin first, then the rest of it", () => {
    const small = new Small();
    small.trade("-0.5", "48000");
    expect(small.money, "1000 of the 2500 released are lost").toEqual(["16500", "2500"]);
    const other = new Small();
    other.trade("-0.5", "42000");
    expect(other.money, "4000 are lost, 2500 of them were released").toEqual(["15000", "1000"]);
  });

  test("POS-12 what the margin cannot cover is a deficit, and cross cash stays as it is", () => {
    const small = new Small();
    small.trade("-1", "44000");
    expect(small.money).toEqual(["15000", undefined]);
    expect(small.engine.exchange().badDebt).toMatchObject({ USDT: "1000" });
  });

  test("POS-12 at exactly the margin there is none", () => {
    const small = new Small();
    small.trade("-1", "45000");
    expect([small.money[0], small.engine.exchange().badDebt["USDT"]]).toEqual(["15000", "0"]);
  });
});

describe("modes and margin", () => {
  const change = { k: "mode", account: "a", instrument: "BTC-PERP" } as const;

  test("POS-13 the mode changes only without position and orders", () => {
    const small = new Small({}, { isolated: false });
    expect(refused(small.do({ ...change, mode: "isolated" }))).toEqual(["position_or_orders_open"]);
    small.trade("-1", "50000");
    const order = {
      k: "order",
      account: "a",
      id: "o1",
      instrument: "BTC-PERP",
      side: "buy",
      qty: "0.1",
      price: "40000",
    } as const;
    small.do(order);
    expect(refused(small.do({ ...change, mode: "isolated" }))).toEqual(["position_or_orders_open"]);
    small.do({ k: "cancel", account: "a", id: "o1" });
    expect(refused(small.do({ ...change, mode: "isolated" }))).toBeUndefined();
    expect(refused(small.do({ ...change, mode: "isolated" })), "the mode it has already").toBeUndefined();
  });

  const leverages = table(`
    rule   | from | to  | codes          | because
    POS-14 | 10   | 20  |                | initial margin falls
    POS-14 | 10   | 2.5 |                | it rises to 20000, free covers it
    POS-14 | 10   | 2.4 | initial_margin | free does not cover it
  `);
  for (const { rule, from, to, codes, because } of leverages)
    test(`${rule} leverage from ${from} to ${to}: ${because}`, () => {
      const small = new Small({}, { isolated: false, qty: "0" });
      small.do({ ...change, leverage: from });
      small.trade("1", "50000");
      expect(refused(small.do({ ...change, leverage: to }))).toEqual(codes === "" ? undefined : [codes]);
      expect(small.engine.account("a").positions[0]?.leverage).toBe(codes === "" ? to : from);
    });

  const margins = table(`
    rule   | amount    | codes             | cash  | margin | because
    POS-15 | 100       |                   | 14900 | 5100   | added from cross cash
    POS-15 | 15000     |                   | 0     | 20000  | all of it
    POS-15 | 15000.01  | insufficient_cash | 15000 | 5000   | no more than there is
    POS-15 | -0.01     | initial_margin    | 15000 | 5000   | not below what the position needs
  `);
  for (const { rule, amount, codes, cash, margin, because } of margins)
    test(`${rule} margin of ${amount}: ${because}`, () => {
      const small = new Small();
      const facts = small.do({ k: "margin", account: "a", instrument: "BTC-PERP", amount });
      expect(refused(facts)).toEqual(codes === "" ? undefined : [codes]);
      expect(small.money).toEqual([cash, margin]);
    });

  test("POS-15 what was added may be removed again, down to the requirement", () => {
    const small = new Small();
    small.do({ k: "margin", account: "a", instrument: "BTC-PERP", amount: "100" });
    expect(refused(small.do({ k: "margin", account: "a", instrument: "BTC-PERP", amount: "-100" }))).toBeUndefined();
    expect(small.money).toEqual(["15000", "5000"]);
  });

  test("POS-15 there is no margin to move in a cross pool", () => {
    const small = new Small({}, { isolated: false });
    expect(refused(small.do({ k: "margin", account: "a", instrument: "BTC-PERP", amount: "1" }))).toEqual([
      "not_isolated",
    ]);
  });

  test("POS-15 ordinary fees come from cross cash, funding goes to the margin", () => {
    const small = new Small({ takerFee: "0.001" });
    small.trade("1", "50000", true);
    expect(small.money).toEqual(["9950", "10000"]);
    small.do({ k: "funding", instrument: "BTC-PERP", rate: "0.001" });
    small.do({ k: "settle", instrument: "BTC-PERP" });
    expect(small.money).toEqual(["9950", "9900"]);
  });
});

describe("listing", () => {
  const cases = table(`
    rule   | kind    | base | settle | code           | because
    POS-16 | linear  | BTC  | BTC    | own_underlying | a linear contract settles in something else
    POS-16 | inverse | BTC  | USDT   | wrong_settle   | an inverse one in its base
    POS-16 | linear  | BTC  | USDT   |                | as it should be
    POS-16 | inverse | BTC  | BTC    |                | as it should be
  `);
  for (const { rule, kind, base, settle, code, because } of cases)
    test(`${rule} ${kind} on ${base} in ${settle}: ${because}`, () => {
      const one = { id: "X", kind: kind as "linear", base, quote: "USD", settle };
      const { problems } = compileRules({ assets: [{ id: "BTC" }, { id: "USDT" }], instruments: [one] }, 1);
      expect(problems.map((problem) => problem.code)).toEqual(code === "" ? [] : [code]);
    });
});

test("POS-05 both parties of a fill round on their own, and `rounding` has what that adds", () => {
  const small = new Small({ lot: "0.000001" }, { isolated: false, qty: "0" });
  small.trade("0.000001", "50000.3");
  expect(small.engine.exchange().rounding["USDT"]).toBe("0.01");
  expect(Rational.parse(small.engine.account("a").positions[0]?.entry ?? "0").toStringDown()).toBe("60000");
});
