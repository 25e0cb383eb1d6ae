import { Rational } from "#libs/decimal/index.ts";
import { against, closingLimit } from "#libs/domain/liquidation/limits.ts";
import { closesAll, decidePartial, lotRange, type PartialDecision } from "#libs/domain/liquidation/partial.ts";
import { compareRatios, type RatioParts } from "#libs/domain/liquidation/order-of-pools.ts";
import { notional, unrealisedProfit } from "#libs/domain/positions/value.ts";
import type { OpenPosition, Pool } from "#libs/domain/positions/views.ts";
import { contractsOf, lotsOf } from "../amounts.ts";
import type { Machine } from "../machine.ts";
import { markOf } from "../pools.ts";
import { instrumentsByRelief, limitingPrice, poolAfterClose, poolHealth, positionsOf } from "./judgement.ts";
import { emitClose, bookAccess, type StageResult } from "./orders.ts";
import type { Saga } from "./saga.ts";

/** LIQ-06: how much of one position stage 2 would close now, judged at mark ± expected slippage with the taker fee. */
export function decideFor(machine: Machine, pool: Pool, position: OpenPosition): PartialDecision | null {
  const { instrument, qty } = position;
  const { liquidation } = machine.rules;
  const mark = machine.market.mark(instrument.id);
  const side = qty.sign > 0 ? "long" : "short";
  const price = against(side, mark, liquidation.expectedSlippage);
  const lots = lotsOf(instrument, qty.abs());
  return decidePartial({
    lots,
    range: lotRange(lots, liquidation),
    target: liquidation.target,
    now: healthParts(machine, pool),
    after: (n) => healthParts(machine, afterClosing(machine, pool, position, n, price)),
    leavesTooLittle: (n) => closesAll(instrument, qty.abs().minus(contractsOf(instrument, n)), mark),
  });
}

/** What stage 2 closes of one position, and the pool after it. */
export interface PassStep {
  readonly position: OpenPosition;
  readonly contracts: Rational;
  readonly pool: Pool;
}

/** LIQ-04, LIQ-06: one pass of stage 2 as it would go now, each close filled at mark with the taker fee. */
export function* passOfStageTwo(machine: Machine, start: Pool): Generator<PassStep> {
  const now = healthParts(machine, start);
  // A pool at the target has nothing to reach.
  if (now.mm.isZero() || now.equity.atLeast(now.mm.times(machine.rules.liquidation.target))) return;
  let pool = start;
  for (const number of instrumentsByRelief(machine, start)) {
    const position = positionsOf(pool).find((one) => one.instrument.id === machine.instrument(number).id);
    if (position === undefined) continue;
    const decision = decideFor(machine, pool, position);
    if (decision === null) continue;
    pool = afterClosing(machine, pool, position, decision.lots, markOf(machine, number));
    yield { position, contracts: contractsOf(position.instrument, decision.lots), pool };
    if (decision.reaches) return;
  }
}

/** Bisections of a limit: 2^-60 of the distance to mark is far below any tick. */
const limitSteps = 60;

/**
 * LIQ-11: mark ± max slippage, never worse than `p_bk`, and never so far that a fill there would not raise the ratio: with haircuts
 * or fees that can be nearer to mark.
 */
function partialLimit(machine: Machine, saga: Saga, pool: Pool, position: OpenPosition, lots: bigint): Rational | null {
  const { instrument, qty } = position;
  const side = qty.sign > 0 ? "long" : "short";
  const number = machine.book.instrumentIndex(instrument.id);
  const mark = markOf(machine, number);
  const limit = closingLimit(side, mark, limitingPrice(saga, number), machine.rules.liquidation.maxSlippage, 1);
  const now = healthParts(machine, pool);
  const after = (price: Rational): RatioParts =>
    healthParts(machine, afterClosing(machine, pool, position, lots, price));
  const raises = (price: Rational): boolean => compareRatios(after(price), now) > 0;
  if (limit === null || limit.sign <= 0 || raises(limit)) return limit;
  return nearestRaising(
    limit,
    mark,
    raises,
    turningPoint(limit, mark, (price) => gainOf(after(price), now)),
  );
}

