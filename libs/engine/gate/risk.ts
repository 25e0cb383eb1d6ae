import { Rational } from "#libs/decimal/index.ts";
import { correlation, portfolioReturns, returnsOf } from "#libs/domain/limits/correlation.ts";
import { triggerPrices } from "#libs/domain/health/liquidation-price.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { RefusalCode } from "#libs/domain/pre-trade/codes.ts";
import { deltaOf } from "#libs/domain/pre-trade/exposures.ts";
import { atMost, atMostShare, lossReached } from "#libs/domain/pre-trade/limit-checks.ts";
import { riskToStop, type Sized } from "#libs/domain/pre-trade/order-checks.ts";
import type { RestingOrder } from "#libs/domain/positions/views.ts";
import { stopOf } from "../activity.ts";
import { nearestFloat } from "../floats.ts";
import { lossOfAll } from "../loss-watch.ts";
import type { Machine } from "../machine.ts";
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

/** LIM-20, LIM-27: what the order would lose at its stop, and with what the account's positions would lose at theirs. */
export function checkRisk(measured: Measured): void {
  const { wanted } = measured;
  const risk = once(() => riskOf(wanted));
  measured.each("maxRiskShare", (share, { equity }) => atMostShare("risk_per_trade", risk(), share, equity));
  measured.each("maxRiskSumShare", (share, { equity }) =>
    atMostShare("risk_sum", risk().plus(heldRisk(wanted.standing)), share, equity),
  );
}

function once<Value>(compute: () => Value): () => Value {
  let known: { readonly value: Value } | null = null;
  return () => (known ??= { value: compute() }).value;
}

/** USD. Where nothing stops the loss (null), all is at risk. */
function lossAt(machine: Machine, order: Sized, stop: Rational | null): Rational {
  const { market } = machine;
  const { instrument, qty, price } = order;
  const mark = market.mark(instrument.id);
  const lost = stop === null ? notional(instrument, qty, price ?? mark) : riskToStop(order, stop, mark);
  return lost.times(market.index(instrument.settle));
}

function riskOf({ standing, order, change }: Wanted): Rational {
  const stop = change.stop ?? priceAfter(standing, order);
  return lossAt(standing.machine, order, stop);
}

function heldRisk({ machine, account, pool }: Standing): Rational {
  const { book } = machine;
  const risks = [...pool.positions, ...pool.isolated].map((position) => {
    const { instrument, qty } = position;
    const number = book.instrumentIndex(instrument.id);
    const stop = stopOf(machine, account, number);
    const side = qty.sign > 0 ? "buy" : "sell";
    return lossAt(machine, { instrument, qty: qty.abs(), side, price: null }, stop);
  });
  return Rational.sum(risks);
}

/** Where the position that an order leads to would be liquidated; null: nowhere, or it leads to none. */
function priceAfter({ machine, account, pool }: Standing, order: RestingOrder): Rational | null {
  const { book, market } = machine;
  const { id } = order.instrument;
  const isolated = pool.isolated.map(({ instrument }) =>
    book.isolatedView(book.findRow(account, book.instrumentIndex(instrument.id))),
  );
  const after = filledBy(machine, account, { cross: pool, isolated }, order, market);
  const own = after.isolated.find((one) => one.position.instrument.id === id) ?? after.cross;
  const held = own.kind === "isolated" || own.positions.some((one) => one.instrument.id === id);
  return held ? triggerPrices(own, id, market, machine.rules, false).liqPrice : null;
}
