import fc from "fast-check";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { Book, OutOfRange } from "#libs/engine/book.ts";
import { WideColumn, wideMax } from "#libs/engine/columns.ts";
import { FloatScale, mirrorErrorMax, nearestFloat, unitRoundoff } from "#libs/engine/floats.ts";
import { Reader, Writer } from "#libs/engine/writer.ts";
import { canonical, reloaded } from "#test/support/books.ts";
import { r, rulesOf } from "#test/support/pools.ts";
import { propertyOptions } from "#test/support/property.ts";

/** Every size of integer up to 127 bits alike, the neighbours of the limbs' edges more often. */
const wide = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0, max: 127 }), fc.bigInt({ min: 0n, max: wideMax }), fc.boolean())
    .map(([bits, value, negative]) => {
      const cut = value & ((1n << BigInt(bits)) - 1n);
      return negative ? -cut : cut;
    }),
  fc
    .tuple(fc.constantFrom(0n, 31n, 32n, 62n, 63n, 64n, 65n, 96n, 126n), fc.integer({ min: -2, max: 2 }), fc.boolean())
    .map(([bits, near, negative]) => ((1n << bits) + BigInt(near)) * (negative ? -1n : 1n)),
  fc.constantFrom(wideMax, -wideMax),
);

test("NUM-07 a wide column gives back every integer of up to 127 bits, and its neighbours are untouched", () => {
  fc.assert(
    fc.property(wide, wide, wide, (before, value, after) => {
      const column = new WideColumn(3);
      for (const [row, one] of [value, before, after].entries()) column.set(row, one);
      column.set(1, value);
      column.set(0, before);
      expect([column.get(0), column.get(1), column.get(2)]).toEqual([before, value, after]);
      expect(column.isZero(1)).toBe(value === 0n);
      column.grow(64);
      expect([column.get(0), column.get(1), column.get(2), column.get(63)]).toEqual([before, value, after, 0n]);
    }),
    propertyOptions({ numRuns: 500 }),
  );
});

test("NUM-07 a wide column refuses what needs more bits, with nothing changed", () => {
  const beyond = fc.oneof(
    fc.bigInt({ min: wideMax + 1n, max: 1n << 300n }),
    fc.constantFrom(wideMax + 1n, 1n << 127n, 1n << 128n, (1n << 128n) + 5n),
  );
  fc.assert(
    fc.property(wide, beyond, fc.boolean(), (value, magnitude, negative) => {
      const column = new WideColumn(2, "sample");
      column.set(1, value);
      const refused = negative ? -magnitude : magnitude;
      for (const attempt of [() => column.set(1, refused), () => column.check(refused)])
        expect(attempt).toThrow(expect.objectContaining({ code: "out_of_range", what: "sample", value: refused }));
      expect([column.get(0), column.get(1)]).toEqual([0n, value]);
    }),
    propertyOptions({ numRuns: 200 }),
  );
});

/** |float − exact| ≤ bound·|exact|, in exact fractions. */
function within(float: number, exact: Rational, bound: number): boolean {
  const off = exactly(float).minus(exact).abs();
  return off.atMost(exact.abs().times(exactly(bound)));
}

/** A float as the fraction that it is. */
function exactly(float: number): Rational {
  let scale = 1n;
  let whole = float;
  for (; !Number.isInteger(whole); whole *= 2) scale *= 2n;
  return Rational.fraction(BigInt(whole), scale);
}

const unit = fc
  .tuple(fc.bigInt({ min: 1n, max: 10n ** 19n }), fc.integer({ min: 0, max: 18 }), fc.boolean())
  .map(([units, decimals, power]) => Rational.ofUnits(power ? 1n : units, decimals));

test("mirrors are within three roundings of the exact value, and within one below 2^53 units of a power of ten", () => {
  fc.assert(
    fc.property(wide, unit, (count, size) => {
      const exact = size.times(Rational.ofInteger(count));
      const float = new FloatScale(size).toFloat(count);
      expect(within(float, exact, mirrorErrorMax)).toBe(true);
      const small = count <= Number.MAX_SAFE_INTEGER && count >= -Number.MAX_SAFE_INTEGER;
      if (small && size.numerator === 1n) expect(within(float, exact, unitRoundoff)).toBe(true);
      expect(within(nearestFloat(exact), exact, unitRoundoff)).toBe(true);
    }),
    propertyOptions({ numRuns: 500 }),
  );
});

test("every integer, natural and fraction reads back, and equal fractions have equal bytes", () => {
  fc.assert(
    fc.property(fc.bigInt(), wide, fc.bigInt({ min: 1n }), fc.maxSafeNat(), (any, numerator, factor, natural) => {
      const write = (value: Rational): Uint8Array => {
        const writer = new Writer();
        writer.rational(value);
        return writer.bytes();
      };
      const fraction = Rational.fraction(numerator, 7n);
      expect(write(Rational.fraction(numerator * factor, 7n * factor))).toEqual(write(fraction));
      const writer = new Writer();
      writer.integer(any);
      writer.natural(natural);
      writer.rational(fraction);
      const reader = new Reader(writer.bytes());
      expect([reader.integer(), reader.natural()]).toEqual([any, natural]);
      expect(reader.rational().equals(fraction) && reader.ended).toBe(true);
    }),
    propertyOptions({ numRuns: 300 }),
  );
});

