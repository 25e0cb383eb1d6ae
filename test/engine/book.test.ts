import { describe, expect, test } from "vitest";
import { systemAccounts } from "#libs/domain/rule-set/types.ts";
import { Book, OutOfRange } from "#libs/engine/book.ts";
import { wideMax } from "#libs/engine/columns.ts";
import { mirrorErrorMax } from "#libs/engine/floats.ts";
import { assets, canonical, instruments, rules, sample } from "#test/support/books.ts";
import { r, rulesOf } from "#test/support/pools.ts";

describe("names and numbers", () => {
  test("system accounts have the first numbers, in their fixed order", () => {
    const book = new Book(rules());
    expect(systemAccounts.map((id) => book.findAccount(id))).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const trader = book.internAccount("t");
    expect([book.isSystem(6), book.isSystem(trader), book.accountId(trader)]).toEqual([true, false, "t"]);
    expect([book.internAccount("t"), book.findAccount("nobody")]).toEqual([trader, -1]);
  });

  test("assets and instruments are numbered in order of first appearance, also after new rules", () => {
    const book = new Book(rules());
    book.setRules(rulesOf([{ id: "AAA" }, ...assets], instruments));
    expect(["USDT", "BTC", "AAA", "none"].map((id) => book.assetIndex(id))).toEqual([0, 1, 2, -1]);
    expect([book.settleIndex(1), book.indexAsset(0)]).toEqual([1, 1]);
  });
});

describe("rows", () => {
  test("an account's rows ascend by number, whatever order they were made in", () => {
    const book = new Book(
      rulesOf(
        assets,
        ["c", "a", "b"].map((id) => ({ id, lot: "1" })),
      ),
    );
    const account = book.internAccount("x");
    for (const instrument of [2, 0, 1]) book.row(account, instrument);
    for (const asset of [1, 0]) book.addCash(account, asset, 1n);
    const rows: number[] = [];
    for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) rows.push(book.rowInstrument(row));
    const cash: number[] = [];
    for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row)) cash.push(book.cashAsset(row));
    expect([rows, cash]).toEqual([
      [0, 1, 2],
      [0, 1],
    ]);
  });

  test("a flat row goes back and is handed out again without a trace", () => {
    const book = sample();
    const alice = book.findAccount("alice");
    const row = book.findRow(alice, 0);
    book.addRealised(row, 5n);
    book.setWarned(book.isolatedPool(row), 2);
    expect(book.releaseRow(row)).toBe(false);
    book.setHolding(row, 0n, 0n);
    expect(book.releaseRow(row)).toBe(true);
    expect([book.findRow(alice, 0), book.rowAccount(row)]).toEqual([-1, -1]);
    const again = book.row(book.internAccount("carol"), 1);
    expect(again).toBe(row);
    expect([book.realised(again), book.warned(book.isolatedPool(again)), book.isIsolated(again)]).toEqual([
      0n,
      0,
      false,
    ]);
    expect(book.exposureF[again]).toBe(0);
  });

  test.each(["isolated", "leverage", "margin", "saga"])("a flat row with %s stays", (what) => {
    const book = sample();
    const row = book.row(book.internAccount("carol"), 0);
    if (what === "isolated") book.setIsolated(row, true);
    if (what === "leverage") book.setLeverage(row, r("3"));
    if (what === "margin") book.addMargin(row, 1n);
    if (what === "saga") book.setSaga(book.isolatedPool(row), 4);
    expect(book.releaseRow(row)).toBe(false);
    expect(book.findRow(book.findAccount("carol"), 0)).toBe(row);
  });

  test("open rows of an instrument come in order of account id", () => {
    const book = sample();
    const early = book.row(book.internAccount("Zed"), 0);
    book.setHolding(early, 1n, 1n);
    expect(book.rowsOf(0).map((row) => book.accountId(book.rowAccount(row)))).toEqual(["Zed", "alice", "bob"]);
  });
});

