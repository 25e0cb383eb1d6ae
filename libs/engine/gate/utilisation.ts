import { Rational } from "#libs/decimal/index.ts";
import { effective } from "#libs/domain/limits/effective.ts";
import * as exposures from "#libs/domain/pre-trade/exposures.ts";
import type { Exposure } from "#libs/domain/pre-trade/exposures.ts";
import type { LimitKey } from "#libs/domain/rule-set/limit-types.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { countsOfToday } from "../activity.ts";
import type { Engine } from "../engine.ts";
import { lossOfAll } from "../loss-watch.ts";
import { lossOf } from "../entries/session.ts";
import type { Machine } from "../machine.ts";
import { PriceMissing } from "../market.ts";
import { Standing } from "./standing.ts";

/** How much of a limit an account uses. */
export interface Utilisation {
  readonly account: string;
  /** Of the rules, or `initialMargin`. */
  readonly limit: string;
  readonly instrument: string | null;
  readonly value: string;
  readonly bound: string;
  /** value / bound, rounded up at four decimals; null: the bound is nothing. */
  readonly share: string | null;
  /** Who says so. */
  readonly level: string;
}

export interface Measure {
  readonly limit: string;
  readonly instrument: string | null;
  readonly value: Rational;
  readonly bound: Rational;
  readonly level: string;
}

/** The account alone, or with the others of its owner. */
interface Portfolio {
  readonly accounts: readonly number[];
  readonly exposures: readonly Exposure[];
  readonly equity: Rational;
  readonly notional: Rational;
}

const shareDecimals = 4;

/**
 * LIM-44: of each account the limit that it uses most, as it stands with its orders and after what it has lost and done today; the fullest
 * first, at most `most` of them. What is measured against the market (open interest, volume, depth) is left out; of velocity decisions tell.
 */
export function utilisation({ machine }: Engine, most: number): Utilisation[] {
  const found: { account: string; measure: Measure }[] = [];
  for (const account of machine.accountsInOrder()) {
    const name = machine.accountName(account);
    const fullest = fullestOf(measuresFor(machine, new Standing(machine, name, account, (view) => view.orders)));
    if (fullest !== null) found.push({ account: name, measure: fullest });
  }
  return usedOf(found, most);
}

/** Margin has warnings and liquidation of its own: those who look after limits leave it out. */
const margin = "initialMargin";
const losses: ReadonlySet<string> = new Set<LimitKey>(["dayLoss", "weekLoss", "drawdown"]);

/** Of several accounts together, USD. Those that lack a price count for nothing. */
export interface Sums {
  accounts: number;
  equity: Rational;
  im: Rational;
  notional: Rational;
  /** What they are worth more than as the day began. */
  dayProfit: Rational;
}

/** Accounts whose limits are used further than a share, and where the next look goes on; null: these were the last. */
export interface LimitUse {
  readonly used: readonly Utilisation[];
  /** Of all that were measured. */
  readonly sums: Readonly<Sums>;
  readonly next: number | null;
}

/**
 * LIM-44 in turns: of each of the next `count` accounts, from number `from` on, the fullest limit of loss and the fullest other one, margin
 * left out, where more than `least` of it is used; the fullest first, at most `most`.
 */
export function limitUse({ machine }: Engine, from: number, count: number, least: Rational, most: number): LimitUse {
  const { book } = machine;
  const end = Math.min(from + count, book.accountCount);
  const { zero } = Rational;
  const sums: Sums = { accounts: 0, equity: zero, im: zero, notional: zero, dayProfit: zero };
  const found: { account: string; measure: Measure }[] = [];
  for (let account = from; account < end; account += 1) {
    if (book.isSystem(account)) continue;
    const name = machine.accountName(account);
    const standing = new Standing(machine, name, account, (view) => view.orders);
    addTo(sums, standing);
    const measures = measuresFor(machine, standing);
    for (const lost of [true, false]) {
      const fullest = fullestOf(measures.filter(({ limit }) => limit !== margin && losses.has(limit) === lost));
      if (fullest?.value.above(fullest.bound.times(least)) === true) found.push({ account: name, measure: fullest });
    }
  }
  return { used: usedOf(found, most), sums, next: end < book.accountCount ? end : null };
}

function addTo(sums: Sums, standing: Standing): void {
  try {
    const { machine, account, initialEquity, im, notional } = standing;
    const day = lossOf(machine, account, "day");
    sums.accounts += 1;
    sums.equity = sums.equity.plus(initialEquity);
    sums.im = sums.im.plus(im);
    sums.notional = sums.notional.plus(notional);
    if (day !== null) sums.dayProfit = sums.dayProfit.plus(day.worth.minus(day.baseline));
  } catch (error) {
    if (!(error instanceof PriceMissing)) throw error;
  }
}

/** The fullest first, at most `most` of them. */
export function usedOf(
  found: readonly { readonly account: string; readonly measure: Measure }[],
  most: number,
): Utilisation[] {
  return found
    .toSorted((left, right) => compare(right.measure, left.measure) || (left.account < right.account ? -1 : 1))
    .slice(0, most)
    .map(({ account, measure: { value, bound, limit, instrument, level } }) => {
      const share = bound.sign > 0 ? value.dividedBy(bound).toStringUp(shareDecimals) : null;
      return { account, limit, instrument, value: value.toStringUp(), bound: bound.toStringDown(), share, level };
    });
}

