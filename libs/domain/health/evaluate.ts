import { Rational } from "#libs/decimal/index.ts";
import type { CollateralRow } from "#libs/domain/collateral/values.ts";
import { balances, equities, maintenanceValue, profits } from "#libs/domain/collateral/values.ts";
import { orderMarginUsd } from "#libs/domain/margin/orders.ts";
import { positionMaintenance, positionRequirement } from "#libs/domain/margin/requirement.ts";
import { unrealisedProfit } from "#libs/domain/positions/value.ts";
import type { CrossPool, IsolatedPool, MarketView, Pool } from "#libs/domain/positions/views.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";

/** What decides about a pool, USD. */
export interface PoolHealth {
  readonly maintenanceEquity: Rational;
  readonly fullEquity: Rational;
  readonly mm: Rational;
}

/** USD. `im` includes `orderIm`, what resting orders reserve. */
export interface CrossHealth extends PoolHealth {
  readonly kind: "cross";
  readonly initialEquity: Rational;
  readonly im: Rational;
  readonly orderIm: Rational;
  readonly notionalUsd: Rational;
  readonly collateral: readonly CollateralRow[];
}

/** USD. An isolated pool has one equity: its three fields are equal. */
export interface IsolatedHealth extends PoolHealth {
  readonly kind: "isolated";
  readonly initialEquity: Rational;
  readonly im: Rational;
  readonly notionalUsd: Rational;
}

/** COL-08 to COL-12, TIER-10: where a cross pool stands. Pure and exact. */
export function evaluateCross(pool: CrossPool, market: MarketView, rules: RuleSet): CrossHealth {
  const orderIm = orderMarginUsd(pool, market);
  let [im, mm, notionalUsd] = [orderIm, Rational.zero, Rational.zero];
  for (const position of pool.positions) {
    const need = positionRequirement(position, market);
    const price = market.index(position.instrument.settle);
    im = im.plus(need.im.times(price));
    mm = mm.plus(need.mm.times(price));
    notionalUsd = notionalUsd.plus(need.notional.times(price));
  }
  return { kind: "cross", ...equities(pool, market, rules), im, orderIm, mm, notionalUsd };
}

/** HEALTH-07: margin, profit and accrued funding at the settle asset's index; no haircut, slice or premium. USD. */
function isolatedEquity({ margin, position }: IsolatedPool, market: MarketView): Rational {
  const { instrument, qty, cost, funding } = position;
  const profit = unrealisedProfit(instrument, qty, cost, market.mark(instrument.id));
  return margin.plus(profit).plus(funding).times(market.index(instrument.settle));
}

/** HEALTH-07: where an isolated pool stands; its orders reserve in the cross pool, so `im` is its position's. */
export function evaluateIsolated(pool: IsolatedPool, market: MarketView, _rules: RuleSet): IsolatedHealth {
  const equity = isolatedEquity(pool, market);
  const { im, mm, notional } = positionRequirement(pool.position, market);
  const price = market.index(pool.position.instrument.settle);
  return {
    kind: "isolated",
    initialEquity: equity,
    maintenanceEquity: equity,
    fullEquity: equity,
    im: im.times(price),
    mm: mm.times(price),
    notionalUsd: notional.times(price),
  };
}

/** The part of a pool's health that interventions are decided by, at less cost than the whole. Equal to the whole's fields. */
export function evaluatePool(pool: Pool, market: MarketView, _rules: RuleSet): PoolHealth {
  if (pool.kind === "isolated") {
    const equity = isolatedEquity(pool, market);
    const mm = positionMaintenance(pool.position, market).times(market.index(pool.position.instrument.settle));
    return { maintenanceEquity: equity, fullEquity: equity, mm };
  }
  let [maintenanceEquity, fullEquity, mm] = [Rational.zero, Rational.zero, Rational.zero];
  for (const held of balances(pool, profits(pool, market))) {
    const row = maintenanceValue(held, market);
    maintenanceEquity = maintenanceEquity.plus(row.value);
    fullEquity = fullEquity.plus(row.worth);
  }
  for (const position of pool.positions)
    mm = mm.plus(positionMaintenance(position, market).times(market.index(position.instrument.settle)));
  return { maintenanceEquity, fullEquity, mm };
}