describe("amounts", () => {
  test("NUM-07 a store beyond 127 bits is refused and nothing has changed", () => {
    const book = sample();
    const alice = book.findAccount("alice");
    const row = book.findRow(alice, 0);
    const before = canonical(book);
    const sums = [book.totalCash(1), book.netCost(0), book.longLots(0), book.totalMargin(0)];
    expect(() => book.addCash(alice, 1, wideMax)).toThrow(OutOfRange);
    expect(() => book.setHolding(row, 1n, wideMax + 1n)).toThrow(OutOfRange);
    expect(() => book.setHolding(row, -wideMax - 1n, 1n)).toThrow(OutOfRange);
    expect(() => book.addMargin(row, wideMax + 1n)).toThrow(OutOfRange);
    expect(() => book.addRealised(row, -wideMax - 1n)).toThrow(OutOfRange);
    expect(() => book.addDeposits(1, wideMax)).toThrow(OutOfRange);
    expect(canonical(book)).toBe(before);
    expect([book.totalCash(1), book.netCost(0), book.longLots(0), book.totalMargin(0)]).toEqual(sums);
    expect(book.findRow(book.findAccount("fees"), 0)).toBe(-1);
  });

  test("sums follow every store", () => {
    const book = sample();
    const alice = book.findAccount("alice");
    expect([book.totalCash(0), book.platformCash(0), book.platformCash(1)]).toEqual([-2_500_000n, 0n, 150_000_000n]);
    book.addCash(alice, 0, 3_000_000n);
    book.addCash(book.findAccount("insurance"), 0, 10n);
    expect([book.totalCash(0), book.platformCash(0)]).toEqual([500_010n, 500_000n]);
    expect([book.longLots(0), book.netLots(0), book.netCost(0), book.netCost(1)]).toEqual([
      2000n,
      0n,
      0n,
      100_000_000n,
    ]);
    book.setHolding(book.findRow(alice, 0), -1n, 7n);
    expect([book.longLots(0), book.netLots(0), book.netCost(0)]).toEqual([0n, -2001n, 7n - 100_000_000_000n]);
    expect(book.totalMargin(0)).toBe(7_000_000n);
  });

  test.each([
    ["0.0000015", "0.0000008", 2n, "0.0000003"],
    ["-0.0000005", "0", -1n, "0.0000005"],
    ["3", "-3", 0n, "0"],
  ])(
    "rounding keeps whole quanta in cash and a fraction below one beside it: %s then %s",
    (first, second, cash, rest) => {
      const book = new Book(rules());
      book.addRounding(0, r(first));
      book.addRounding(0, r(second));
      expect(book.cash(book.findAccount("rounding"), 0)).toBe(cash);
      expect(book.roundingFraction(0).toStringDown()).toBe(rest);
    },
  );

  test("mirrors show units, and contracts times multiplier", () => {
    const book = sample();
    const alice = book.findAccount("alice");
    const near = (found: number | undefined, exact: number): void =>
      expect(Math.abs((found ?? 0) - exact)).toBeLessThanOrEqual(Math.abs(exact) * mirrorErrorMax);
    near(book.exposureF[book.findRow(alice, 0)], 2);
    near(book.exposureF[book.findRow(alice, 1)], -40_000);
    near(book.costF[book.findRow(alice, 1)], 1);
    near(book.marginF[book.findRow(book.findAccount("bob"), 0)], 7);
    near(book.cashF[book.firstCashRow(alice)], -2.5);
  });

  test("a position row takes at most 110 bytes and a cash row at most 40", () => {
    const book = new Book(
      rulesOf(
        assets,
        Array.from({ length: 64 }, (_, at) => ({ id: `i${at}`, lot: "1" })),
      ),
    );
    const empty = book.bytes();
    for (let at = 0; at < 64; at += 1) book.row(book.internAccount("x"), at);
    const rows = book.bytes() - empty;
    expect(rows / (64 - 16)).toBeLessThanOrEqual(110);
    for (let at = 0; at < 50; at += 1) book.addCash(book.internAccount(`c${at}`), 0, 1n);
    const accounts = (64 - 16) * 9;
    expect((book.bytes() - empty - rows - accounts) / (64 - 16)).toBeLessThanOrEqual(40);
  });
});

describe("orders", () => {
  test("orders stand oldest first and are found by id", () => {
    const book = sample();
    const alice = book.findAccount("alice");
    expect(book.orders(alice).map(({ id }) => id)).toEqual(["early", "late"]);
    const late = book.findOrder(alice, "late")!;
    book.setOrderQty(late, 2n);
    expect([book.findOrder(alice, "late")?.lots, book.findOrder(alice, "no"), book.orderCount(0)]).toEqual([
      2n,
      undefined,
      2,
    ]);
    expect(() => book.addOrder(late)).toThrow(/rests already/);
    book.removeOrder(late);
    expect([book.orders(alice).length, book.orderCount(0), book.orders(book.findAccount("bob"))]).toEqual([1, 1, []]);
    expect(() => book.removeOrder(late)).toThrow(/does not rest/);
  });

  test("many orders of one account are found as few are", () => {
    const book = sample();
    const maker = book.internAccount("maker");
    const order = { account: maker, instrument: 0, side: "sell" as const, lots: 1n, price: r("1"), reduceOnly: true };
    for (let seq = 0; seq < 100; seq += 1) book.addOrder({ ...order, id: `o${seq}`, seq });
    expect(book.findOrder(maker, "o77")?.seq).toBe(77);
    book.removeOrder(book.findOrder(maker, "o50")!);
    expect([book.findOrder(maker, "o50"), book.orders(maker).length]).toEqual([undefined, 99]);
  });
});
