import { Rational } from "#libs/decimal/index.ts";
import { bankruptcyPrices } from "#libs/domain/health/bankruptcy.ts";
import { evaluatePool, type PoolHealth } from "#libs/domain/health/evaluate.ts";
import { positionMaintenance } from "#libs/domain/margin/requirement.ts";
import { ratioAtMost } from "#libs/domain/liquidation/order-of-pools.ts";
import { rankByRelief } from "#libs/domain/liquidation/partial.ts";
import type { SagaEvent } from "#libs/domain/liquidation/saga.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { OpenPosition, Pool } from "#libs/domain/positions/views.ts";
import type { Machine } from "../machine.ts";
import type { Saga } from "./saga.ts";

export function positionsOf(pool: Pool): readonly OpenPosition[] {
  if (pool.kind === "cross") return pool.positions;
  return pool.position.qty.isZero() ? [] : [pool.position];
}

export function poolHealth(machine: Machine, pool: Pool): PoolHealth {
  return evaluatePool(pool, machine.market, machine.rules);
}

/** LIQ-02: what the pool's health, judged on the present frame, means to its saga. */
export function verdict(machine: Machine, saga: Saga): SagaEvent {
  const pool = machine.book.poolView(saga.pool);
  const { maintenanceEquity: equity, fullEquity, mm } = poolHealth(machine, pool);
  // A pool that only owed and has been cured before anything was done is released like any other.
  if (positionsOf(pool).length === 0) return saga.closed || equity.sign < 0 ? "flat" : "safe";
  const { partialAt, fullAt } = machine.rules.liquidation;
  if (!ratioAtMost({ equity, mm }, partialAt)) return "safe";
  if (!ratioAtMost({ equity, mm }, fullAt)) return "thin";
  return fullEquity.sign < 0 ? "insolvent" : "critical";
}

/** HEALTH-13: the bankruptcy prices of the pool at this frame: computed once a frame, then frozen. */
export function freezeBankruptcyPrices(machine: Machine, saga: Saga): void {
  const pool = machine.book.poolView(saga.pool);
  const flat = positionsOf(pool).length === 0;
  const prices = flat ? new Map<string, null>() : bankruptcyPrices(pool, machine.market, machine.rules);
  saga.bankruptcy = new Map();
  for (const [id, price] of prices) saga.bankruptcy.set(machine.book.instrumentIndex(id), price);
  saga.frame = machine.frame;
}

/** p_bk where it limits; null where the position cannot go bankrupt: a linear price at or below zero, none for an inverse one. */
export function limitingPrice(saga: Saga, instrument: number): Rational | null {
  const price = saga.bankruptcy.get(instrument) ?? null;
  return price !== null && price.sign > 0 ? price : null;
}

/**
 * p_bk as what a close is measured against, for a fund that tops up and for ADL; null: the position cannot go bankrupt, nothing is
 * lost against it. A linear price at or below zero of a short is one all the same: that much must be brought. An inverse
 * long for which no price brings enough is measured against a price beyond all others.
 */
export function referencePrice(machine: Machine, saga: Saga, instrument: number, held: Rational): Rational | null {
  const price = saga.bankruptcy.get(instrument) ?? null;
  const { kind } = machine.instrument(instrument);
  if (kind === "linear") return price !== null && (price.sign > 0 || held.sign < 0) ? price : null;
  return price === null && held.sign > 0 ? beyondAllPrices : price;
}

const beyondAllPrices = Rational.ofInteger(10n ** 20n);

/** LIQ-04: the pool's instruments in order of MM relief per expected loss. */
export function instrumentsByRelief(machine: Machine, pool: Pool): number[] {
  const candidates = positionsOf(pool).map((position) => {
    const { instrument, qty } = position;
    const settleUsd = machine.market.index(instrument.settle);
    return {
      instrument: instrument.id,
      relief: positionMaintenance(position, machine.market).times(settleUsd),
      notionalUsd: notional(instrument, qty, machine.market.mark(instrument.id)).times(settleUsd),
      takerFee: instrument.takerFee,
    };
  });
  return rankByRelief(candidates, machine.rules.liquidation.expectedSlippage).map((one) =>
    machine.book.instrumentIndex(one.instrument),
  );
}

/** The pool after `contracts` of one position are closed at `price` and a fee in the settle asset is paid: for looking ahead. */
export function poolAfterClose(
  pool: Pool,
  position: OpenPosition,
  contracts: Rational,
  profit: Rational,
  fee: Rational,
): Pool {
  const left = position.qty.abs().minus(contracts);
  const share = left.dividedBy(position.qty.abs());
  const gained = profit.minus(fee);
  const after: OpenPosition = {
    ...position,
    qty: position.qty.times(share),
    cost: position.cost.times(share),
  };
  if (pool.kind === "isolated") return { kind: "isolated", margin: pool.margin.plus(gained), position: after };
  const settle = position.instrument.settle;
  const others = pool.cash.filter((one) => one.asset !== settle);
  const own = pool.cash.find((one) => one.asset === settle)?.amount ?? Rational.zero;
  // Accrued funding of what is closed is booked with the fill: keep it whole in cash.
  const cash = own.plus(gained).plus(left.isZero() ? position.funding : Rational.zero);
  const positions = pool.positions.flatMap((one) =>
    one.instrument.id !== position.instrument.id ? [one] : left.isZero() ? [] : [after],
  );
  return { ...pool, cash: [...others, { asset: settle, amount: cash }], positions };
}