/**
 * Halves the distance between a price that does not raise the ratio and one that does, `limitSteps` times. A nearer price never does
 * worse, so where the `guess` of the turning point holds, what lies outside of its surroundings need not be asked.
 */
function nearestRaising(
  from: Rational,
  to: Rational,
  raises: (price: Rational) => boolean,
  guess: Rational | null,
): Rational {
  const up = to.above(from);
  const reaches = (price: Rational, bound: Rational): boolean => (up ? price.atLeast(bound) : price.atMost(bound));
  let [bad, good] = [from, to];
  let [surelyBad, surelyGood] = [from, to];
  if (guess !== null) {
    const around = to.minus(from).times(surroundings);
    const [before, behind] = [guess.minus(around), guess.plus(around)];
    if (reaches(before, from) && !raises(before)) surelyBad = before;
    if (reaches(to, behind) && raises(behind)) surelyGood = behind;
  }
  for (let step = 0; step < limitSteps; step += 1) {
    const middle = bad.plus(good).dividedBy(two).floorTo(finest);
    if (reaches(middle, surelyGood) || (!reaches(surelyBad, middle) && raises(middle))) good = middle;
    else bad = middle;
  }
  return good;
}

/** Where a straight line through the gains at two prices is zero; null where there is none. Only a guess where the gain is no such line. */
function turningPoint(from: Rational, to: Rational, gain: (price: Rational) => Rational): Rational | null {
  const [first, last] = [gain(from), gain(to)];
  const rise = last.minus(first);
  return rise.isZero() ? null : from.minus(to.minus(from).times(first).dividedBy(rise)).floorTo(finest);
}

/** How much more than before there is, of the sign of the change of the ratio: both requirements are positive as a rule. */
const gainOf = (after: RatioParts, now: RatioParts): Rational =>
  after.equity.times(now.mm).minus(now.equity.times(after.mm));

const two = Rational.ofInteger(2);
const finest = Rational.ofUnits(1n, 18);
/** Of the whole distance: what is left to be asked within it are some ten of the `limitSteps`. */
const surroundings = Rational.ofUnits(1n, 15);

function healthParts(machine: Machine, pool: Pool): RatioParts {
  const { maintenanceEquity: equity, mm } = poolHealth(machine, pool);
  return { equity, mm };
}

/** The pool after `lots` of a position are closed at `price` with the taker fee. */
export function afterClosing(
  machine: Machine,
  pool: Pool,
  position: OpenPosition,
  lots: bigint,
  price: Rational,
): Pool {
  const { instrument, qty, cost } = position;
  const { quantum } = machine.market.asset(instrument.settle);
  const contracts = contractsOf(instrument, lots);
  const profit = unrealisedProfit(instrument, qty, cost, price).times(contracts).dividedBy(qty.abs());
  const fee = notional(instrument, contracts, price).times(instrument.takerFee).ceilTo(quantum);
  return poolAfterClose(pool, position, contracts, profit, fee);
}

/** Goes on with the pass over the positions: the next one whose closing raises the ratio gets an order. */
export function continuePartial(machine: Machine, saga: Saga): StageResult {
  for (;;) {
    const instrument = saga.queue.shift();
    if (instrument === undefined) return "judge";
    const pool = machine.book.poolView(saga.pool);
    const rules = machine.instrument(instrument);
    const position = positionsOf(pool).find((one) => one.instrument.id === rules.id);
    const access = bookAccess(machine, saga, instrument);
    if (position === undefined || access === "closed") continue;
    const decision = decideFor(machine, pool, position);
    if (decision === null) continue;
    const limit = partialLimit(machine, saga, pool, position, decision.lots);
    saga.queue.unshift(instrument);
    return emitClose(machine, saga, {
      instrument,
      qty: contractsOf(rules, decision.lots),
      limit,
      depthShare: machine.rules.liquidation.depthShare,
      whenDeep: access === "when_deep",
      backing: null,
    });
  }
}

export function beginPass(machine: Machine, saga: Saga): void {
  saga.queue = instrumentsByRelief(machine, machine.book.poolView(saga.pool));
  saga.progressed = false;
}
