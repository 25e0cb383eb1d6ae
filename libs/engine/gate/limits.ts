import { Rational } from "#libs/decimal/index.ts";
import type { Binding } from "#libs/domain/limits/effective.ts";
import { levelsOf } from "#libs/domain/limits/subject.ts";
import type { Refusal, RefusalCode } from "#libs/domain/pre-trade/codes.ts";
import * as exposures from "#libs/domain/pre-trade/exposures.ts";
import * as checks from "#libs/domain/pre-trade/limit-checks.ts";
import type { LimitKey } from "#libs/domain/rule-set/limit-types.ts";
import { countsOfToday, volumeOfDay } from "../activity.ts";
import { contractsOf } from "../amounts.ts";
import { Measured } from "./measured.ts";
import type { Portfolio } from "./portfolio.ts";
import { checkCorrelation, checkLosses, checkRisk } from "./risk.ts";
import type { Wanted } from "./wanted.ts";

/** ORD-08, LIM-02: the limit of total notional, which only orders that raise the requirement meet. */
export function checkTotalNotional(wanted: Wanted, refusal: Refusal): void {
  new Measured(wanted, refusal).each("maxNotionalUsd", (most, portfolio) =>
    checks.atMost("notional_limit", portfolio.notional, most),
  );
}

/** Every limit that an order may meet which opens something; one that only shrinks the position meets none (LIM-11). */
export function checkLimits(wanted: Wanted, refusal: Refusal): void {
  if (wanted.reduces) return;
  const measured = new Measured(wanted, refusal);
  checkPosition(measured);
  checkInterest(measured);
  checkLiquidity(measured);
  checkNotionals(measured);
  checkShares(measured);
  checkCounts(measured);
  checkPlaces(measured);
  checkPermissions(measured);
  checkLosses(measured);
  checkRisk(measured);
  checkCorrelation(measured);
}

/** LIM-12. */
function checkPosition(measured: Measured): void {
  const { order, rules } = measured.wanted;
  const reached = (portfolio: Portfolio): Rational => exposures.reached(portfolio.after, rules.id, order.side);
  const size = (most: Binding, portfolio: Portfolio) => checks.atMost("position_limit", reached(portfolio).abs(), most);
  measured.each("maxPosition", size);
  measured.each("maxLong", (most, portfolio) => (reached(portfolio).sign > 0 ? size(most, portfolio) : null));
  measured.each("maxShort", (most, portfolio) => (reached(portfolio).sign > 0 ? null : size(most, portfolio)));
}

/** LIM-13. */
function checkInterest(measured: Measured): void {
  const { standing, instrument, order, rules } = measured.wanted;
  const interest = contractsOf(rules, standing.machine.book.longLots(instrument)).plus(order.qty);
  const size = (portfolio: Portfolio): Rational => exposures.reached(portfolio.after, rules.id, order.side).abs();
  measured.each("maxOpenInterest", (most) => checks.atMost("open_interest_limit", interest, most));
  measured.each("maxOpenInterestShare", (share, portfolio) =>
    checks.atMostShare("open_interest_share", size(portfolio), share, interest),
  );
}

/** LIM-14: a depth that was never told is none. */
function checkLiquidity(measured: Measured): void {
  const { standing, instrument, order, rules } = measured.wanted;
  const { machine } = standing;
  const size = (portfolio: Portfolio): Rational => exposures.reached(portfolio.after, rules.id, order.side).abs();
  measured.each("maxVolumeShare", (share, portfolio) =>
    checks.atMostShare("volume_share", size(portfolio), share, volumeOfDay(machine, instrument)),
  );
  const depth = machine.activity.depths.get(instrument) ?? Rational.zero;
  measured.each("maxDepthShare", (share, portfolio) =>
    checks.atMostShare("depth_share", size(portfolio), share, depth),
  );
}

