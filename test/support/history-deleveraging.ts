import { Rational } from "#libs/decimal/index.ts";
import type { Entry, Fact } from "#libs/contracts/log.ts";
import type { Engine } from "#libs/engine/index.ts";
import { holdingOf, indexOf, markOf, plainHealth, rowsOfPool, worth } from "./history-health.ts";
import { type Check, demand, type Done } from "./history-run.ts";

const { zero } = Rational;
const text = (fact: Fact, field: string): string => String(fact[field]);
const outcomes = new Set(["blocked", "closed", "resumed"]);

/** p_bk of every position of a pool: `E_full` in proportion to margin; null where no price takes as much. */
function bankruptcyOf(engine: Engine, pool: number): Map<string, Rational | null> {
  const { full } = plainHealth(engine, pool);
  const rows = rowsOfPool(engine, pool).map((row) => holdingOf(engine, row));
  const alone = rows.map(({ row }) => weightOf(engine, pool, row));
  const total = Rational.sum(alone);
  const prices = new Map<string, Rational | null>();
  rows.forEach((held, at) => {
    if (total.isZero()) return;
    const share = full.times(alone[at] as Rational).dividedBy(total).dividedBy(indexOf(engine, held.settle));
    const left = worth(held.instrument, held.qty, markOf(engine, held.number)).minus(share);
    const size = held.qty.times(held.instrument.multiplier);
    if (held.instrument.kind === "linear") return void prices.set(held.instrument.id, left.dividedBy(size));
    const price = left.isZero() ? null : size.dividedBy(left).negated();
    prices.set(held.instrument.id, price !== null && price.sign > 0 ? price : null);
  });
  return prices;
}

/** What a position adds to its pool's requirement: the pool's less the pool's without it, since requirements add up by position. */
function weightOf(engine: Engine, _pool: number, row: number): Rational {
  const held = holdingOf(engine, row);
  return maintenanceUsd(engine, held.row);
}
