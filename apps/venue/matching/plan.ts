import type { Side } from "#libs/contracts/log.ts";
import type { Match, Resting } from "./book.ts";
import type { Floor } from "./floor.ts";
import { reducible } from "./positions.ts";

export interface MatchPlan {
  readonly matches: readonly Match[];
  /** Reduce-only orders that these trades leave without a position: they go before anything trades. */
  readonly uncovered: readonly Resting[];
  /** What the taker would have met next was its own: the rest of it must not trade. */
  readonly metItself: boolean;
}

export interface Taker {
  readonly account: string;
  readonly instrument: string;
  readonly side: Side;
  readonly lots: number;
  /** Ticks; null: any price. */
  readonly limit: number | null;
  /** Lots of a maker, in whole, that the taker takes at its price; less than offered ends the plan. */
  readonly bound?: (price: number, lots: number) => number;
}

/** Trades of one command at most: each is an entry, and all of a close are one. */
export const matchesMax = 5_000;

/**
 * Whom an order meets and for how much, in price-time order, without changing anything. An order never meets its own account
 * (the newer one is cancelled), and no reduce-only order is carried through zero by trades of the same sweep.
 */
export function planMatches(floor: Floor, taker: Taker): MatchPlan {
  const matches: Match[] = [];
  const uncovered: Resting[] = [];
  const after = new Map<string, number>();
  let left = taker.lots;
  for (const maker of floor.book(taker.instrument).against(taker.side, taker.limit)) {
    if (left === 0 || matches.length >= matchesMax) break;
    if (maker.account === taker.account) return { matches, uncovered, metItself: true };
    const held = after.get(maker.account) ?? floor.positions.held(maker.account, taker.instrument);
    const wanted = Math.min(left, maker.lots);
    if (maker.reduceOnly && reducible(held, maker.side) < wanted) {
      uncovered.push(maker);
      continue;
    }
    const lots = taker.bound === undefined ? wanted : Math.min(wanted, taker.bound(maker.price, wanted));
    if (lots > 0) {
      matches.push({ maker, lots });
      after.set(maker.account, held + (maker.side === "buy" ? lots : -lots));
      left -= lots;
    }
    if (lots < wanted) break;
  }
  return { matches, uncovered, metItself: false };
}
