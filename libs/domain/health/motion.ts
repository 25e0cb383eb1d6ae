import { Rational } from "#libs/decimal/index.ts";
import { balances, profits, slicedValue, weightBound } from "#libs/domain/collateral/values.ts";
import { positionNotional } from "#libs/domain/margin/requirement.ts";
import type { Cash, CrossPool, MarketView, OpenPosition, Pool } from "#libs/domain/positions/views.ts";
import type { AssetRules, InstrumentRules, RuleSet } from "#libs/domain/rule-set/types.ts";
import { evaluatePool } from "./evaluate.ts";
import type { Standing } from "./thresholds.ts";

/**
 * A pool's standing as a function of one factor on some prices. It is affine, between breakpoints, in the factor ("price") or in one over
 * it ("reciprocal"), unless it is "curved". The factor is always positive.
 */
export interface Motion {
  readonly shape: "price" | "reciprocal" | "curved";
  readonly at: (factor: Rational) => Standing;
  /** Whether the value may jump at a breakpoint (the floors of `whole` tiers), not only its slope. */
  readonly jumps: boolean;
  /** Where a slope may change or the value jump, ascending, without repetition. A curved motion lists its jumps at least. */
  readonly breakpoints: readonly Rational[];
}

/** What moves: marks of instruments, and at most one asset's index. */
interface Moved {
  readonly mark: (instrument: InstrumentRules) => boolean;
  readonly asset: string | null;
}

const two = Rational.ofInteger(2);

const positionsOf = (pool: Pool): readonly OpenPosition[] =>
  pool.kind === "isolated" ? [pool.position] : pool.positions;

/** HEALTH-08: every price that follows `index`; HEALTH-09: or one instrument's mark alone. */
function movedBy(pool: Pool, instrument: InstrumentRules, alone: boolean): Moved {
  if (alone) return { mark: ({ id }) => id === instrument.id, asset: null };
  const holds =
    pool.kind === "cross"
      ? pool.cash.some(({ asset }) => asset === instrument.index) ||
        pool.positions.some((position) => position.instrument.settle === instrument.index)
      : pool.position.instrument.settle === instrument.index;
  return { mark: ({ index }) => index === instrument.index, asset: holds ? instrument.index : null };
}

/** The market with the moved prices multiplied by `factor`. Only what maintenance looks at is moved. */
function movedMarket(pool: Pool, market: MarketView, moved: Moved, factor: Rational): MarketView {
  const marks = new Set(positionsOf(pool).flatMap(({ instrument }) => (moved.mark(instrument) ? [instrument.id] : [])));
  return {
    asset: (id) => market.asset(id),
    index: (asset) => (asset === moved.asset ? market.index(asset).times(factor) : market.index(asset)),
    mark: (id) => (marks.has(id) ? market.mark(id).times(factor) : market.mark(id)),
    haircutInitial: (asset) => market.haircutInitial(asset),
    haircutMaintenance: (asset) => market.haircutMaintenance(asset),
    openInterest: (id) => market.openInterest(id),
    platformCash: (asset) => market.platformCash(asset),
  };
}

/** Assets whose balance moves because a moved mark settles in them. */
function movedBalances(pool: Pool, moved: Moved): ReadonlySet<string> {
  return new Set(positionsOf(pool).flatMap(({ instrument }) => (moved.mark(instrument) ? [instrument.settle] : [])));
}

/**
 * HEALTH-17: how a pool's health follows the factor. A linear contract is affine in the price; so is an inverse one in USD when its settle
 * asset moves along, because `P·λ·(c − q·m/(mark·λ))` is; with the settle asset at rest it is affine in one over the price. A mixture,
 * a linear contract whose settle asset moves along, or a size curve on a balance that moves are none of these.
 */
function shapeOf(pool: Pool, market: MarketView, moved: Moved): Motion["shape"] {
  const shapes = new Set<Motion["shape"]>();
  if (moved.asset !== null) shapes.add("price");
  for (const { instrument } of positionsOf(pool)) {
    if (!moved.mark(instrument)) continue;
    const along = instrument.settle === moved.asset;
    if (instrument.kind === "linear") shapes.add(along ? "curved" : "price");
    else shapes.add(along ? "price" : "reciprocal");
  }
  const bent =
    pool.kind === "cross" && [...movedBalances(pool, moved)].some((asset) => !market.asset(asset).sizeCurve.isZero());
  const [only] = shapes;
  return bent || shapes.size !== 1 || only === undefined ? "curved" : only;
}

/** The USD worth at which the asset's cap begins to bind; null: it never does. */
function capEdge(asset: AssetRules, balance: Rational, haircut: Rational): Rational | null {
  if (asset.cap === null) return null;
  const bound = weightBound(asset, balance.abs());
  const kept = Rational.one.minus(haircut);
  let floor = Rational.zero;
  for (const { upTo, weight } of asset.slices) {
    const below = slicedValue(asset.slices, bound, floor).times(kept);
    const slope = Rational.min(weight, bound).times(kept);
    if (slope.sign > 0) {
      const edge = floor.plus(asset.cap.minus(below).dividedBy(slope));
      if (upTo === null || edge.atMost(upTo)) return edge;
    }
    if (upTo === null) return null;
    floor = upTo;
  }
  return null;
}

