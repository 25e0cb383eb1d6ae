import type { WhatIfRequest } from "#libs/contracts/live/pre-trade.ts";
import { Rational } from "#libs/decimal/index.ts";
import { bankruptcyPrices } from "#libs/domain/health/bankruptcy.ts";
import { evaluateCross } from "#libs/domain/health/evaluate.ts";
import { triggerPrices } from "#libs/domain/health/liquidation-price.ts";
import { value } from "#libs/domain/positions/value.ts";
import type { CrossPool, IsolatedPool, MarketView, Pool, RestingOrder } from "#libs/domain/positions/views.ts";
import { bookable, contractsOf, lotsOf } from "../amounts.ts";
import type { Machine } from "../machine.ts";
import { PriceMissing } from "../market.ts";
import { filled } from "./hypothetical-fill.ts";

/** USD but for prices; requirements rounded up, all else down. `im` counts resting and approved orders. */
export interface MarginSummary {
  readonly equity: string;
  readonly initialEquity: string;
  readonly im: string;
  readonly mm: string;
  /** null: no requirement. */
  readonly ratio: string | null;
  readonly free: string;
  readonly positions: readonly {
    readonly instrument: string;
    readonly mode: "cross" | "isolated";
    readonly qty: string;
    readonly mark: string;
    readonly partialPrice: string | null;
    readonly liqPrice: string | null;
    readonly bankruptcyPrice: string | null;
  }[];
}

export interface WhatIfAnswer {
  /** Why there is no answer; empty: there is one. */
  readonly codes: readonly ("unknown_instrument" | "unknown_asset" | "out_of_range" | "lot_size" | "price_missing")[];
  readonly before: MarginSummary | null;
  readonly after: MarginSummary | null;
  /** LIM-25: of the order asked about, contracts that would be approved now; null: none. Absent without an order. */
  readonly largest?: string | null;
}

/** An account's pools: the cross pool and the isolated ones, in order of instrument id. */
export interface Holdings {
  readonly cross: CrossPool;
  readonly isolated: readonly IsolatedPool[];
}

const nobody: CrossPool = { kind: "cross", cash: [], positions: [], orders: [], isolated: [] };
const refused = (code: WhatIfAnswer["codes"][number]): WhatIfAnswer => ({ codes: [code], before: null, after: null });

/** The present market with some prices in the place of others. */
function marketWith(machine: Machine, asked: WhatIfRequest): MarketView {
  const { market, book } = machine;
  const own = (prices: Readonly<Record<string, string>> | undefined): ReadonlyMap<string, Rational> =>
    new Map(Object.entries(prices ?? {}).map(([id, price]) => [id, Rational.parse(price)]));
  const index = own(asked.index);
  const mark = own(asked.mark);
  return {
    asset: (id) => market.asset(id),
    index: (id) => index.get(id) ?? market.index(id),
    mark: (id) => mark.get(id) ?? market.mark(id),
    haircutInitial: (id) => market.haircutInitial(id),
    haircutMaintenance: (id) => market.haircutMaintenance(id),
    openInterest: (id) => {
      const price = mark.get(id);
      if (price === undefined) return market.openInterest(id);
      const number = book.instrumentIndex(id);
      const rules = book.instrumentRules(number);
      return value(rules, contractsOf(rules, book.longLots(number)), price).abs();
    },
    platformCash: (id) => market.platformCash(id),
  };
}

/** The first thing in a question that cannot be reckoned with, or null. */
function problemOf(machine: Machine, asked: WhatIfRequest): WhatIfAnswer["codes"][number] | null {
  const { book } = machine;
  const listed = (id: string): boolean => {
    const number = book.instrumentIndex(id);
    return number >= 0 && book.isInstrumentListed(number);
  };
  if (asked.order !== undefined && !listed(asked.order.instrument)) return "unknown_instrument";
  if (Object.keys(asked.mark ?? {}).some((id) => !listed(id))) return "unknown_instrument";
  if (Object.keys(asked.index ?? {}).some((id) => book.assetIndex(id) < 0)) return "unknown_asset";
  const prices = [...Object.values(asked.mark ?? {}), ...Object.values(asked.index ?? {})];
  if (asked.order?.price !== undefined) prices.push(asked.order.price);
  if (prices.some((price) => Rational.parse(price).sign <= 0)) return "out_of_range";
  if (asked.order === undefined) return null;
  const rules = book.instrumentRules(book.instrumentIndex(asked.order.instrument));
  const qty = Rational.parse(asked.order.qty);
  if (qty.sign <= 0 || !bookable(lotsOf(rules, qty))) return "out_of_range";
  return qty.isMultipleOf(rules.lot) ? null : "lot_size";
}

/**
 * Margin and liquidation prices of an account as they are, and as they would be at other prices and once an order had filled at
 * its limit (a market order: at mark) as a taker. Reads, and changes nothing; an account nobody knows is an empty one.
 */
export function whatIf(
  machine: Machine,
  asked: WhatIfRequest,
  ordersOf: (account: number, view: CrossPool) => RestingOrder[],
): WhatIfAnswer {
  const problem = problemOf(machine, asked);
  if (problem !== null) return refused(problem);
  const { book } = machine;
  const account = book.findAccount(asked.account);
  const view = account < 0 ? nobody : book.crossView(account);
  const rowOf = (instrument: string): number => book.findRow(account, book.instrumentIndex(instrument));
  const holdings: Holdings = {
    cross: { ...view, orders: ordersOf(account, view) },
    isolated: view.isolated.map(({ instrument }) => book.isolatedView(rowOf(instrument.id))),
  };
  try {
    const market = marketWith(machine, asked);
    const before = summary(machine, holdings, machine.market);
    const { order } = asked;
    return {
      codes: [],
      before,
      after: summary(
        machine,
        order === undefined ? holdings : filled(machine, account, holdings, order, market),
        market,
      ),
    };
  } catch (error) {
    if (error instanceof PriceMissing) return refused("price_missing");
    throw error;
  }
}

function summary(machine: Machine, { cross, isolated }: Holdings, market: MarketView): MarginSummary {
  const { rules } = machine;
  const health = evaluateCross(cross, market, rules);
  const down = (one: Rational | null): string | null => one?.toStringDown() ?? null;
  const pools: readonly Pool[] = [cross, ...isolated];
  const positions = pools.flatMap((pool) => {
    const held = pool.kind === "cross" ? pool.positions : [pool.position];
    const bankruptcy = bankruptcyPrices(pool, market, rules);
    return held.map(({ instrument, qty }) => {
      const prices = triggerPrices(pool, instrument.id, market, rules, false);
      return {
        instrument: instrument.id,
        mode: pool.kind,
        qty: qty.toStringDown(),
        mark: market.mark(instrument.id).toStringDown(),
        partialPrice: down(prices.partialPrice),
        liqPrice: down(prices.liqPrice),
        bankruptcyPrice: down(bankruptcy.get(instrument.id) ?? null),
      };
    });
  });
  const { maintenanceEquity, initialEquity, im, mm } = health;
  return {
    equity: maintenanceEquity.toStringDown(),
    initialEquity: initialEquity.toStringDown(),
    im: im.toStringUp(),
    mm: mm.toStringUp(),
    ratio: mm.isZero() ? null : maintenanceEquity.dividedBy(mm).toStringDown(),
    free: initialEquity.minus(im).toStringDown(),
    positions: positions.sort((left, right) => (left.instrument < right.instrument ? -1 : 1)),
  };
}
