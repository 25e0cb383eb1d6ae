import type { Machine } from "./machine.ts";
import { poolsOf } from "./pools.ts";
import { Screen } from "./screen.ts";

export interface RiskyPool {
  readonly account: string;
  /** null: the cross pool. */
  readonly instrument: string | null;
  /** USD: E_M, down; MM, up. */
  readonly equity: string;
  readonly mm: string;
  /** E_M / MM, down; null: no requirement. */
  readonly ratio: string | null;
  readonly liquidating: boolean;
}

/**
 * The pools nearest to liquidation, worst first: those with the lowest E_M / MM, before them those below zero without a
 * requirement. Floats choose, exact numbers order and answer, so that two whose ratios agree to fifteen digits may change places
 * at the end of the list. One scan of every pool that can owe something; a pool without a price is left out.
 */
export function riskiest(machine: Machine, n: number): RiskyPool[] {
  const screen = new Screen(machine.book, machine.compiled);
  const worst: { readonly pool: number; readonly ratio: number }[] = [];
  for (const pool of poolsOf(machine)) {
    if (!screen.evaluate(pool)) continue;
    const ratio = ratioOf(screen);
    const last = worst.at(-1);
    if (ratio === Infinity || (worst.length === n && last !== undefined && ratio >= last.ratio)) continue;
    let at = worst.length;
    while (at > 0 && (worst[at - 1] as { ratio: number }).ratio > ratio) at -= 1;
    worst.splice(at, 0, { pool, ratio });
    if (worst.length > n) worst.pop();
  }
  const pools = worst.map((one) => one.pool).sort((left, right) => machine.judge.compareRatios(left, right));
  return pools.map((pool) => answer(machine, pool));
}

function ratioOf({ equity, maintenance }: Screen): number {
  if (maintenance > 0) return equity / maintenance;
  return equity < 0 ? -Infinity : Infinity;
}

function answer(machine: Machine, pool: number): RiskyPool {
  const { maintenanceEquity: equity, mm } = machine.poolHealthOf(machine.book.poolView(pool));
  return {
    account: machine.accountName(machine.book.poolAccount(pool)),
    instrument: machine.poolInstrument(pool),
    equity: equity.toStringDown(),
    mm: mm.toStringUp(),
    ratio: mm.isZero() ? null : equity.dividedBy(mm).toStringDown(),
    liquidating: machine.liquidating(pool),
  };
}
