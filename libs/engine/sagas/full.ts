import { Rational } from "#libs/decimal/index.ts";
import { closingLimit } from "#libs/domain/liquidation/limits.ts";
import type { Machine } from "../machine.ts";
import { markOf } from "../pools.ts";
import { instrumentsByRelief, limitingPrice, referencePrice } from "./judgement.ts";
import { spendable } from "./fund.ts";
import { bookAccess, type ClosingOrder, emitClose, heldBy, type StageResult } from "./orders.ts";
import type { Saga } from "./saga.ts";

/** Slices of one position in one stage; beyond it the stage counts as exhausted. */
const slicesMax = 1000;

/** Lists the pool's open positions for a stage that works through all of them. */
export function beginStage(machine: Machine, saga: Saga): void {
  saga.queue = instrumentsByRelief(machine, machine.book.poolView(saga.pool));
  saga.slice = 1;
}

/** LIQ-11 … LIQ-13: the next slice of stage 3; each slice accepts more slippage, none a price worse than p_bk. */
export function continueFull(machine: Machine, saga: Saga): StageResult {
  return continueOnBook(machine, saga, (instrument, held) => {
    const side = held.sign > 0 ? "long" : "short";
    const { maxSlippage, depthShare } = machine.rules.liquidation;
    const limit = closingLimit(
      side,
      markOf(machine, instrument),
      limitingPrice(saga, instrument),
      maxSlippage,
      saga.slice,
    );
    return { instrument, qty: held.abs(), limit: positive(limit), depthShare, backing: null };
  });
}

/** LIQ-17: the next slice of stage 5: as many lots as the fund can top up to p_bk. */
export function continueFundBacked(machine: Machine, saga: Saga): StageResult {
  return continueOnBook(machine, saga, (instrument, held) => {
    const reference = referencePrice(machine, saga, instrument, held);
    const budget = spendable(machine, saga, machine.book.settleIndex(instrument));
    const backing = reference === null ? null : { reference, budget };
    return { instrument, qty: held.abs(), limit: null, depthShare: machine.rules.liquidation.depthShare, backing };
  });
}

/** LIQ-03: what even ADL left is closed at whatever the book pays; the shortfall is a bad debt. */
export function continueAtAnyPrice(machine: Machine, saga: Saga): StageResult {
  return continueOnBook(machine, saga, (instrument, held) => ({
    instrument,
    qty: held.abs(),
    limit: null,
    depthShare: null,
    backing: null,
  }));
}

const positive = (limit: Rational | null): Rational | null => (limit !== null && limit.sign > 0 ? limit : null);

function continueOnBook(
  machine: Machine,
  saga: Saga,
  order: (instrument: number, held: Rational) => Omit<ClosingOrder, "whenDeep">,
): StageResult {
  for (;;) {
    const instrument = saga.queue[0];
    if (instrument === undefined) return "judge";
    const held = heldBy(machine, saga, instrument);
    if (held.isZero() || saga.slice > slicesMax) {
      saga.queue.shift();
      saga.slice = 1;
      continue;
    }
    const access = bookAccess(machine, saga, instrument);
    if (access === "closed") return "waiting";
    return emitClose(machine, saga, { ...order(instrument, held), whenDeep: access === "when_deep" });
  }
}

/** After an outcome of stage 3 or 5: another slice where there is hope, else the next position. */
export function afterSlice(
  machine: Machine,
  saga: Saga,
  instrument: number,
  closed: Rational,
  exhausted: boolean,
): void {
  const atBankruptcy = saga.limit === null || saga.limit.equals(limitingPrice(saga, instrument) ?? Rational.zero);
  const noneLeft =
    closed.isZero() &&
    (atBankruptcy || saga.state !== "full" || (machine.rules.liquidation.maxSlippage?.isZero() ?? true));
  if (exhausted || noneLeft) {
    saga.queue.shift();
    saga.slice = 1;
  } else saga.slice += 1;
}