const ids = Array.from({ length: 7 }, (_, at) => `acc${(at * 4) % 7}`);
const assets = [
  { id: "USDT", quantum: "0.01" },
  { id: "BTC", quantum: "0.0001" },
];
const instruments = ["P3", "P1", "P2"].map((id) => ({
  id,
  lot: "0.5",
  ...(id === "P2" ? { kind: "inverse" as const, settle: "BTC" } : {}),
}));
const rules = rulesOf(assets, instruments);
/** The same rules, written in the opposite order: number n of the one is number `last − n` of the other. */
const reversed = rulesOf(assets.toReversed(), instruments.toReversed());
function translated(one: Operation): Operation {
  return one.k === "cash" ? { ...one, asset: 1 - one.asset } : { ...one, instrument: 2 - one.instrument };
}

const account = fc.constantFrom(...ids, "house", "clearing");
const asset = fc.integer({ min: 0, max: 1 });
const instrument = fc.integer({ min: 0, max: 2 });
const amount = fc.oneof(
  fc.bigInt({ min: -1000n, max: 1000n }),
  wide.filter((value) => value < 2n ** 100n && value > -(2n ** 100n)),
);
type Operation =
  | { k: "cash"; account: string; asset: number; amount: bigint }
  | { k: "holding"; account: string; instrument: number; qty: bigint; cost: bigint }
  | { k: "margin" | "realised"; account: string; instrument: number; amount: bigint }
  | { k: "close" | "mode" | "settle"; account: string; instrument: number }
  | { k: "funding"; instrument: number; amount: number };
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ k: fc.constant("cash" as const), account, asset, amount }),
  fc.record({ k: fc.constant("holding" as const), account, instrument, qty: amount, cost: amount }),
  fc.record({ k: fc.constantFrom("margin" as const, "realised" as const), account, instrument, amount }),
  fc.record({
    k: fc.constantFrom("close" as const, "close" as const, "mode" as const, "settle" as const),
    account,
    instrument,
  }),
  fc.record({ k: fc.constant("funding" as const), instrument, amount: fc.integer({ min: -5, max: 5 }) }),
);

/** A position as plain values: what a row should hold. */
type Held = { qty: bigint; cost: bigint; margin: bigint; realised: bigint; isolated: boolean; accrued: bigint };
const flat = (): Held => ({ qty: 0n, cost: 0n, margin: 0n, realised: 0n, isolated: false, accrued: 0n });

/** The plain model: one map entry per balance and per position. */
class Model {
  readonly cash = new Map<string, bigint>();
  readonly held = new Map<string, Held>();

  at(account: string, instrument: number): Held {
    const key = `${account}/${instrument}`;
    const held = this.held.get(key) ?? flat();
    this.held.set(key, held);
    return held;
  }

  apply(one: Operation): void {
    if (one.k === "cash") {
      const key = `${one.account}/${one.asset}`;
      this.cash.set(key, (this.cash.get(key) ?? 0n) + one.amount);
    } else if (one.k === "funding") {
      for (const [key, held] of this.held)
        if (key.endsWith(`/${one.instrument}`)) held.accrued -= held.qty * BigInt(one.amount);
    } else {
      const held = this.at(one.account, one.instrument);
      if (one.k === "holding") Object.assign(held, { qty: one.qty, cost: one.cost, accrued: 0n });
      if (one.k === "margin") held.margin += one.amount;
      if (one.k === "realised") held.realised += one.amount;
      if (one.k === "mode") held.isolated = !held.isolated;
      if (one.k === "settle") held.accrued = 0n;
      if (one.k === "close") {
        Object.assign(held, { qty: 0n, cost: 0n, margin: 0n, accrued: 0n });
        if (!held.isolated) this.held.delete(`${one.account}/${one.instrument}`);
      }
    }
  }
}

function applyTo(book: Book, one: Operation): void {
  if (one.k === "funding") {
    book.market.addFunding(one.instrument, Rational.ofInteger(one.amount));
    return;
  }
  const account = book.internAccount(one.account);
  if (one.k === "cash") {
    book.addCash(account, one.asset, one.amount);
    return;
  }
  const row = book.row(account, one.instrument);
  if (one.k === "holding") {
    book.setHolding(row, one.qty, one.cost);
    book.setRowFundingEpoch(row, book.market.fundingEpoch(one.instrument));
  }
  if (one.k === "margin") book.addMargin(row, one.amount);
  if (one.k === "realised") book.addRealised(row, one.amount);
  if (one.k === "settle") book.setRowFundingEpoch(row, book.market.fundingEpoch(one.instrument));
  if (one.k === "mode") book.setIsolated(row, !book.isIsolated(row));
  if (one.k === "close") {
    book.addMargin(row, -book.margin(row));
    book.setHolding(row, 0n, 0n);
    book.releaseRow(row);
  }
}

