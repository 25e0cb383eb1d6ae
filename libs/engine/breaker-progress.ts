import { Rational } from "#libs/decimal/index.ts";
import { largestMove } from "#libs/domain/breakers/price-move.ts";
import { drawdown } from "#libs/domain/breakers/triggers.ts";
import { effective } from "#libs/domain/limits/effective.ts";
import { newFundState, peakResult } from "#libs/domain/settlement/fund.ts";
import { contractsOf } from "./amounts.ts";
import type { Machine } from "./machine.ts";
import { insuranceAccount } from "./system-accounts.ts";

/** How near something of the whole exchange is to what it may not reach. */
export interface Progress {
  readonly what: "fund_drawdown" | "liquidation_rate" | "price_move" | "open_interest";
  /** Asset or instrument; "" for the exchange. */
  readonly of: string;
  readonly value: Rational;
  /** Positive. */
  readonly bound: Rational;
}

const eightHours = Rational.ofInteger(8);
const nobody = { account: "", key: null, entity: null };

/** BRK-09, BRK-14, BRK-15, LIQ-16, LIM-13: what breakers, the fund's brake and limits of instruments are measured by, as it stands. Reads alone. */
export function breakerProgress(machine: Machine): Progress[] {
  return [...fundProgress(machine), ...rateProgress(machine), ...instrumentProgress(machine)];
}

/** The nearer of the breaker and the brake, with which a liquidation goes to ADL instead of the fund. */
function fundProgress({ book, rules, fundStates, ledger, t }: Machine): Progress[] {
  const bounds = [rules.breakers.fundDrawdown?.at, rules.fund.brake?.drawdown].filter((one) => one !== undefined);
  const [first, second] = bounds;
  if (first === undefined) return [];
  const bound = second === undefined ? first : Rational.min(first, second);
  const hours = rules.fund.brake?.hours ?? eightHours;
  const found: Progress[] = [];
  for (let asset = 0; asset < book.assetCount; asset += 1) {
    const balance = ledger.balance(insuranceAccount, asset);
    const state = fundStates.get(asset) ?? newFundState;
    const peak = balance.plus(peakResult(state, hours, t)).minus(state.result);
    if (peak.sign > 0 && bound.sign > 0)
      found.push({ what: "fund_drawdown", of: book.assetRules(asset).id, value: drawdown(peak, balance), bound });
  }
  return found;
}

function rateProgress({ breakerWindows, rules, t }: Machine): Progress[] {
  const rate = rules.breakers.liquidationRate;
  if (rate === null) return [];
  const value = breakerWindows.liquidations.filter((at) => t - at <= rate.windowMs).length;
  const bound = Rational.ofInteger(rate.countMax + 1);
  return [{ what: "liquidation_rate", of: "", value: Rational.ofInteger(value), bound }];
}

function instrumentProgress(machine: Machine): Progress[] {
  const { book, rules, t } = machine;
  const found: Progress[] = [];
  for (let instrument = 0; instrument < book.instrumentCount; instrument += 1) {
    if (!book.isInstrumentListed(instrument) || machine.closedInstruments.has(instrument)) continue;
    const listed = book.instrumentRules(instrument);
    const move = moveOf(machine, instrument);
    const at = rules.breakers.priceMove?.reduceOnlyAt;
    if (move !== null && at !== undefined && at.sign > 0)
      found.push({ what: "price_move", of: listed.id, value: move, bound: at });
    const { account: most } = effective(rules.hierarchy, "maxOpenInterest", nobody, listed, t);
    if (most === null || most.value.sign <= 0) continue;
    const value = contractsOf(listed, book.longLots(instrument));
    found.push({ what: "open_interest", of: listed.id, value, bound: most.value });
  }
  return found;
}

function moveOf({ book, breakerWindows, rules, t }: Machine, instrument: number): Rational | null {
  const { priceMove } = rules.breakers;
  const mark = book.market.markPrice(instrument);
  const window = breakerWindows.indices.get(book.indexAsset(instrument));
  if (priceMove === null || mark === null || window === undefined) return null;
  return largestMove(window, mark, priceMove.windowMs, t);
}
