import { Book } from "#libs/engine/book.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { Reader, Writer } from "#libs/engine/writer.ts";
import { r, rulesOf } from "#test/support/pools.ts";

export const assets = [
  { id: "USDT", quantum: "0.000001" },
  { id: "BTC", quantum: "0.00000001", haircut: { base: "0.05" } },
];
export const instruments = [
  { id: "Z-PERP", lot: "0.001", index: "BTC", maxLeverage: "100" },
  {
    id: "A-INV",
    kind: "inverse" as const,
    base: "BTC",
    quote: "USD",
    settle: "BTC",
    index: "BTC",
    lot: "1",
    multiplier: "100",
  },
];

export const rules = (): RuleSet => rulesOf(assets, instruments);

/** A book where alice is long, bob holds an isolated short, and orders rest. */
export function sample(): Book {
  const book = new Book(rules());
  const [alice, bob] = [book.internAccount("alice"), book.internAccount("bob")];
  const [usdt, btc] = [book.assetIndex("USDT"), book.assetIndex("BTC")];
  const [perp, inverse] = [book.instrumentIndex("Z-PERP"), book.instrumentIndex("A-INV")];
  book.market.setIndexPrice(usdt, r("1"), 5);
  book.market.setIndexPrice(btc, r("50000"), 5);
  book.market.setMarkPrice(perp, r("50000"), 5);
  book.market.setMarkPrice(inverse, r("40000"), 6);
  book.addCash(alice, btc, 150_000_000n);
  book.addCash(alice, usdt, -2_500_000n);
  book.addDeposits(btc, 150_000_000n);
  book.setHolding(book.row(alice, perp), 2_000n, 100_000_000_000n);
  const short = book.row(bob, perp);
  book.setIsolated(short, true);
  book.setLeverage(short, r("10"));
  book.setHolding(short, -2_000n, -100_000_000_000n);
  book.addMargin(short, 7_000_000n);
  book.setHolding(book.row(alice, inverse), -400n, 100_000_000n);
  const order = {
    account: alice,
    instrument: perp,
    side: "buy" as const,
    lots: 5n,
    price: r("49000"),
    reduceOnly: false,
  };
  book.addOrder({ ...order, id: "late", seq: 9 });
  book.addOrder({ ...order, id: "early", seq: 3, price: null });
  return book;
}

/** The canonical bytes of a book, in hexadecimal. */
export function canonical(book: Book): string {
  const writer = new Writer();
  book.canonical(writer);
  return Buffer.from(writer.bytes()).toString("hex");
}

/** The book as a snapshot gives it back. */
export function reloaded(book: Book): Book {
  const writer = new Writer();
  book.save(writer);
  const reader = new Reader(writer.bytes());
  const copy = Book.load(reader, book.rules);
  if (!reader.ended) throw new Error("the book left bytes of its snapshot unread");
  return copy;
}
