import type { Rational } from "#libs/decimal/index.ts";
import type { MarketView, OpenPosition, Pool } from "#libs/domain/positions/views.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { affineCrossings } from "./crossings.ts";
import { curvedCrossings } from "./curved-crossings.ts";
import { motion } from "./motion.ts";

/** Prices of a position's instrument, exact; null: no such price. To be shown rounded down at 18 decimals. */
export interface TriggerPrices {
  readonly partialPrice: Rational | null;
  readonly liqPrice: Rational | null;
}

const none: TriggerPrices = { partialPrice: null, liqPrice: null };

function positionOn(pool: Pool, instrumentId: string): OpenPosition | undefined {
  if (pool.kind === "isolated") return pool.position.instrument.id === instrumentId ? pool.position : undefined;
  return pool.positions.find(({ instrument }) => instrument.id === instrumentId);
}

/**
 * HEALTH-08 to HEALTH-12: the marks of `instrumentId` nearest to the current one at which the pool's ratio ≤ partialAt, ≤ fullAt begins or
 * ends; at equal distance the adverse side (down for a long, up for a short). All prices of the same index move by one factor, the rest
 * stay; with `alone` only this mark moves. Null without a position on it, without a ratio, or if no positive price does it.
 */
export function triggerPrices(
  pool: Pool,
  instrumentId: string,
  market: MarketView,
  rules: RuleSet,
  alone: boolean,
): TriggerPrices {
  const position = positionOn(pool, instrumentId);
  if (position === undefined) return none;
  const mark = market.mark(instrumentId);
  const path = motion(pool, position.instrument, market, rules, alone);
  const adverse = position.qty.sign > 0 ? "down" : "up";
  const crossing = path.shape === "curved" ? curvedCrossings(path, mark, adverse) : affineCrossings(path, adverse);
  const price = (k: Rational): Rational | null => crossing(k)?.times(mark).reduced() ?? null;
  return { partialPrice: price(rules.liquidation.partialAt), liqPrice: price(rules.liquidation.fullAt) };
}
