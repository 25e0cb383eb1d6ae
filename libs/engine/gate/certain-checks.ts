import type { Rational } from "#libs/decimal/index.ts";
import type { RestingOrder } from "#libs/domain/positions/views.ts";
import { countsOfToday, stopOf, volumeOfDay } from "../activity.ts";
import { nearestFloat } from "../floats.ts";
import type { Machine } from "../machine.ts";
import { CertainSums, type Figures, lossesBelow } from "./certain-limits.ts";
import type { Correlations, Part } from "./certain-correlation.ts";
import type { Holdings } from "./certain-holdings.ts";
import { type CertainInstrument, least, room } from "./certain-rules.ts";
import type { Held } from "./overlay.ts";

/** A new order with all that its account has, as the screen is asked about it. */
export interface CertainQuestion {
  readonly name: string;
  readonly account: number;
  readonly instrument: number;
  readonly order: RestingOrder;
  /** What is approved for the account already. */
  readonly held: readonly Held[];
  /** Where it would be closed at a loss; null: it does not say. */
  readonly stop: Rational | null;
  /** The API key that it came with. */
  readonly key: string | null;
}

/** What the screen has added up of an account. */
type Seen = Pick<Holdings, "rules" | "instruments" | "size" | "buy" | "sell" | "open" | "equity" | "holdsIsolated">;

type By = Figures["by"];

/** LIM-14: the most contracts that volume and depth permit; a depth that was never told is none. */
export function liquid(machine: Machine, instrument: number, by: By): number {
  let most = Infinity;
  if (by.maxVolumeShare !== Infinity) most = nearestFloat(volumeOfDay(machine, instrument)) * by.maxVolumeShare;
  if (by.maxDepthShare !== Infinity) {
    const depth = machine.activity.depths.get(instrument);
    most = Math.min(most, depth === undefined ? 0 : nearestFloat(depth) * by.maxDepthShare);
  }
  return most * least;
}

/** Whether every limit that leans on more than the order's own instrument and the requirement is certainly met. */
export function limited(
  machine: Machine,
  correlations: Correlations,
  question: CertainQuestion,
  compiled: CertainInstrument,
  by: By,
  seen: Seen,
): boolean {
  const { rules, instruments, equity } = seen;
  const { factors } = machine.book.market;
  const sums = new CertainSums(compiled);
  for (const instrument of instruments) {
    const one = rules.instruments[instrument];
    const asset = one === undefined ? undefined : rules.assets[one.settle];
    if (one === undefined || asset === undefined) return false;
    const [settle, mark] = [factors[asset.indexFactor] as number, factors[one.markFactor] as number];
    const index = factors[one.indexFactor] as number;
    if (!(settle > 0 && mark > 0 && index > 0)) return false;
    const [buy, sell] = [seen.buy[instrument] as number, seen.sell[instrument] as number];
    sums.add(one, seen.size[instrument] as number, buy, sell, mark, settle, index);
  }
  return (
    sums.within(by, equity * least) &&
    stopped(machine, question, compiled, by, seen) &&
    uncorrelated(machine, correlations, question, compiled, by, seen) &&
    counted(machine, question, by) &&
    lossesBelow(machine, question.account, by, seen.holdsIsolated ? NaN : equity)
  );
}

/** LIM-20, LIM-27: a stop lies clearly where the order loses, and neither it nor all stops together lose too much. */
function stopped(
  machine: Machine,
  { account, order, stop }: CertainQuestion,
  compiled: CertainInstrument,
  by: By,
  seen: Seen,
): boolean {
  const { factors } = machine.book.market;
  const mark = factors[compiled.markFactor] as number;
  const limit = order.price === null ? mark : nearestFloat(order.price);
  const buys = order.side === "buy";
  if (stop !== null) {
    const at = nearestFloat(stop);
    const away = buys ? limit - at : at - limit;
    if (!(at > 0 && away > room * (limit + at))) return false;
  }
  if (by.maxRiskShare === Infinity && by.maxRiskSumShare === Infinity) return true;
  // Where its price cannot fall below nothing, all of its notional is the most that it can lose, wherever it is liquidated.
  if (stop === null && buys === compiled.inverse) return false;
  const price = factors[seen.rules.assets[compiled.settle]?.indexFactor ?? -1] as number;
  const size = nearestFloat(order.qty) * compiled.multiplier;
  const risk = lossOf(compiled, size, limit, stop) * price;
  const most = seen.equity * least;
  if (by.maxRiskShare !== Infinity && !(risk <= by.maxRiskShare * most)) return false;
  return by.maxRiskSumShare === Infinity || risk + heldRisk(machine, account, seen) <= by.maxRiskSumShare * most;
}

/** Settle asset, from above; without a stop all of the notional. */
function lossOf(one: CertainInstrument, size: number, price: number, stop: Rational | null): number {
  const entry = one.worth(size, price);
  if (stop === null) return entry * (1 + room);
  const exit = one.worth(size, nearestFloat(stop));
  return Math.abs(entry - exit) + room * (entry + exit);
}

/** LIM-27: of the positions, USD from above; a stop that the price has passed counts as if it were still to come. */
function heldRisk(machine: Machine, account: number, { rules, instruments, size }: Seen): number {
  const { factors } = machine.book.market;
  let sum = 0;
  for (const instrument of instruments) {
    const held = Math.abs(size[instrument] as number);
    const one = rules.instruments[instrument];
    if (held === 0 || one === undefined) continue;
    const stop = stopOf(machine, account, instrument);
    const price = factors[rules.assets[one.settle]?.indexFactor ?? -1] as number;
    sum += lossOf(one, held, factors[one.markFactor] as number, stop) * price;
  }
  return sum * (1 + room);
}

/** LIM-22: of a new underlying beside others: where one is held, or nothing is, no correlation is asked for. */
function uncorrelated(
  machine: Machine,
  correlations: Correlations,
  { order }: CertainQuestion,
  { underlying }: CertainInstrument,
  by: By,
  seen: Seen,
): boolean {
  if (by.maxCorrelation === Infinity || seen.open === 0) return true;
  const { factors } = machine.book.market;
  const parts: Part[] = [];
  for (const instrument of seen.instruments) {
    const size = seen.size[instrument] as number;
    const one = seen.rules.instruments[instrument];
    if (size === 0 || one === undefined) continue;
    if (one.underlying === underlying) return true;
    const index = factors[one.indexFactor] as number;
    const delta = one.inverse ? index / (factors[one.markFactor] as number) : index;
    parts.push({ asset: one.underlying, usd: size * delta });
  }
  return correlations.below(underlying, order.side === "buy" ? 1 : -1, parts, by.maxCorrelation);
}

/** LIM-21: what is approved may have been counted already, which asks for more, never less. */
function counted(machine: Machine, { account, held }: CertainQuestion, by: By): boolean {
  if (by.ordersPerDay === Infinity && by.tradesPerDay === Infinity) return true;
  const { orders, trades } = countsOfToday(machine, account);
  return orders + held.length + 1 <= by.ordersPerDay && trades + 1 <= by.tradesPerDay;
}
