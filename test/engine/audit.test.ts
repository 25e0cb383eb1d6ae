import { expect, test } from "vitest";
import { perpetual, rules, TestExchange } from "#test/support/exchange.ts";
import { table } from "#test/support/table.ts";

/** Breaks the book behind the machine's back, as a defect would. */
const defects: Readonly<Record<string, (exchange: TestExchange) => void>> = {
  "money from nowhere": ({ engine }) => engine.machine.book.addCash(engine.machine.book.findAccount("a"), 0, 1n),
  "a long without a short": ({ engine }) => {
    const { book } = engine.machine;
    const row = book.findRow(book.findAccount("a"), 0);
    book.setHolding(row, book.qty(row) + 1n, book.cost(row));
  },
  "a fund that owes": ({ engine }) => {
    const { book } = engine.machine;
    book.addCash(0, 0, -1n);
    book.addCash(book.findAccount("a"), 0, 1n);
  },
};

function exchangeWithPositions(): TestExchange {
  const exchange = new TestExchange(rules({ instruments: [perpetual({ tick: "1" })] }));
  exchange.cash("a", "1000");
  exchange.cash("b", "1000");
  exchange.trade("a", "b", "5");
  exchange.apply({ k: "order", account: "a", id: "resting", instrument: "X", side: "sell", qty: "1", price: "120" });
  return exchange;
}

const cases = table(`
  rule   | defect
  INV-01 | money from nowhere
  INV-02 | a long without a short
  INV-03 | a fund that owes
`);
for (const one of cases)
  test(`${one.rule} the engine finds ${one.defect} at the next entry, says so once, and admits nothing but cancels`, () => {
    const exchange = exchangeWithPositions();
    defects[one.defect]?.(exchange);
    expect(exchange.apply({ k: "time" }).map((fact) => fact.fact)).toEqual(["audit.failed"]);
    expect(exchange.apply({ k: "time" })).toEqual([]);
    const order = exchange.apply({
      k: "order",
      account: "b",
      id: "o",
      instrument: "X",
      side: "sell",
      qty: "1",
      price: "100",
    });
    expect(order.map((fact) => [fact.fact, fact["codes"]])).toEqual([["order.rejected", ["halted"]]]);
    expect(exchange.cash("b", "-1").map((fact) => [fact.fact, fact["codes"]])).toEqual([["cash.rejected", ["halted"]]]);
    expect(exchange.apply({ k: "cancel", account: "a", id: "resting" }).map((fact) => fact.fact)).toEqual([
      "order.cancelled",
    ]);
  });

test("INV-07 a pool that is due and was not found is found by the scan that follows a far move", () => {
  const exchange = exchangeWithPositions();
  const { machine } = exchange.engine;
  // The index loses a pool: the next frame pops nobody, but it moves far enough for a scan of everybody.
  machine.index.disarm(machine.book.crossPool(machine.book.findAccount("b")));
  const facts = exchange.mark("310");
  expect(facts.filter((fact) => fact.fact === "audit.failed").map((fact) => fact["failure"])).toEqual([
    "b cross is due and was not found",
  ]);
});

test("no defect, no alarm: every entry of a crash passes the audit", () => {
  const exchange = exchangeWithPositions();
  for (const price of ["150", "200", "290", "310", "400", "90"]) exchange.mark(price);
  expect([exchange.of("audit.failed"), exchange.broken()]).toEqual([[], []]);
});