const sum = (values: Iterable<bigint>): bigint => [...values].reduce((total, value) => total + value, 0n);
const positive = (value: bigint): bigint => (value > 0n ? value : 0n);

function expectSums(book: Book, model: Model): void {
  for (const asset of [0, 1]) {
    const mine = [...model.cash].filter(([key]) => key.endsWith(`/${asset}`));
    expect(book.totalCash(asset)).toBe(sum(mine.map(([, value]) => value)));
    const traders = mine.filter(([key]) => key.startsWith("acc"));
    expect(book.platformCash(asset)).toBe(sum(traders.map(([, value]) => positive(value))));
    const settled = [...model.held].filter(([key]) => book.settleIndex(Number(key.at(-1))) === asset);
    expect(book.netCost(asset)).toBe(sum(settled.map(([, held]) => held.cost)));
    expect(book.totalMargin(asset)).toBe(sum(settled.map(([, held]) => held.margin)));
  }
  for (const instrument of [0, 1, 2]) {
    const lots = [...model.held].filter(([key]) => key.endsWith(`/${instrument}`)).map(([, held]) => held.qty);
    expect([book.longLots(instrument), book.netLots(instrument)]).toEqual([sum(lots.map(positive)), sum(lots)]);
    const held = [...model.held].filter(([key]) => key.endsWith(`/${instrument}`));
    const accrued = r("0.5").times(Rational.ofInteger(sum(held.map(([, one]) => one.accrued))));
    expect(book.unbookedFunding(instrument).equals(accrued)).toBe(true);
  }
}

function expectSame(book: Book, model: Model): void {
  for (const [key, value] of model.cash) {
    const [id, asset] = key.split("/") as [string, string];
    expect(book.cash(book.findAccount(id), Number(asset))).toBe(value);
  }
  let rows = 0;
  for (let row = 0; row < book.rowLimit; row += 1) if (book.rowAccount(row) >= 0) rows += 1;
  expect(rows).toBe(model.held.size);
  for (const [key, held] of model.held) {
    const [id, instrument] = key.split("/") as [string, string];
    const row = book.findRow(book.findAccount(id), Number(instrument));
    const accrued = book.isolatedView(row).position.funding;
    expect([book.qty(row), book.cost(row), book.margin(row), book.realised(row), book.isIsolated(row)]).toEqual([
      held.qty,
      held.cost,
      held.margin,
      held.realised,
      held.isolated,
    ]);
    expect(accrued.equals(r("0.5").times(Rational.ofInteger(held.accrued)))).toBe(true);
  }
}

test("INV-08 any sequence of stores leaves the book as a plain map, before and after a snapshot", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 120, size: "max" }), (operations) => {
      const book = new Book(rules);
      const model = new Model();
      for (const one of operations) {
        applyTo(book, one);
        model.apply(one);
      }
      for (const one of [book, reloaded(book)]) {
        expectSums(one, model);
        expectSame(one, model);
        expect(canonical(one)).toBe(canonical(book));
      }
    }),
    propertyOptions({ numRuns: 60, interruptAfterTimeLimit: 20_000 }),
  );
});

test("INV-08 the canonical bytes do not depend on the order in which accounts, rows and rules were numbered", () => {
  const shuffled = (keys: readonly number[]): string[] =>
    [...ids.keys()].sort((a, b) => (keys[a] as number) - (keys[b] as number)).map((at) => ids[at] as string);
  const keys = fc.array(fc.nat(), { minLength: ids.length, maxLength: ids.length });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 80, size: "max" }), keys, (operations, order) => {
      const book = new Book(rules);
      for (const one of operations) applyTo(book, one);
      const other = new Book(reversed);
      for (const id of shuffled(order)) other.internAccount(id);
      for (const id of shuffled(order)) for (const at of [2, 0, 1]) other.row(other.findAccount(id), at);
      for (const id of shuffled(order))
        for (const at of [0, 1, 2]) other.releaseRow(other.findRow(other.findAccount(id), at));
      for (const one of operations) applyTo(other, translated(one));
      expect(canonical(other)).toBe(canonical(book));
      expect(canonical(reloaded(other))).toBe(canonical(book));
    }),
    propertyOptions({ numRuns: 60, interruptAfterTimeLimit: 20_000 }),
  );
});

test("a refused store in the middle of a sequence leaves no trace", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 30, size: "max" }), account, instrument, (operations, id, at) => {
      const book = new Book(rules);
      for (const one of operations) applyTo(book, one);
      const before = canonical(book);
      const number = book.internAccount(id);
      const row = book.row(number, at);
      expect(() => book.setHolding(row, 1n, -wideMax - 1n)).toThrow(OutOfRange);
      expect(() => book.addCash(number, 0, wideMax * 2n)).toThrow(OutOfRange);
      expect(() => book.addMargin(row, wideMax * 2n)).toThrow(OutOfRange);
      expect(canonical(book)).toBe(before);
    }),
    propertyOptions({ numRuns: 40 }),
  );
});
