import { Rational, sizeCurve } from "#libs/decimal/index.ts";
import { unrealisedProfit } from "#libs/domain/positions/value.ts";
import type { Cash, CrossPool, MarketView } from "#libs/domain/positions/views.ts";
import type { AssetRules, RuleSet, Slice } from "#libs/domain/rule-set/types.ts";

/** What one balance counts for. `worth` is `B·P`, `value` what is left of it after weights, haircut, cap or premium; USD. */
export interface CountedValue {
  readonly worth: Rational;
  readonly value: Rational;
}

export interface CollateralValue extends CountedValue {
  /** Mean weight over the slices (below zero: one plus the premium), before haircut and cap. */
  readonly weight: Rational;
}

/** One line of an account's collateral, as its maintenance equity sees it. `balance` in units of the asset, signed. */
export interface CollateralRow extends CollateralValue {
  readonly asset: string;
  readonly balance: Rational;
  readonly haircut: Rational;
}

/** USD. `initialEquity` opens risk, `maintenanceEquity` keeps it, `fullEquity` is what the pool is really worth. */
export interface Equities {
  readonly initialEquity: Rational;
  readonly maintenanceEquity: Rational;
  readonly fullEquity: Rational;
  readonly collateral: readonly CollateralRow[];
}

const noBound = Rational.ofInteger(2);

/** COL-03: the bound that the size curve puts on every weight, for a balance ≥ 0 in units of the asset. */
export function weightBound(asset: AssetRules, balance: Rational): Rational {
  return sizeCurve(noBound, asset.sizeCurve, balance);
}

/** COL-02, COL-06: `worth` ≥ 0 USD cut in slices, each at its weight but at most `bound`; beyond the last `upTo` nothing counts. */
export function slicedValue(slices: readonly Slice[], bound: Rational, worth: Rational): Rational {
  let total = Rational.zero;
  let floor = Rational.zero;
  for (const slice of slices) {
    const open = slice.upTo === null || worth.atMost(slice.upTo);
    const part = (open ? worth : slice.upTo).minus(floor);
    total = total.plus(part.times(Rational.min(slice.weight, bound)));
    if (open) return total;
    floor = slice.upTo;
  }
  return total;
}

/** What one unit of a value kept after slices is multiplied with, and the terms of the slices themselves. */
interface Terms {
  readonly slices: readonly Slice[];
  readonly haircut: Rational;
  readonly platform: Rational;
}

/** COL-02, COL-06, COL-09: what the slices leave of a worth ≥ 0 USD. */
function slicedWorth(asset: AssetRules, { slices, platform }: Terms, balance: Rational, worth: Rational): Rational {
  return slicedValue(slices, weightBound(asset, balance), worth).times(platform);
}

/**
 * COL-02 to COL-07: what `balance` units at `price` USD count for. Pure and exact but for the size curve, which is
 * rounded down. The cap is per account, so the whole balance of the account must be given.
 */
function countedValue(asset: AssetRules, terms: Terms, balance: Rational, price: Rational): CountedValue {
  const worth = balance.times(price);
  if (balance.sign < 0) return { worth, value: worth.times(Rational.one.plus(asset.liabilityPremium)) };
  const sliced = slicedWorth(asset, terms, balance, worth);
  const cut = terms.haircut.isZero() ? sliced : sliced.times(Rational.one.minus(terms.haircut));
  return { worth, value: asset.cap === null ? cut : Rational.min(cut, asset.cap) };
}

/** The mean weight of a balance, before haircut and cap: within the first slice that slice's own; of nothing, that of the first unit. */
function weightOf(asset: AssetRules, terms: Terms, balance: Rational, worth: Rational): Rational {
  if (balance.sign < 0) return Rational.one.plus(asset.liabilityPremium);
  const first = terms.slices[0];
  if (first === undefined) return Rational.zero;
  if (first.upTo === null || worth.atMost(first.upTo))
    return Rational.min(first.weight, weightBound(asset, balance)).times(terms.platform);
  return slicedWorth(asset, terms, balance, worth).dividedBy(worth);
}

function maintenanceTerms(asset: AssetRules, market: MarketView): Terms {
  return { slices: asset.slices, haircut: market.haircutMaintenance(asset.id), platform: Rational.one };
}

