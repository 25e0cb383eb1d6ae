import type { Rational } from "#libs/decimal/index.ts";
import { correlation, portfolioReturns, returnsOf } from "#libs/domain/limits/correlation.ts";
import { triggerPrices } from "#libs/domain/health/liquidation-price.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { RefusalCode } from "#libs/domain/pre-trade/codes.ts";
import { deltaOf } from "#libs/domain/pre-trade/exposures.ts";
import { atMost, atMostShare, lossReached } from "#libs/domain/pre-trade/limit-checks.ts";
import { riskToStop } from "#libs/domain/pre-trade/order-checks.ts";
import { nearestFloat } from "../floats.ts";
import { lossOfAll } from "../loss-watch.ts";
import { filledBy } from "./hypothetical-fill.ts";
import type { Measured } from "./measured.ts";
import type { Standing } from "./standing.ts";
import type { Wanted } from "./wanted.ts";

/** LIM-19, LIM-23: what the accounts have lost since the session began, or since they were worth most. */
export function checkLosses(measured: Measured): void {
  const { machine } = measured.wanted.standing;
  const loss = (key: "dayLoss" | "weekLoss" | "drawdown", code: RefusalCode): void =>
    measured.each(key, (share, { standings }) => {
      const accounts = standings.map((one) => one.account);
      const { lost, from } = lossOfAll(machine, accounts, key);
      return lossReached(code, lost, share, from);
    });
  loss("dayLoss", "day_loss");
  loss("weekLoss", "week_loss");
  loss("drawdown", "drawdown");
}

/** LIM-22: of a position in an underlying in which the account has none, with what it holds in others. */
export function checkCorrelation(measured: Measured): void {
  measured.each("maxCorrelation", (most, { before }) => {
    const { standing, order, rules } = measured.wanted;
    const { machine } = standing;
    const { activity, book, t } = machine;
    const held = before.filter((one) => !one.held.isZero());
    const own = activity.closes.get(book.assetIndex(rules.index));
    if (own === undefined || held.some((one) => one.instrument.index === rules.index)) return null;
    const parts: { usd: number; returns: readonly number[] }[] = [];
    for (const { instrument, held: qty } of held) {
      const closes = activity.closes.get(book.assetIndex(instrument.index));
      if (closes === undefined) continue;
      const usd = nearestFloat(deltaOf(instrument, qty, machine.market).times(machine.market.index(instrument.index)));
      parts.push({ usd, returns: returnsOf(closes, t) });
    }
    if (parts.length === 0) return null;
    const sign = order.side === "buy" ? 1 : -1;
    const added = returnsOf(own, t).map((one) => sign * one);
    const found = correlation(added, portfolioReturns(parts));
    return found === null ? null : atMost("correlation", found, most);
  });
}

/** LIM-20: what the order would lose at its stop, or where the position that it leads to would be liquidated. */
export function checkRisk(measured: Measured): void {
  const { wanted } = measured;
  measured.each("maxRiskShare", (share, { equity }) => atMostShare("risk_per_trade", riskOf(wanted), share, equity));
}

/** USD. */
function riskOf(wanted: Wanted): Rational {
  const { standing, order, rules, change } = wanted;
  const { market } = standing.machine;
  const mark = market.mark(rules.id);
  const stop = change.stop ?? liquidationPrice(standing, wanted);
  // Without a price that liquidates it nothing stops the loss: all of the order is at risk.
  const lost = stop === null ? notional(rules, order.qty, order.price ?? mark) : riskToStop(order, stop, mark);
  return lost.times(market.index(rules.settle));
}

function liquidationPrice({ machine, account, pool }: Standing, { order, rules }: Wanted): Rational | null {
  const { book, market } = machine;
  const isolated = pool.isolated.map(({ instrument }) =>
    book.isolatedView(book.findRow(account, book.instrumentIndex(instrument.id))),
  );
  const after = filledBy(machine, account, { cross: pool, isolated }, order, market);
  const own = after.isolated.find((one) => one.position.instrument.id === rules.id) ?? after.cross;
  const held = own.kind === "isolated" || own.positions.some((one) => one.instrument.id === rules.id);
  return held ? triggerPrices(own, rules.id, market, machine.rules, false).liqPrice : null;
}
