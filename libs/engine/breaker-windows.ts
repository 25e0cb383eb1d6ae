import { haltsAt, type HaltScope, triggerHalt, withoutExpired } from "#libs/domain/breakers/halts.ts";
import {
  emptyWindow,
  type IndexWindow,
  largestMove,
  priceMoveState,
  recordIndex,
} from "#libs/domain/breakers/price-move.ts";
import { cancelsRestingOrders, type HaltState, severity } from "#libs/domain/breakers/states.ts";
import {
  dependencyState,
  type EventTimes,
  fundDrawdownState,
  lagState,
  liquidationRateState,
  priceQualityState,
  recordLiquidation,
} from "#libs/domain/breakers/triggers.ts";
import type { TimeEntry } from "#libs/contracts/log.ts";
import { newFundState, peakResult } from "#libs/domain/settlement/fund.ts";
import { Rational } from "#libs/decimal/index.ts";
import type { Machine } from "./machine.ts";
import { cancelScope } from "./mass-cancel.ts";
import { insuranceAccount } from "./system-accounts.ts";

/** What the automatic breakers remember; part of the state. */
export interface BreakerWindows {
  /** By asset number. */
  readonly indices: Map<number, IndexWindow>;
  /** What each trigger asked for last, by `reason:scope:id`: hysteresis needs it. */
  readonly asked: Map<string, HaltState>;
  liquidations: EventTimes;
}

export function newBreakerWindows(): BreakerWindows {
  return { indices: new Map(), asked: new Map(), liquidations: [] };
}

const eightHours = Rational.ofInteger(8);

/** Whether a trigger asks for something of this scope as it is. */
export function asksAlready(machine: Machine, reason: string, scope: HaltScope, id: string): boolean {
  return machine.breakerWindows.asked.has(`${reason}:${scope}:${id}`);
}

/** A trigger's answer becomes a halt; a fact only where the scope really became stricter. */
export function askFor(machine: Machine, reason: string, scope: HaltScope, id: string, state: HaltState): void {
  const { breakerWindows, rules } = machine;
  const key = `${reason}:${scope}:${id}`;
  if (state === "normal") {
    breakerWindows.asked.delete(key);
    return;
  }
  breakerWindows.asked.set(key, state);
  const before = haltsAt(machine.halts, machine.t, rules.breakers).find(
    (one) => one.scope === scope && one.id === id && one.reason === reason && !one.manual,
  );
  machine.halts = triggerHalt(machine.halts, { scope, id, state, reason }, machine.t, rules.breakers);
  if (before !== undefined && severity(before.state) >= severity(state)) return;
  machine.fact("halt.set", { scope, id: scope === "global" ? null : id, state, reason, manual: false });
  if (cancelsRestingOrders(state)) cancelScope(machine, scope, id);
}

/** BRK-09 … BRK-13: after a frame: each changed index against its window, each price quality against its rule. */
export function judgeBreakers(machine: Machine, changedIndices: readonly string[]): void {
  const { book, rules, breakerWindows } = machine;
  const { priceMove, stalePrice } = rules.breakers;
  if (priceMove === null && stalePrice === null) return;
  if (priceMove !== null)
    for (const id of changedIndices) {
      const asset = book.assetIndex(id);
      const window = breakerWindows.indices.get(asset) ?? emptyWindow;
      breakerWindows.indices.set(asset, recordIndex(window, machine.market.index(id), priceMove.windowMs, machine.t));
    }
  for (let instrument = 0; instrument < book.instrumentCount; instrument += 1) {
    if (!book.isInstrumentListed(instrument)) continue;
    const { id } = machine.instrument(instrument);
    const mark = book.market.markPrice(instrument);
    const window = breakerWindows.indices.get(book.indexAsset(instrument));
    if (priceMove !== null && mark !== null && window !== undefined) {
      const before = breakerWindows.asked.get(`price_move:instrument:${id}`) ?? "normal";
      const move = largestMove(window, mark, priceMove.windowMs, machine.t);
      askFor(machine, "price_move", "instrument", id, priceMoveState(move, priceMove, before));
    }
    if (stalePrice !== null)
      askFor(
        machine,
        "price_quality",
        "instrument",
        id,
        priceQualityState(book.market.instrumentQuality(instrument), rules.breakers),
      );
  }
}

/** BRK-15: one more liquidation has begun. */
export function recordLiquidationStart(machine: Machine): void {
  const { breakerWindows, rules } = machine;
  const rate = rules.breakers.liquidationRate;
  if (rate === null) return;
  breakerWindows.liquidations = recordLiquidation(breakerWindows.liquidations, rate, machine.t);
  const before = breakerWindows.asked.get("liquidation_rate:global:") ?? "normal";
  askFor(
    machine,
    "liquidation_rate",
    "global",
    "",
    liquidationRateState(breakerWindows.liquidations, rate, before, machine.t),
  );
}

/** BRK-21, BRK-22: what the clock of the log tells of the process behind it. */
export function judgeVitals(machine: Machine, { lag, errors }: TimeEntry): void {
  const { breakers } = machine.rules;
  const before = (reason: string): HaltState => machine.breakerWindows.asked.get(`${reason}:global:`) ?? "normal";
  if (breakers.lag !== null) {
    const { commitMs, engineMs, state } = breakers.lag;
    const judge = (reason: string, ms: number, threshold: number | null): void =>
      askFor(machine, reason, "global", "", lagState(ms, threshold, state, before(reason)));
    judge("commit_lag", lag?.commitMs ?? 0, commitMs);
    judge("engine_lag", lag?.engineMs ?? 0, engineMs);
  }
  if (breakers.dependencyErrors === null) return;
  const shares = Object.values(errors ?? {}).map((share) => Rational.parse(share));
  const reason = "dependency_errors";
  askFor(machine, reason, "global", "", dependencyState(shares, breakers.dependencyErrors, before(reason)));
}

/** BRK-14: after a result of a fund: its drawdown from the peak of its trading results. */
export function judgeFundDrawdown(machine: Machine, asset: number): void {
  const { breakerWindows, rules, book } = machine;
  if (rules.breakers.fundDrawdown === null) return;
  const state = machine.fundStates.get(asset) ?? newFundState;
  const balance = machine.ledger.balance(insuranceAccount, asset);
  const hours = rules.fund.brake?.hours ?? eightHours;
  const peak = balance.plus(peakResult(state, hours, machine.t)).minus(state.result);
  const key = `fund_drawdown:global:${book.assetRules(asset).id}`;
  const asked = fundDrawdownState(peak, balance, rules.breakers, breakerWindows.asked.get(key) ?? "normal");
  if (asked === "normal") breakerWindows.asked.delete(key);
  else {
    breakerWindows.asked.set(key, asked);
    askFor(machine, "fund_drawdown", "global", "", asked);
  }
}

/** BRK-16, BRK-17: halts that have run out or opened by a step are reported, and forgotten once open. */
export function expireHalts(machine: Machine): void {
  if (machine.halts.length === 0) return;
  const { breakers } = machine.rules;
  const left = withoutExpired(machine.halts, machine.t, breakers);
  if (left.length === machine.halts.length) return;
  for (const gone of machine.halts)
    if (!left.includes(gone))
      machine.fact("halt.lifted", {
        scope: gone.scope,
        id: gone.id === "" ? null : gone.id,
        state: "normal",
        reason: gone.reason,
        manual: false,
      });
  machine.halts = left;
}
