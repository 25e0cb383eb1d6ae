import { describe, expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { Book, OutOfRange, RulesIncompatible } from "#libs/engine/book.ts";
import { nearestFloat } from "#libs/engine/floats.ts";
import { PriceMissing } from "#libs/engine/market.ts";
import { Unreadable, Reader, Writer } from "#libs/engine/writer.ts";
import { assets, canonical, instruments, reloaded, rules, sample } from "#test/support/books.ts";
import { r, rulesOf } from "#test/support/pools.ts";

const shown = (value: Rational | null): string | null => value?.toStringDown() ?? null;

describe("views", () => {
  test("the market view shows the present market, and names what has no price", () => {
    const book = new Book(rules());
    const market = book.marketView();
    expect(() => market.index("BTC")).toThrow(PriceMissing);
    expect(() => market.mark("Z-PERP")).toThrow(expect.objectContaining({ code: "price_missing", id: "Z-PERP" }));
    expect(market.openInterest("Z-PERP").isZero()).toBe(true);
    book.market.setIndexPrice(1, r("50000"));
    expect(market.index("BTC").equals(r("50000"))).toBe(true);
    expect(book.marketView()).toBe(market);
    expect(() => market.index("none")).toThrow(/no asset none/);
  });

  test("the unit of account is worth one without anybody saying so", () => {
    const book = new Book(rulesOf([{ id: "USD", quantum: "0.01" }, ...assets], instruments));
    expect(book.marketView().index("USD").equals(Rational.one)).toBe(true);
  });

  test.each([
    ["Z-PERP", "100000"],
    ["A-INV", "0.75"],
  ])("TIER-06 open interest of %s is Σ long value at mark in the settle asset: %s", (id, expected) => {
    const book = sample();
    book.setHolding(book.row(book.internAccount("carol"), 1), 300n, -75_000_000n);
    expect(shown(book.marketView().openInterest(id))).toBe(expected);
  });

  test("platform cash counts traders' positive cash alone", () => {
    const book = sample();
    book.addCash(0, 1, 5n);
    expect(shown(book.marketView().platformCash("BTC"))).toBe("1.5");
    expect(shown(book.marketView().platformCash("USDT"))).toBe("0");
  });

  test("a cross pool lists cash, positions and orders, each in its order, and isolated positions apart", () => {
    const book = sample();
    const pool = book.crossView(book.findAccount("alice"));
    expect(pool.cash.map(({ asset, amount }) => [asset, shown(amount)])).toEqual([
      ["BTC", "1.5"],
      ["USDT", "-2.5"],
    ]);
    expect(
      pool.positions.map((one) => [one.instrument.id, shown(one.qty), shown(one.cost), shown(one.leverage)]),
    ).toEqual([
      ["A-INV", "-400", "1", null],
      ["Z-PERP", "2", "100000", "100"],
    ]);
    expect(pool.orders.map((one) => [one.id, shown(one.qty), shown(one.price), shown(one.leverage)])).toEqual([
      ["early", "0.005", null, "100"],
      ["late", "0.005", "49000", "100"],
    ]);
    expect(pool.isolated).toEqual([]);
  });

  test("an isolated pool has its margin, its position and its chosen leverage", () => {
    const book = sample();
    const bob = book.findAccount("bob");
    const row = book.findRow(bob, 0);
    const pool = book.isolatedView(row);
    expect([shown(pool.margin), shown(pool.position.qty), shown(pool.position.leverage)]).toEqual(["7", "-2", "10"]);
    expect([book.crossView(bob).positions.length, book.crossView(bob).isolated.length]).toEqual([0, 1]);
    expect([book.poolView(book.isolatedPool(row)).kind, book.poolView(book.crossPool(bob)).kind]).toEqual([
      "isolated",
      "cross",
    ]);
    expect([book.poolRow(book.isolatedPool(row)), book.poolRow(book.crossPool(bob))]).toEqual([row, -1]);
    expect([book.poolAccount(book.isolatedPool(row)), book.poolAccount(book.crossPool(bob))]).toEqual([bob, bob]);
  });
});

describe("funding", () => {
  test("FUND-03 a position has accrued −q·(payments since it was booked), from the epoch it opened at", () => {
    const book = sample();
    const row = book.findRow(book.findAccount("alice"), 0);
    const accrued = (): string | null =>
      shown(book.crossView(book.findAccount("alice")).positions.find((one) => one.instrument.id === "Z-PERP")!.funding);
    expect(accrued()).toBe("0");
    book.market.addFunding(0, r("5"));
    book.market.addFunding(0, r("-1.5"));
    expect(accrued()).toBe("-7");
    book.setRowFundingEpoch(row, 1);
    expect([accrued(), book.market.fundingSinceFloat(0, 1)]).toEqual(["3", -1.5]);
    const carol = book.row(book.internAccount("carol"), 0);
    book.market.addFunding(0, r("100"));
    book.setHolding(carol, 1_000n, 1n);
    expect(book.crossView(book.findAccount("carol")).positions[0]!.funding.isZero()).toBe(true);
    expect(book.oldestEpoch(0)).toBe(0);
  });

  test("FUND-03 payments nobody needs are forgotten, and too many unbooked ones refused", () => {
    const book = sample();
    for (let count = 0; count < 1000; count += 1) book.market.addFunding(0, r("0.1"));
    expect(() => book.market.addFunding(0, r("0.1"))).toThrow(OutOfRange);
    expect(shown(book.market.fundingSince(0, 0))).toBe("100");
    book.market.rebaseFunding(0, 900);
    expect(() => book.market.fundingSince(0, 0)).toThrow(RangeError);
    expect([book.market.fundingEpoch(0), shown(book.market.fundingSince(0, 900))]).toEqual([1000, "10"]);
    expect(() => book.market.fundingSince(0, 899)).toThrow(RangeError);
    book.market.addFunding(0, r("1"));
    expect(shown(book.market.fundingSince(0, 1000))).toBe("1");
  });
});

describe("market", () => {
  test("each factor follows its value, and is no number before there is one", () => {
    const { market } = new Book(rules());
    expect([market.factors[market.markFactor(0)], market.factors[market.indexFactor(1)]]).toEqual([
      Number.NaN,
      Number.NaN,
    ]);
    market.setMarkPrice(0, r("50000.1"));
    market.setIndexPrice(1, r("3"));
    expect([market.factors[market.markFactor(0)], market.factors[market.indexFactor(1)]]).toEqual([50000.1, 3]);
    expect(market.factors[market.haircutFactor(1)]).toBe(0.95);
    market.setHaircuts(1, r("0.2"), r("0.1"));
    expect(market.factors[market.haircutFactor(1)]).toBe(0.9);
    expect([shown(market.haircutInitial(1)), shown(market.haircutMaintenance(0))]).toEqual(["0.2", "0"]);
    expect(market.factorCount).toBe(8);
    const numbers = [0, 1].flatMap((at) => [
      market.markFactor(at),
      market.fundingFactor(at),
      market.indexFactor(at),
      market.haircutFactor(at),
    ]);
    expect(new Set(numbers).size).toBe(8);
  });

  test("the funding factor is 1 + F/scale and stays positive, its scale changing when F outgrows it", () => {
    const { market } = new Book(rules());
    const factor = (): number => market.factors[market.fundingFactor(0)]!;
    expect(factor()).toBe(1);
    market.setMarkPrice(0, r("40000"));
    const scale = market.fundingScale(0);
    expect(scale).toBe(2 ** 20 * 65_536);
    expect(market.addFunding(0, r("400"))).toBe(false);
    expect(factor()).toBe(1 + 400 / scale);
    expect(market.addFunding(0, Rational.ofInteger(-scale))).toBe(true);
    expect(market.fundingScale(0)).toBeGreaterThan(scale);
    expect(factor()).toBeGreaterThan(0.5);
  });

  test("a quality is as old as its last change", () => {
    const { market } = new Book(rules());
    market.setAssetQuality(0, "stale", 5);
    market.setAssetQuality(0, "stale", 9);
    market.setInstrumentQuality(0, "disputed", 7);
    expect([market.assetQuality(0), market.assetQualitySince(0)]).toEqual(["stale", 5]);
    expect([market.instrumentQuality(0), market.instrumentQualitySince(0), market.instrumentQuality(1)]).toEqual([
      "disputed",
      7,
      "good",
    ]);
    market.setMarkPrice(0, r("1"), 11);
    market.setMarkPrice(0, r("2"));
    expect([market.instrumentPriceTime(0), market.assetPriceTime(0)]).toEqual([11, 0]);
  });

  test.each([
    ["0.1", 0.1],
    ["12345678901234567890.123456789012345678", 1.2345678901234567e19],
    ["0.000000000000000001", 1e-18],
    ["-99999999999999999999.999999999999999999", -1e20],
    ["9007199254740993", 9007199254740992],
    ["9007199254740993.000000000000000001", 9007199254740994],
  ])("the nearest float of %s is rounded once", (text, expected) => {
    expect(nearestFloat(r(text))).toBe(expected);
  });
});

describe("change of rules", () => {
  const perp = instruments[0]!;
  const inverse = instruments[1]!;
  test.each([
    ["lot", [{ ...perp, lot: "0.01" }, inverse], assets],
    ["multiplier", [{ ...perp, multiplier: "2" }, inverse], assets],
    ["index", [{ ...perp, index: "USDT" }, inverse], assets],
    ["base", [{ ...perp, base: "ETH" }, inverse], assets],
    ["settle", [perp, { ...inverse, settle: "USDT" }], assets],
    ["kind", [perp, { ...inverse, kind: "linear" as const }], assets],
    ["gone", [perp], assets],
    ["quantum", instruments, [assets[0]!, { id: "BTC", quantum: "0.001" }]],
    ["gone", instruments, [assets[0]!]],
  ])("a change of %s of what is in use is refused, nothing changed", (field, changed, changedAssets) => {
    const book = sample();
    const before = canonical(book);
    expect(() => book.setRules(rulesOf(changedAssets, changed))).toThrow(RulesIncompatible);
    expect(() => book.setRules(rulesOf(changedAssets, changed))).toThrow(expect.objectContaining({ field }));
    expect([canonical(book), book.rules.instruments.size]).toEqual([before, 2]);
  });

  test("what is not in use may change or go, and comes back with its number and no price", () => {
    const book = new Book(rules());
    book.market.setMarkPrice(1, r("5"));
    book.row(book.internAccount("a"), 0);
    book.setRules(rulesOf(assets, [perp]));
    expect([book.instrumentIndex("A-INV"), book.isInstrumentListed(1)]).toEqual([-1, false]);
    expect(() => book.instrumentRules(1)).toThrow(RangeError);
    book.setRules(rulesOf(assets, [perp, { ...inverse, lot: "10" }]));
    expect([book.instrumentIndex("A-INV"), book.market.markPrice(1)]).toEqual([1, null]);
    book.setHolding(book.row(book.findAccount("a"), 1), 1n, 1n);
    expect(book.exposureF[book.findRow(book.findAccount("a"), 1)]).toBe(1000);
  });

  test("what is no longer in use may go, and so may an asset that only its instruments needed", () => {
    const book = new Book(rules());
    const account = book.internAccount("a");
    const row = book.row(account, 0);
    for (const quanta of [5n, -5n]) book.addCash(account, 1, quanta);
    expect(() => book.setRules(rulesOf(assets, [inverse]))).toThrow(RulesIncompatible);
    expect(() => book.setRules(rulesOf([assets[0]!], [perp]))).toThrow(RulesIncompatible);
    expect(() => book.setRules(rulesOf([assets[1]!], [perp]))).toThrow(RulesIncompatible);
    book.releaseRow(row);
    book.setRules(rulesOf([assets[0]!], [perp]));
    expect([book.assetIndex("BTC"), book.indexAsset(0)]).toEqual([-1, -1]);
    book.addOrder({ account, id: "o", instrument: 0, side: "buy", lots: 1n, price: null, reduceOnly: false, seq: 1 });
    expect(() => book.setRules(rulesOf(assets, [inverse]))).toThrow(RulesIncompatible);
  });

  test("new haircuts of the rules count until one is set", () => {
    const book = sample();
    book.setRules(rulesOf([assets[0]!, { ...assets[1]!, haircut: { base: "0.1" } }], instruments));
    expect(book.market.factors[book.market.haircutFactor(1)]).toBe(0.9);
  });
});

describe("keeping", () => {
  test("INV-08 a loaded book is the saved one, numbers, sums, mirrors and sagas included", () => {
    const book = sample();
    book.market.addFunding(0, r("0.3333"));
    book.addRounding(0, r("0.0000004"));
    book.releaseRow(book.row(book.internAccount("gone"), 1));
    book.setSaga(book.crossPool(book.findAccount("alice")), 7);
    book.setWarned(book.crossPool(book.findAccount("bob")), 2);
    const copy = reloaded(book);
    expect(canonical(copy)).toBe(canonical(book));
    const sums = (of: Book): unknown[] =>
      [0, 1].map((at) => [
        of.totalCash(at),
        of.platformCash(at),
        of.netCost(at),
        of.totalMargin(at),
        of.longLots(at),
        of.netLots(at),
      ]);
    expect(sums(copy)).toEqual(sums(book));
    expect(copy.saga(copy.crossPool(copy.findAccount("alice")))).toBe(7);
    expect(copy.warned(copy.crossPool(copy.findAccount("bob")))).toBe(2);
    expect(copy.exposureF.slice(0, copy.rowLimit)).toEqual(book.exposureF.slice(0, book.rowLimit));
    expect(copy.cashF.slice(0, copy.cashRowLimit)).toEqual(book.cashF.slice(0, book.cashRowLimit));
    expect(copy.market.factors).toEqual(book.market.factors);
    expect(copy.row(copy.findAccount("gone"), 0)).toBe(book.row(book.findAccount("gone"), 0));
    expect(shown(copy.market.fundingSince(0, 0))).toBe("0.3333");
  });

  test("bytes that end early, or are no book, are refused", () => {
    const book = sample();
    const writer = new Writer();
    book.save(writer);
    const bytes = writer.bytes();
    for (let length = 0; length < bytes.length; length += 7)
      expect(() => Book.load(new Reader(bytes.subarray(0, length)), book.rules)).toThrow(Unreadable);
    expect(() => Book.load(new Reader(bytes), rulesOf(assets, [instruments[1]!]))).toThrow(Unreadable);
    expect(() => Book.load(new Reader(bytes), rulesOf([assets[0]!], instruments))).toThrow(Unreadable);
  });

  const changes: [string, (book: Book, alice: number, row: number) => void][] = [
    ["cash", (book, alice) => book.addCash(alice, 0, 1n)],
    ["deposits", (book) => book.addDeposits(0, 1n)],
    ["rounding fraction", (book) => book.addRounding(0, r("0.0000001"))],
    ["lots", (book, _, row) => book.setHolding(row, book.qty(row) + 1n, book.cost(row))],
    ["cost", (book, _, row) => book.setHolding(row, book.qty(row), book.cost(row) + 1n)],
    ["margin", (book, _, row) => book.addMargin(row, 1n)],
    ["realised", (book, _, row) => book.addRealised(row, 1n)],
    ["mode", (book, _, row) => book.setIsolated(row, true)],
    ["leverage", (book, _, row) => book.setLeverage(row, r("3"))],
    ["warnings", (book, alice) => book.setWarned(book.crossPool(alice), 1)],
    ["warnings of an isolated pool", (book, _, row) => book.setWarned(book.isolatedPool(row), 1)],
    ["realised of a flat row", (book, alice) => book.addRealised(book.row(alice + 1, 1), 1n)],
    ["warnings of a flat row", (book, alice) => book.setWarned(book.isolatedPool(book.row(alice + 1, 1)), 1)],
    ["order lots", (book, alice) => book.setOrderQty(book.findOrder(alice, "late")!, 4n)],
    ["order gone", (book, alice) => book.removeOrder(book.findOrder(alice, "late")!)],
    ["funding", (book) => book.market.addFunding(0, r("0.1"))],
    ["index", (book) => book.market.setIndexPrice(1, r("1.1"))],
    ["price time", (book) => book.market.setIndexPrice(1, r("50000"), 99)],
    ["mark", (book) => book.market.setMarkPrice(0, r("1.1"))],
    ["haircut", (book) => book.market.setHaircuts(0, r("0"), r("0"))],
    ["quality", (book) => book.market.setInstrumentQuality(0, "stale", 5)],
  ];
  test.each(changes)("INV-08 the canonical bytes show a change of %s, and a snapshot keeps it", (_, change) => {
    const book = sample();
    const before = canonical(book);
    const alice = book.findAccount("alice");
    change(book, alice, book.findRow(alice, 0));
    expect(canonical(book)).not.toBe(before);
    expect(canonical(reloaded(book))).toBe(canonical(book));
  });

  const traceless: [string, (book: Book) => void][] = [
    ["an empty account", (book) => book.internAccount("empty")],
    ["a flat row", (book) => book.row(book.internAccount("empty"), 0)],
    [
      "cash that came and went",
      (book) => [1n, -1n].forEach((one) => book.addCash(book.internAccount("empty"), 0, one)),
    ],
    [
      "funding that everybody has booked",
      (book) => {
        book.market.addFunding(0, r("0.1"));
        for (const row of book.rowsOf(0)) book.setRowFundingEpoch(row, 1);
        book.market.rebaseFunding(0, 1);
      },
    ],
    ["a fraction written otherwise", (book) => book.market.setIndexPrice(1, Rational.fraction(100_000n, 2n))],
    ["a row taken and given back", (book) => book.releaseRow(book.row(book.internAccount("empty"), 1))],
  ];
  test.each(traceless)("INV-08 the canonical bytes do not show %s", (_, change) => {
    const book = sample();
    const before = canonical(book);
    change(book);
    expect(canonical(book)).toBe(before);
  });
});
