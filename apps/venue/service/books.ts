import { Rational } from "#libs/decimal/index.ts";
import type { InstrumentBook } from "../matching/book.ts";
import type { Grid } from "../matching/grid.ts";
import type { Venue } from "./venue.ts";

/** The middle of each book and what stands around it is told at most this often, and only when it has changed. */
export const booksEveryMs = 250;
/** How far from the middle what stands counts as depth. */
const near = Rational.fraction(2n, 100n);

const half = Rational.fraction(1n, 2n);

/** Lots within 2 % of the middle, on the side that has fewer. */
export function depthAround(book: InstrumentBook, grid: Grid, middle: Rational): number {
  const ticks = (price: Rational): number => Number(price.floorIn(grid.tick));
  const bids = book.seen("sell", ticks(middle.times(Rational.one.minus(near))));
  const asks = book.seen("buy", ticks(middle.times(Rational.one.plus(near))));
  return Math.min(bids, asks);
}

export function publishMiddles(venue: Venue): { stop(): void } {
  const told = new Map<string, string>();
  const timer = setInterval(() => {
    for (const [instrument, book] of venue.floor.books) {
      const [bid, ask] = [book.best("buy"), book.best("sell")];
      if (bid === null || ask === null) continue;
      const grid = venue.floor.grid(instrument);
      const middle = grid.price(bid).plus(grid.price(ask)).times(half);
      const [price, depth] = [middle.toStringDown(), grid.qtyText(depthAround(book, grid, middle))];
      const both = `${price} ${depth}`;
      if (told.get(instrument) === both) continue;
      told.set(instrument, both);
      venue.bus.publish(venue.bus.names.subjects.book(instrument), { instrument, price, depth, t: venue.clock.now() });
    }
  }, booksEveryMs);
  return { stop: () => clearInterval(timer) };
}
