import { Rational } from "#libs/decimal/index.ts";
import type { CrossPool, MarketView } from "#libs/domain/positions/views.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import type { OrderDemand } from "./orders.ts";
import { orderDemands } from "./orders.ts";
import { positionNotional } from "./requirement.ts";

/** One leverage limit and how far it is used. USD; `instrument` null: the account's total. */
export interface LeverageUse {
  readonly instrument: string | null;
  readonly maxLeverage: Rational;
  readonly notionalUsd: Rational;
  /** `maxLeverage · E_I`: the most that the notional may be. */
  readonly limitUsd: Rational;
  readonly exceeded: boolean;
}

/** The notional of an instrument with its orders, USD. On an isolated instrument only what orders add belongs to the cross pool. */
function demandUsd(demand: OrderDemand, market: MarketView): Rational {
  const added = demand.isolated ? demand.notional.minus(demand.positionNotional) : demand.notional;
  return added.times(market.index(demand.instrument.settle));
}

/** USD by instrument id: every position and every order of the pool. */
export function notionalsUsd(pool: CrossPool, market: MarketView): ReadonlyMap<string, Rational> {
  const found = new Map<string, Rational>();
  for (const position of pool.positions) {
    const { id, settle } = position.instrument;
    found.set(id, positionNotional(position, market).times(market.index(settle)));
  }
  for (const demand of orderDemands(pool, market)) found.set(demand.instrument.id, demandUsd(demand, market));
  return found;
}

/**
 * ORD-07, ORD-08: the use of every leverage limit of a cross pool, resting orders included: per instrument in order of id, then
 * the account's total. `initialEquity` is E_I in USD. Only limits that exist are listed; at a limit exactly none is exceeded.
 */
export function leverageUse(
  pool: CrossPool,
  initialEquity: Rational,
  market: MarketView,
  rules: RuleSet,
): readonly LeverageUse[] {
  const notionals = notionalsUsd(pool, market);
  const use = (instrument: string | null, maxLeverage: Rational, notionalUsd: Rational): LeverageUse => {
    const limitUsd = maxLeverage.times(initialEquity);
    // Without any notional there is no leverage, however deep the equity is below zero.
    return {
      instrument,
      maxLeverage,
      notionalUsd,
      limitUsd,
      exceeded: notionalUsd.sign > 0 && notionalUsd.above(limitUsd),
    };
  };
  const found: LeverageUse[] = [];
  for (const id of [...notionals.keys()].sort()) {
    const maxLeverage = instrumentOf(pool, id)?.maxLeverage ?? null;
    if (maxLeverage !== null) found.push(use(id, maxLeverage, notionals.get(id) as Rational));
  }
  if (rules.limits.maxLeverage !== null)
    found.push(use(null, rules.limits.maxLeverage, Rational.sum(notionals.values())));
  return found;
}

function instrumentOf(pool: CrossPool, id: string): CrossPool["positions"][number]["instrument"] | undefined {
  const position = pool.positions.find(({ instrument }) => instrument.id === id);
  return position?.instrument ?? pool.orders.find(({ instrument }) => instrument.id === id)?.instrument;
}
