import { Rational } from "#libs/decimal/index.ts";
import { balances, initialValue, profits, withoutProfit } from "#libs/domain/collateral/values.ts";
import { unrealisedProfit } from "#libs/domain/positions/value.ts";
import type { CrossPool, IsolatedPool, MarketView, Pool } from "#libs/domain/positions/views.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { orderMarginUsd } from "./orders.ts";
import { positionRequirement } from "./requirement.ts";

/** Whether an amount may leave a pool, with the numbers compared. `cash` in units of the asset, the others USD. */
export interface Withdrawable {
  readonly allowed: boolean;
  /** Cash (isolated: margin) of the asset that would stay. */
  readonly cash: Rational;
  /** `max(IM with orders, withdrawFloor · notional)`. */
  readonly required: Rational;
  /** Initial equity without unrealised profit, as it would stay. */
  readonly available: Rational;
}

interface Need {
  readonly required: Rational;
  readonly available: Rational;
}

function crossNeed(pool: CrossPool, market: MarketView, rules: RuleSet): Need {
  let [im, notional] = [orderMarginUsd(pool, market), Rational.zero];
  for (const position of pool.positions) {
    const need = positionRequirement(position, market);
    const price = market.index(position.instrument.settle);
    im = im.plus(need.im.times(price));
    notional = notional.plus(need.notional.times(price));
  }
  const held = balances(pool, profits(pool, market).map(withoutProfit));
  return { required: Rational.max(im, rules.withdrawFloor.times(notional)), available: initialValue(held, market) };
}

function isolatedNeed({ margin, position }: IsolatedPool, market: MarketView, rules: RuleSet): Need {
  const { instrument, qty, cost, funding } = position;
  const profit = unrealisedProfit(instrument, qty, cost, market.mark(instrument.id));
  const { im, notional } = positionRequirement(position, market);
  const price = market.index(instrument.settle);
  return {
    required: Rational.max(im, rules.withdrawFloor.times(notional)).times(price),
    available: margin.plus(withoutProfit(profit)).plus(funding).times(price),
  };
}

function crossAfter(pool: CrossPool, asset: string, amount: Rational): CrossPool {
  const others = pool.cash.filter((held) => held.asset !== asset);
  const cash = cashOf(pool, asset).minus(amount);
  return { ...pool, cash: [...others, { asset, amount: cash }] };
}

function cashOf(pool: CrossPool, asset: string): Rational {
  return Rational.sum(pool.cash.filter((held) => held.asset === asset).map((held) => held.amount));
}

/**
 * COL-13 to COL-16: withdrawing, transferring or taking `amount` ≥ 0 of `asset` out of the pool: its cash must not go below zero, and
 * what stays without unrealised profit must cover the initial margin with orders and a share of the notional.
 * Price quality and parked deficits are the caller's to check. An isolated pool holds nothing but its settle asset.
 */
export function withdrawable(
  pool: Pool,
  asset: string,
  amount: Rational,
  market: MarketView,
  rules: RuleSet,
): Withdrawable {
  if (pool.kind === "isolated") {
    const own = pool.position.instrument.settle === asset;
    const cash = own ? pool.margin.minus(amount) : amount.negated();
    const need = isolatedNeed(own ? { ...pool, margin: cash } : pool, market, rules);
    return { allowed: cash.sign >= 0 && need.available.atLeast(need.required), cash, ...need };
  }
  const after = crossAfter(pool, asset, amount);
  const cash = cashOf(after, asset);
  const need = crossNeed(after, market, rules);
  return { allowed: cash.sign >= 0 && need.available.atLeast(need.required), cash, ...need };
}
