import type { FrameEntry } from "#libs/contracts/log.ts";
import { Rational } from "#libs/decimal/index.ts";
import { closed, type Closes } from "#libs/domain/limits/correlation.ts";
import { inUse } from "#libs/domain/limits/in-use.ts";
import { counted, emptyWindow, type SlidingWindow, sumAt } from "#libs/domain/limits/windows.ts";
import type { LimitHierarchy } from "#libs/domain/rule-set/limit-types.ts";
import { contractsOf } from "./amounts.ts";
import { nearestFloat } from "./floats.ts";
import type { Machine } from "./machine.ts";

const dayMs = 86_400_000;
const dayOf = (t: number): number => Math.floor(t / dayMs);

/** What an account has done in a UTC day. */
interface DayCount {
  readonly day: number;
  readonly orders: number;
  readonly trades: number;
  /** The newest order that was counted, and the newest that has traded: further parts of it are no new ones. */
  readonly lastOrder: string;
  readonly lastTraded: string;
}

/**
 * What limits are measured by beside the book, kept only while some limit needs it: part of the state where there is any. Accounts,
 * instruments and assets by number.
 */
export interface ActivityState {
  readonly days: Map<number, DayCount>;
  /** The UTC day that they are of: at the first count of another those of the day before go. */
  day: number;
  /** Lots bought in 24 h. */
  readonly volumes: Map<number, SlidingWindow>;
  /** Contracts within 2 % of mark on the thinner side, as last told. */
  readonly depths: Map<number, Rational>;
  readonly closes: Map<number, Closes>;
  /** The most that accounts have been worth, in baseline quanta, moved by what was paid in and out. */
  readonly peaks: Map<number, bigint>;
  /** By account and instrument: the stop last told by an order. */
  readonly stops: Map<string, Rational>;
  /** By scope and reason: for what a loss has halted it already. */
  readonly halted: Map<string, string>;
  /** The account at which the watch over losses goes on. */
  next: number;
}

export function newActivity(): ActivityState {
  return {
    days: new Map(),
    day: 0,
    volumes: new Map(),
    depths: new Map(),
    closes: new Map(),
    peaks: new Map(),
    stops: new Map(),
    halted: new Map(),
    next: 0,
  };
}

export function isActive({ next, day, ...kept }: ActivityState): boolean {
  return next > 0 || day > 0 || Object.values(kept).some((one) => one.size > 0);
}

/** What no limit of new rules needs is forgotten. */
export function forgetUnused(activity: ActivityState, hierarchy: LimitHierarchy): void {
  const uses = (...keys: Parameters<typeof inUse>[1][]): boolean => keys.some((key) => inUse(hierarchy, key));
  if (!uses("ordersPerDay", "tradesPerDay")) {
    activity.days.clear();
    activity.day = 0;
  }
  if (!uses("maxVolumeShare")) activity.volumes.clear();
  if (!uses("maxDepthShare")) activity.depths.clear();
  if (!uses("maxCorrelation")) activity.closes.clear();
  if (!uses("drawdown")) activity.peaks.clear();
  if (!uses("maxRiskSumShare")) activity.stops.clear();
  if (uses("dayLoss", "weekLoss", "drawdown")) return;
  activity.halted.clear();
  activity.next = 0;
}

const stopKey = (account: number, instrument: number): string => `${account} ${instrument}`;

/** LIM-27: where the position would be closed at a loss. */
export function noteStop(machine: Machine, account: number, instrument: number, stop: string | undefined): void {
  const { activity, rules } = machine;
  if (stop === undefined || !inUse(rules.hierarchy, "maxRiskSumShare")) return;
  activity.stops.set(stopKey(account, instrument), Rational.parse(stop));
}

export function stopOf({ activity }: Machine, account: number, instrument: number): Rational | null {
  return activity.stops.get(stopKey(account, instrument)) ?? null;
}

const none = { orders: 0, trades: 0, lastOrder: "", lastTraded: "" };

function today({ activity, t }: Machine, account: number): DayCount {
  const day = dayOf(t);
  const known = activity.days.get(account);
  if (known?.day === day) return known;
  // An order of yesterday that goes on trading is no order of today, but its trade is one.
  return { ...none, day, lastOrder: known?.lastOrder ?? "" };
}

function keepDay(activity: ActivityState, account: number, count: DayCount): void {
  if (activity.day !== count.day)
    for (const [other, { day }] of activity.days) if (day !== count.day) activity.days.delete(other);
  activity.day = count.day;
  activity.days.set(account, count);
}

/** LIM-21: an order that has not been counted yet. */
export function countOrder(machine: Machine, account: number, order: string): void {
  const { activity, rules } = machine;
  if (!inUse(rules.hierarchy, "ordersPerDay")) return;
  const before = today(machine, account);
  if (before.lastOrder === order) return;
  keepDay(activity, account, { ...before, orders: before.orders + 1, lastOrder: order });
}

/** LIM-21: fills of one order that follow each other are one trade; a fill of no order is one by itself. */
export function countTrade(machine: Machine, account: number, order: string | undefined): void {
  const { activity, rules } = machine;
  if (!inUse(rules.hierarchy, "tradesPerDay")) return;
  const before = today(machine, account);
  if (order !== undefined && before.lastTraded === order) return;
  keepDay(activity, account, { ...before, trades: before.trades + 1, lastTraded: order ?? "" });
}

export function countsOfToday(machine: Machine, account: number): { readonly orders: number; readonly trades: number } {
  return account < 0 ? none : today(machine, account);
}

/** LIM-14: contracts that somebody has bought. */
export function countVolume(machine: Machine, instrument: number, lots: bigint): void {
  const { activity, rules, t } = machine;
  if (lots <= 0n || !inUse(rules.hierarchy, "maxVolumeShare")) return;
  const before = activity.volumes.get(instrument) ?? emptyWindow;
  activity.volumes.set(instrument, counted(before, dayMs, t, lots));
}

export function volumeOfDay({ activity, book, t }: Machine, instrument: number): Rational {
  const window = activity.volumes.get(instrument) ?? emptyWindow;
  return contractsOf(book.instrumentRules(instrument), sumAt(window, dayMs, t));
}

/** Depth and prices of a frame that limits are measured by. */
export function noteFrame(machine: Machine, { depth, index }: FrameEntry): void {
  const { activity, book, rules, t } = machine;
  if (depth !== undefined && inUse(rules.hierarchy, "maxDepthShare"))
    for (const [id, contracts] of Object.entries(depth))
      activity.depths.set(book.instrumentIndex(id), Rational.parse(contracts));
  if (index === undefined || !inUse(rules.hierarchy, "maxCorrelation")) return;
  for (const [id, price] of Object.entries(index)) {
    const asset = book.assetIndex(id);
    activity.closes.set(asset, closed(activity.closes.get(asset), t, nearestFloat(Rational.parse(price))));
  }
}

/** Cash that comes or goes from outside or another account moves the peak with it. */
export function adjustPeak({ activity }: Machine, account: number, worth: bigint | null): void {
  const before = activity.peaks.get(account);
  if (before === undefined) return;
  if (worth === null) activity.peaks.delete(account);
  else activity.peaks.set(account, before + worth);
}