/** LIM-21: what is approved and has not reached the log counts as an order of today. */
function checkCounts(measured: Measured): void {
  const { standing, change } = measured.wanted;
  const { machine } = standing;
  const count = ({ standings }: Portfolio, of: "orders" | "trades"): number =>
    standings.reduce((sum, one) => sum + countsOfToday(machine, one.account)[of], 0);
  const pending = ({ standings }: Portfolio): number => standings.reduce((sum, one) => sum + one.pending, 0);
  measured.each("ordersPerDay", (most, portfolio) =>
    change.replaces === null
      ? checks.oneMore("orders_per_day", count(portfolio, "orders") + pending(portfolio), most)
      : null,
  );
  measured.each("tradesPerDay", (most, portfolio) =>
    checks.oneMore("trades_per_day", count(portfolio, "trades"), most),
  );
}

/** LIM-15. */
function checkNotionals(measured: Measured): void {
  const { standing, rules } = measured.wanted;
  const { market } = standing.machine;
  measured.each("maxGrossUsd", (most, { after }) =>
    checks.atMost("gross_limit", exposures.grossUsd(after, market), most),
  );
  measured.each("maxNetUsd", (most, { before, after }) =>
    checks.notFurther("net_limit", exposures.netUsd(before, market), exposures.netUsd(after, market), most),
  );
  measured.each("maxDeltaUsd", (most, { before, after }) =>
    checks.notFurther(
      "delta_limit",
      exposures.deltaUsd(before, rules.index, market),
      exposures.deltaUsd(after, rules.index, market),
      most,
    ),
  );
  measured.each("maxOpenPositions", (most, { before, after }) =>
    checks.notFurther("open_positions", exposures.openPositions(before), exposures.openPositions(after), most),
  );
}

/** LIM-16. */
function checkShares(measured: Measured): void {
  const { standing, rules } = measured.wanted;
  const { market } = standing.machine;
  const share = (key: LimitKey, code: RefusalCode, counts: (one: exposures.Exposure) => boolean): void =>
    measured.each(key, (most, portfolio) =>
      checks.atMostShare(code, exposures.grossUsd(portfolio.after, market, counts), most, portfolio.equity),
    );
  share("maxExposure", "exposure", () => true);
  share("maxPositionShare", "position_share", (one) => one.instrument.id === rules.id);
  if (rules.sector !== null) share("maxSectorShare", "sector_share", (one) => one.instrument.sector === rules.sector);
}

/** LIM-17. */
function checkPlaces(measured: Measured): void {
  const { standing, rules } = measured.wanted;
  const { market, rules: all } = standing.machine;
  const { accounts } = all.hierarchy;
  const place = (key: LimitKey, code: RefusalCode, of: "counterparty" | "venue"): void => {
    const here = accounts.get(standing.name)?.[of] ?? rules[of];
    if (here === null) return;
    const counts = ({ account, instrument }: exposures.Exposure): boolean =>
      (accounts.get(account)?.[of] ?? instrument[of]) === here;
    measured.each(key, (most, { after }) => checks.atMost(code, exposures.grossUsd(after, market, counts), most));
  };
  place("maxCounterpartyUsd", "counterparty_limit", "counterparty");
  place("maxVenueUsd", "venue_limit", "venue");
}

/** LIM-18. */
function checkPermissions({ wanted, refusal }: Measured): void {
  const { standing, rules, order, held, ahead, subject } = wanted;
  const { hierarchy } = standing.machine.rules;
  if (order.side === "sell") {
    const short = Rational.max(Rational.zero, ahead.plus(order.qty).minus(held));
    refusal.take(checks.shortBan(short, rules.shorting === "banned"));
    const located = hierarchy.locates.get(standing.name)?.get(rules.id) ?? Rational.zero;
    if (rules.shorting === "locate") refusal.take(checks.locate(short, located));
  }
  const level = levelsOf(hierarchy, subject).find((one) => one.rules.restricted.has(rules.id));
  refusal.take(checks.instrumentRestricted(rules.id, level === undefined ? null : `${level.level} ${level.id}`));
}
