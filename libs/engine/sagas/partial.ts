import { Rational } from "#libs/decimal/index.ts";
import { against, closingLimit } from "#libs/domain/liquidation/limits.ts";
import { closesAll, decidePartial, lotRange, type PartialDecision } from "#libs/domain/liquidation/partial.ts";
import { lowestMaintenanceRate } from "#libs/domain/liquidation/rule-check.ts";
import { notional, unrealisedProfit } from "#libs/domain/positions/value.ts";
import type { OpenPosition, Pool } from "#libs/domain/positions/views.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { contractsOf, lotsOf } from "../amounts.ts";
import { markOf, type Machine } from "../machine.ts";
import { instrumentsByRelief, limitingPrice, poolAfterClose, poolHealth, positionsOf } from "./judgement.ts";
import { emitClose, mayCloseOnBook, type StageResult } from "./orders.ts";
import type { Saga } from "./saga.ts";

/** LIQ-06: how much of one position stage 2 would close now, judged at mark ± expected slippage with the taker fee. */
export function decideFor(machine: Machine, pool: Pool, position: OpenPosition): PartialDecision | null {
  const { instrument, qty } = position;
  const { liquidation } = machine.rules;
  const mark = machine.market.mark(instrument.id);
  const side = qty.sign > 0 ? "long" : "short";
  const price = against(side, mark, liquidation.expectedSlippage);
  const lots = lotsOf(instrument, qty.abs());
  const settle = machine.book.assetRules(machine.book.assetIndex(instrument.settle));
  const health = (after: Pool) => {
    const { maintenanceEquity: equity, mm } = poolHealth(machine, after);
    return { equity, mm };
  };
  const profitPerContract = unrealisedProfit(instrument, qty, position.cost, price).dividedBy(qty.abs());
  return decidePartial({
    lots,
    range: lotRange(lots, liquidation),
    target: liquidation.target,
    now: health(pool),
    after: (n) => {
      const contracts = contractsOf(instrument, n);
      const fee = notional(instrument, contracts, price).times(instrument.takerFee).ceilTo(settle.quantum);
      return health(poolAfterClose(pool, position, contracts, profitPerContract.times(contracts), fee));
    },
    leavesTooLittle: (n) => closesAll(instrument, qty.abs().minus(contractsOf(instrument, n)), mark),
  });
}

/**
 * LIQ-10: the slippage that a stage-2 order may accept. Without a configured one, what keeps every fill raising the ratio: half the
 * lowest MM rate less the taker fee.
 */
function slippageMax(machine: Machine, instrument: InstrumentRules): Rational | null {
  const { maxSlippage } = machine.rules.liquidation;
  if (maxSlippage !== null) return maxSlippage;
  const lowest = lowestMaintenanceRate(instrument);
  if (lowest === null) return null;
  return Rational.max(lowest.dividedBy(Rational.ofInteger(2)).minus(instrument.takerFee), Rational.zero);
}

/** Goes on with the pass over the positions: the next one whose closing raises the ratio gets an order. */
export function continuePartial(machine: Machine, saga: Saga): StageResult {
  for (;;) {
    const instrument = saga.queue.shift();
    if (instrument === undefined) return "judge";
    const pool = machine.book.poolView(saga.pool);
    const rules = machine.instrument(instrument);
    const position = positionsOf(pool).find((one) => one.instrument.id === rules.id);
    if (position === undefined || !mayCloseOnBook(machine, saga, instrument)) continue;
    const decision = decideFor(machine, pool, position);
    if (decision === null) continue;
    const side = position.qty.sign > 0 ? "long" : "short";
    const limit = closingLimit(side, markOf(machine, instrument), limitingPrice(saga, instrument), slippageMax(machine, rules), 1);
    saga.queue.unshift(instrument);
    return emitClose(machine, saga, {
      instrument,
      qty: contractsOf(rules, decision.lots),
      limit,
      depthShare: machine.rules.liquidation.depthShare,
      backing: null,
    });
  }
}

export function beginPass(machine: Machine, saga: Saga): void {
  saga.queue = instrumentsByRelief(machine, machine.book.poolView(saga.pool));
  saga.progressed = false;
}