/** By value / bound, cross-multiplied, so that what may be nothing and is something is above everything; no bound is below zero. */
function compare(left: Measure, right: Measure): number {
  return left.value.times(right.bound).compare(right.value.times(left.bound));
}

function fullestOf(measures: readonly Measure[]): Measure | null {
  return measures.reduce<Measure | null>((most, one) => (most === null || compare(one, most) > 0 ? one : most), null);
}

/** Those of which anything is used; none where a price is missing. */
function measuresFor(machine: Machine, standing: Standing): readonly Measure[] {
  try {
    return measuresOf(machine, standing).filter(({ value }) => value.sign > 0);
  } catch (error) {
    if (error instanceof PriceMissing) return [];
    throw error;
  }
}

function measuresOf(machine: Machine, standing: Standing): Measure[] {
  const { rules, market, t } = machine;
  const subject = { account: standing.name, entity: standing.entity, key: null };
  const own = portfolioOf([standing]);
  const owners = portfolioOf([standing, ...standing.peers()]);
  const equity = Rational.max(Rational.zero, standing.initialEquity);
  const found: Measure[] = [{ limit: margin, instrument: null, value: standing.im, bound: equity, level: "margin" }];
  const add = (
    limit: LimitKey,
    instrument: InstrumentRules | null,
    value: (of: Portfolio) => Rational,
    whole: (of: Portfolio) => Rational = () => Rational.one,
  ): void => {
    const bindings = effective(rules.hierarchy, limit, subject, instrument, t);
    for (const [binding, of] of [
      [bindings.owner, owners],
      [bindings.account, own],
    ] as const) {
      if (binding === null) continue;
      const bound = binding.value.times(Rational.max(Rational.zero, whole(of)));
      found.push({ limit, instrument: instrument?.id ?? null, value: value(of), bound, level: binding.source });
    }
  };
  for (const { instrument } of standing.exposures) addInstrument(instrument, add, machine);
  add(
    "maxLeverage",
    null,
    ({ notional }) => notional,
    ({ equity }) => equity,
  );
  add("maxNotionalUsd", null, ({ notional }) => notional);
  add("maxGrossUsd", null, (of) => exposures.grossUsd(of.exposures, market));
  add("maxNetUsd", null, (of) => exposures.netUsd(of.exposures, market));
  add(
    "maxExposure",
    null,
    (of) => exposures.grossUsd(of.exposures, market),
    ({ equity }) => equity,
  );
  add("maxOpenPositions", null, (of) => exposures.openPositions(of.exposures));
  addTimed(add, machine);
  return found;
}

type Add = (
  limit: LimitKey,
  instrument: InstrumentRules | null,
  value: (of: Portfolio) => Rational,
  whole?: (of: Portfolio) => Rational,
) => void;

/** Limits that bind an instrument, its underlying or its sector. */
function addInstrument(instrument: InstrumentRules, add: Add, { market }: Machine): void {
  const { id, index, sector } = instrument;
  const reached = (of: Portfolio, side: "buy" | "sell"): Rational => exposures.reached(of.exposures, id, side);
  const long = (of: Portfolio): Rational => Rational.max(Rational.zero, reached(of, "buy"));
  const short = (of: Portfolio): Rational => Rational.max(Rational.zero, reached(of, "sell").negated());
  const grossOf = (of: Portfolio, counts: (one: Exposure) => boolean): Rational =>
    exposures.grossUsd(of.exposures, market, counts);
  add("maxPosition", instrument, (of) => Rational.max(long(of), short(of)));
  add("maxLong", instrument, long);
  add("maxShort", instrument, short);
  add("maxDeltaUsd", instrument, (of) => exposures.deltaUsd(of.exposures, index, market));
  add(
    "maxPositionShare",
    instrument,
    (of) => grossOf(of, (one) => one.instrument.id === id),
    ({ equity }) => equity,
  );
  if (sector === null) return;
  add(
    "maxSectorShare",
    instrument,
    (of) => grossOf(of, (one) => one.instrument.sector === sector),
    ({ equity }) => equity,
  );
}

/** What the account has lost, and done today. */
function addTimed(add: Add, machine: Machine): void {
  for (const key of ["dayLoss", "weekLoss", "drawdown"] as const)
    add(
      key,
      null,
      ({ accounts }) => lossOfAll(machine, accounts, key).lost,
      ({ accounts }) => lossOfAll(machine, accounts, key).from,
    );
  const counted = (of: "orders" | "trades", { accounts }: Portfolio): Rational =>
    Rational.ofInteger(accounts.reduce((sum, one) => sum + countsOfToday(machine, one)[of], 0));
  add("ordersPerDay", null, (portfolio) => counted("orders", portfolio));
  add("tradesPerDay", null, (portfolio) => counted("trades", portfolio));
}

function portfolioOf(standings: readonly Standing[]): Portfolio {
  return {
    accounts: standings.map((one) => one.account),
    exposures: standings.flatMap((one) => one.exposures),
    equity: Rational.sum(standings.map((one) => one.initialEquity)),
    notional: Rational.sum(standings.map((one) => one.notional)),
  };
}
