import { Rational } from "#libs/decimal/index.ts";
import { byText, type DetectionRules, type SeenFill } from "./evidence.ts";
import type { Pairs } from "./pairs.ts";

/** How often each account bought and sold one size of one instrument in one window. */
type Cell = Map<string, { buys: number; sells: number }>;

/**
 * LIM-42: fills of one size on one instrument within one window, one account's buys against another's sells. What counts is the share of
 * an account's fills that stand so, of the two accounts the smaller: a market maker stands opposite everybody with little of what it does.
 */
export function pairByTrading(fills: readonly SeenFill[], rules: DetectionRules, pairs: Pairs): void {
  const totals = new Map<string, number>();
  const cells = new Map<string, Cell>();
  for (const { account, instrument, side, qty, t } of fills) {
    totals.set(account, (totals.get(account) ?? 0) + 1);
    const key = `${instrument} ${qty} ${Math.floor(t / rules.oppositeWindowMs)}`;
    const cell: Cell = cells.get(key) ?? new Map();
    const own = cell.get(account) ?? { buys: 0, sells: 0 };
    if (side === "buy") own.buys += 1;
    else own.sells += 1;
    cells.set(key, cell.set(account, own));
  }
  for (const { one, other, matched } of matches(cells, rules)) {
    const most = Math.max(totals.get(one) ?? 0, totals.get(other) ?? 0);
    const share = Rational.ofInteger(matched).dividedBy(Rational.ofInteger(most));
    const weight = rules.weights.opposite_trading.times(share);
    pairs.add(one, other, { kind: "opposite_trading", matched, share, weight });
  }
}

interface Match {
  readonly one: string;
  readonly other: string;
  readonly matched: number;
}

/** Pairs with enough matches, those with most first. */
function matches(cells: ReadonlyMap<string, Cell>, rules: DetectionRules): Match[] {
  const counts = new Map<string, Match>();
  for (const cell of cells.values()) {
    if (cell.size < 2 || cell.size > rules.oppositeAccountsMost) continue;
    const accounts = [...cell].sort(([left], [right]) => byText(left, right));
    for (const [at, [one, own]] of accounts.entries())
      for (const [other, its] of accounts.slice(at + 1)) {
        const found = Math.min(own.buys, its.sells) + Math.min(own.sells, its.buys);
        const key = `${one} ${other}`;
        if (found > 0) counts.set(key, { one, other, matched: (counts.get(key)?.matched ?? 0) + found });
      }
  }
  return [...counts]
    .filter(([, { matched }]) => matched >= rules.oppositeLeast)
    .sort(([left, one], [right, other]) => other.matched - one.matched || byText(left, right))
    .map(([, match]) => match);
}