/** The worths, USD, at which the slope of an asset's value changes: zero, slice edges, the cap. */
function edgesOf(asset: AssetRules, balance: Rational, haircut: Rational): readonly Rational[] {
  const edges = [Rational.zero];
  for (const { upTo } of asset.slices) if (upTo !== null) edges.push(upTo);
  const cap = capEdge(asset, balance, haircut);
  return cap === null ? edges : [...edges, cap];
}

/** The factor variable at which a quantity that is `first` at 1 and `second` at 2 reaches `target`: positive or none. */
function reach(first: Rational, second: Rational, target: Rational): Rational | null {
  const slope = second.minus(first);
  if (slope.isZero()) return null;
  const found = Rational.one.plus(target.minus(first).dividedBy(slope));
  return found.sign > 0 ? found : null;
}

/** Where collateral changes slope, in the motion's own variable. `atTwo` is the market with that variable at 2. */
function collateralBreaks(pool: CrossPool, market: MarketView, atTwo: MarketView): readonly Rational[] {
  const worth = ({ asset, amount }: Cash, view: MarketView): Rational =>
    amount.isZero() ? Rational.zero : amount.times(view.index(asset));
  const second = balances(pool, profits(pool, atTwo));
  return balances(pool, profits(pool, market)).flatMap((held, at) => {
    const then = second[at] as Cash;
    const asset = market.asset(held.asset);
    const [from, to] = [worth(held, market), worth(then, atTwo)];
    if (from.equals(to)) return [];
    return edgesOf(asset, held.amount, market.haircutMaintenance(held.asset)).flatMap(
      (edge) => reach(from, to, edge) ?? [],
    );
  });
}

/** The factors at which a moving position's notional reaches a tier's floor. */
function tierBreaks(position: OpenPosition, market: MarketView): readonly Rational[] {
  if (position.instrument.notional === "entry") return [];
  const notional = positionNotional(position, market);
  return position.instrument.tiers.flatMap(({ from }) => {
    if (from.sign <= 0) return [];
    return position.instrument.kind === "linear" ? from.dividedBy(notional) : notional.dividedBy(from);
  });
}

function ascending(factors: readonly Rational[]): readonly Rational[] {
  const sorted = [...factors].sort((left, right) => left.compare(right));
  return sorted.filter((factor, at) => at === 0 || !factor.equals(sorted[at - 1] as Rational));
}

/** The assets that move and everything settled in them. Health is a sum over assets, so the rest can be summed once. */
function split(pool: CrossPool, moved: Moved): { readonly moving: CrossPool; readonly resting: CrossPool } {
  const assets = new Set(movedBalances(pool, moved));
  if (moved.asset !== null) assets.add(moved.asset);
  const part = (moving: boolean): CrossPool => ({
    kind: "cross",
    cash: pool.cash.filter(({ asset }) => assets.has(asset) === moving),
    positions: pool.positions.filter(({ instrument }) => assets.has(instrument.settle) === moving),
    orders: [],
    isolated: [],
  });
  return { moving: part(true), resting: part(false) };
}

/** HEALTH-08, HEALTH-09: the pool's standing when the prices tied to `instrument` (or its mark `alone`) move by one factor. */
export function motion(
  pool: Pool,
  instrument: InstrumentRules,
  market: MarketView,
  rules: RuleSet,
  alone: boolean,
): Motion {
  const moved = movedBy(pool, instrument, alone);
  const shape = shapeOf(pool, market, moved);
  const parts = pool.kind === "cross" ? split(pool, moved) : { moving: pool, resting: null };
  const rest = parts.resting === null ? null : evaluatePool(parts.resting, market, rules);
  const at = (factor: Rational): Standing => {
    const { maintenanceEquity, mm } = evaluatePool(parts.moving, movedMarket(pool, market, moved, factor), rules);
    if (rest === null) return { maintenanceEquity, mm };
    return { maintenanceEquity: maintenanceEquity.plus(rest.maintenanceEquity), mm: mm.plus(rest.mm) };
  };
  const breaks = positionsOf(pool).flatMap((position) =>
    moved.mark(position.instrument) ? tierBreaks(position, market) : [],
  );
  if (shape !== "curved" && parts.moving.kind === "cross") {
    const atTwo = movedMarket(pool, market, moved, shape === "price" ? two : Rational.one.dividedBy(two));
    for (const found of collateralBreaks(parts.moving, market, atTwo))
      breaks.push(shape === "price" ? found : Rational.one.dividedBy(found));
  }
  const jumps = positionsOf(pool).some(({ instrument }) => moved.mark(instrument) && instrument.tierMode === "whole");
  return { shape, at, jumps, breakpoints: ascending(breaks) };
}
