import { Rational } from "#libs/decimal/index.ts";
import { positionMaintenance } from "#libs/domain/margin/requirement.ts";
import { value } from "#libs/domain/positions/value.ts";
import type { MarketView, OpenPosition, Pool } from "#libs/domain/positions/views.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { evaluatePool } from "./evaluate.ts";

/**
 * HEALTH-13, HEALTH-14: the price at which closing `position` costs `share` (settle asset) against mark. Linear: may be ≤ 0, such a
 * long cannot go bankrupt. Inverse: null when no finite positive price costs that much.
 */
export function priceOfLoss(position: OpenPosition, share: Rational, mark: Rational): Rational | null {
  const { instrument, qty } = position;
  const exposure = qty.times(instrument.multiplier);
  const left = value(instrument, qty, mark).minus(share);
  if (instrument.kind === "linear") return left.dividedBy(exposure);
  if (left.isZero()) return null;
  const price = exposure.dividedBy(left).negated();
  return price.sign > 0 ? price : null;
}

const positionsOf = (pool: Pool): readonly OpenPosition[] =>
  pool.kind === "isolated" ? [pool.position] : pool.positions;

/**
 * HEALTH-13 to HEALTH-16: the bankruptcy price of every position of the pool, by instrument id: `E_full` shared in proportion to
 * maintenance margin in USD (if there is none, to value at mark). Exact, never rounded to a tick.
 */
export function bankruptcyPrices(pool: Pool, market: MarketView, rules: RuleSet): Map<string, Rational | null> {
  const positions = positionsOf(pool);
  const { fullEquity, mm } = evaluatePool(pool, market, rules);
  const usd = (position: OpenPosition, amount: Rational): Rational =>
    amount.times(market.index(position.instrument.settle));
  const valueUsd = (position: OpenPosition): Rational =>
    usd(position, value(position.instrument, position.qty, market.mark(position.instrument.id)).abs());
  const byMargin = mm.sign > 0;
  const total = byMargin ? mm : Rational.sum(positions.map(valueUsd));
  const prices = new Map<string, Rational | null>();
  for (const position of positions) {
    const { id, settle } = position.instrument;
    const part = byMargin ? usd(position, positionMaintenance(position, market)) : valueUsd(position);
    const share = fullEquity.times(part).dividedBy(total.times(market.index(settle)));
    prices.set(id, priceOfLoss(position, share, market.mark(id)));
  }
  return prices;
}
