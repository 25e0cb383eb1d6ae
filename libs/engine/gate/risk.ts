import { Rational } from "#libs/decimal/index.ts";
import { triggerPrices } from "#libs/domain/health/liquidation-price.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { RefusalCode } from "#libs/domain/pre-trade/codes.ts";
import { atMostShare, lossReached } from "#libs/domain/pre-trade/limit-checks.ts";
import { riskToStop } from "#libs/domain/pre-trade/order-checks.ts";
import type { LimitKey } from "#libs/domain/rule-set/limit-types.ts";
import { lossOf } from "../entries/session.ts";
import type { Session } from "../sessions.ts";
import { filledBy } from "./hypothetical-fill.ts";
import type { Measured } from "./measured.ts";
import type { Standing } from "./standing.ts";
import type { Wanted } from "./wanted.ts";

/** LIM-19: what the accounts have lost since the session began, and what that is measured from. */
export function checkLosses(measured: Measured): void {
  const { machine } = measured.wanted.standing;
  const loss = (key: LimitKey, code: RefusalCode, session: Session): void =>
    measured.each(key, (share, { standings }) => {
      let [lost, from] = [Rational.zero, Rational.zero];
      for (const { account } of standings) {
        const own = account < 0 ? null : lossOf(machine, account, session);
        if (own === null) continue;
        lost = lost.plus(own.baseline.minus(own.worth));
        from = from.plus(own.baseline);
      }
      return lossReached(code, lost, share, from);
    });
  loss("dayLoss", "day_loss", "day");
  loss("weekLoss", "week_loss", "week");
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