/** COL-09: start / total when traders together hold more of the asset than the start value, else one. USD values compared. */
export function platformScale(asset: AssetRules, market: MarketView): Rational {
  if (asset.platformStart === null) return Rational.one;
  const total = market.platformCash(asset.id).times(market.index(asset.id));
  return total.above(asset.platformStart) ? asset.platformStart.dividedBy(total) : Rational.one;
}

function initialTerms(asset: AssetRules, market: MarketView): Terms {
  return {
    slices: asset.initialSlices,
    haircut: market.haircutInitial(asset.id),
    platform: platformScale(asset, market),
  };
}

/** The unrealised profit of every position of the pool at mark, in its settle asset, in the order of the positions. */
export function profits(pool: CrossPool, market: MarketView): readonly Rational[] {
  return pool.positions.map(({ instrument, qty, cost }) =>
    unrealisedProfit(instrument, qty, cost, market.mark(instrument.id)),
  );
}

/** COL-01: `B_c` per asset in order of id, taking the given profits (settle asset, one per position) for the pool's positions. */
export function balances(pool: CrossPool, profit: readonly Rational[]): readonly Cash[] {
  const held = new Map<string, Rational>();
  for (const { asset, amount } of pool.cash) held.set(asset, (held.get(asset) ?? Rational.zero).plus(amount));
  pool.positions.forEach((position, at) => {
    const { settle } = position.instrument;
    const gain = (profit[at] ?? Rational.zero).plus(position.funding);
    held.set(settle, (held.get(settle) ?? Rational.zero).plus(gain));
  });
  return [...held.keys()].sort().map((asset) => ({ asset, amount: held.get(asset) as Rational }));
}

/** COL-10: a profit counts at the profit weight, by its own size in units of the settle asset; a loss counts in full. */
export function weightedProfit(profit: Rational, rules: RuleSet): Rational {
  if (profit.sign <= 0) return profit;
  return profit.times(sizeCurve(rules.profitWeight.weight, rules.profitWeight.k, profit));
}

/** COL-14: no profit counts, every loss does: what a withdrawal is measured against. Dropped per position, never netted. */
export function withoutProfit(profit: Rational): Rational {
  return profit.sign > 0 ? Rational.zero : profit;
}

/** COL-08: Σ of the initial values of `held`, USD. A zero balance needs no price. */
export function initialValue(held: readonly Cash[], market: MarketView): Rational {
  let total = Rational.zero;
  for (const { asset: id, amount } of held) {
    if (amount.isZero()) continue;
    const asset = market.asset(id);
    total = total.plus(countedValue(asset, initialTerms(asset, market), amount, market.index(id)).value);
  }
  return total;
}

/** COL-11: what a balance counts for in maintenance equity, USD. A zero balance needs no price. */
export function maintenanceValue({ asset: id, amount }: Cash, market: MarketView): CountedValue {
  const asset = market.asset(id);
  const price = amount.isZero() ? Rational.zero : market.index(id);
  return countedValue(asset, maintenanceTerms(asset, market), amount, price);
}

/** The same as a line of an account's collateral. */
export function maintenanceRow(held: Cash, market: MarketView): CollateralRow {
  const asset = market.asset(held.asset);
  const terms = maintenanceTerms(asset, market);
  const counted = maintenanceValue(held, market);
  const weight = weightOf(asset, terms, held.amount, counted.worth);
  return { asset: held.asset, balance: held.amount, haircut: terms.haircut, ...counted, weight };
}

/** COL-08 to COL-12: the three equities of a cross pool in USD, and its collateral line by line. */
export function equities(pool: CrossPool, market: MarketView, rules: RuleSet): Equities {
  const profit = profits(pool, market);
  const full = balances(pool, profit);
  const collateral = full.map((held) => maintenanceRow(held, market));
  const weighted = profit.map((one) => weightedProfit(one, rules));
  const initial = weighted.every((one, at) => one === profit[at]) ? full : balances(pool, weighted);
  return {
    initialEquity: initialValue(initial, market),
    maintenanceEquity: Rational.sum(collateral.map(({ value }) => value)),
    fullEquity: Rational.sum(collateral.map(({ worth }) => worth)),
    collateral,
  };
}
