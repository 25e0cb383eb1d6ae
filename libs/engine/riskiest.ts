import { Rational } from "#libs/decimal/index.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { Machine } from "./machine.ts";
import { poolsOf } from "./pools.ts";
import { positionsOf } from "./sagas/judgement.ts";
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
  const worst = new Least(n);
  for (const pool of poolsOf(machine)) if (screen.evaluate(pool)) worst.offer(pool, ratioOf(screen));
  const pools = worst.pools.sort((left, right) => machine.judge.compareRatios(left, right));
  return pools.map((pool) => answer(machine, pool));
}

export interface PoolTile extends RiskyPool {
  /** USD, at mark, up. */
  readonly notionalUsd: string;
}

/** The `n` pools nearest to liquidation and the `n` with the largest notional, each once, in one scan like that of `riskiest`. */
export function riskiestAndBiggest(machine: Machine, n: number): PoolTile[] {
  const screen = new Screen(machine.book, machine.compiled);
  const worst = new Least(n);
  const biggest = new Least(n);
  for (const pool of poolsOf(machine)) {
    if (!screen.evaluate(pool)) continue;
    worst.offer(pool, ratioOf(screen));
    const notional = notionalOf(machine, pool);
    if (notional > 0) biggest.offer(pool, -notional);
  }
  return [...new Set([...worst.pools, ...biggest.pools])].map((pool) => ({
    ...answer(machine, pool),
    notionalUsd: exactNotional(machine, pool).toStringUp(),
  }));
}

/** The pools with the least figures, least first. */
class Least {
  readonly #most: number;
  readonly #found: { readonly pool: number; readonly figure: number }[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get pools(): number[] {
    return this.#found.map(({ pool }) => pool);
  }

  offer(pool: number, figure: number): void {
    const found = this.#found;
    const last = found.at(-1);
    if (figure === Infinity || (found.length === this.#most && last !== undefined && figure >= last.figure)) return;
    let at = found.length;
    while (at > 0 && (found[at - 1] as { figure: number }).figure > figure) at -= 1;
    found.splice(at, 0, { pool, figure });
    if (found.length > this.#most) found.pop();
  }
}

/** USD in floats; of a cross pool that of its cross positions. */
function notionalOf({ book }: Machine, pool: number): number {
  const { market, exposureF } = book;
  const of = (row: number): number => {
    const exposure = Math.abs(exposureF[row] as number);
    if (exposure === 0) return 0;
    const instrument = book.rowInstrument(row);
    const mark = market.factors[market.markFactor(instrument)] as number;
    const price = market.factors[market.indexFactor(book.settleIndex(instrument))] as number;
    return (book.instrumentRules(instrument).kind === "inverse" ? exposure / mark : exposure * mark) * price;
  };
  const isolated = book.poolRow(pool);
  if (isolated >= 0) return of(isolated);
  let sum = 0;
  for (let row = book.firstRow(book.poolAccount(pool)); row >= 0; row = book.nextRow(row))
    if (!book.isIsolated(row)) sum += of(row);
  return sum;
}

function exactNotional({ book, market }: Machine, pool: number): Rational {
  return Rational.sum(
    positionsOf(book.poolView(pool)).map(({ instrument, qty }) =>
      notional(instrument, qty, market.mark(instrument.id)).times(market.index(instrument.settle)),
    ),
  );
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
