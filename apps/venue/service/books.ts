import { Rational } from "#libs/decimal/index.ts";
import type { Venue } from "./venue.ts";

/** The middle of each book is told at most this often, and only when it has moved. */
export const booksEveryMs = 250;

const half = Rational.fraction(1n, 2n);

export function publishMiddles(venue: Venue): { stop(): void } {
  const told = new Map<string, string>();
  const timer = setInterval(() => {
    for (const [instrument, book] of venue.floor.books) {
      const [bid, ask] = [book.best("buy"), book.best("sell")];
      if (bid === null || ask === null) continue;
      const grid = venue.floor.grid(instrument);
      const price = grid.price(bid).plus(grid.price(ask)).times(half).toStringDown();
      if (told.get(instrument) === price) continue;
      told.set(instrument, price);
      venue.bus.publish(venue.bus.names.subjects.book(instrument), { instrument, price, t: venue.clock.now() });
    }
  }, booksEveryMs);
  return { stop: () => clearInterval(timer) };
}
