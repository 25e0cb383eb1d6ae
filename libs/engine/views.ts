import { Rational } from "#libs/decimal/index.ts";
import type {
  Cash,
  CrossPool,
  IsolatedPool,
  MarketView,
  OpenPosition,
  RestingOrder,
} from "#libs/domain/positions/views.ts";
import { value } from "#libs/domain/positions/value.ts";
import type { AssetRules } from "#libs/domain/rule-set/types.ts";
import type { CashTable } from "./cash-table.ts";
import type { Listing } from "./listing.ts";
import { type Market, PriceMissing } from "./market.ts";
import type { BookOrder, OrderTable } from "./order-table.ts";
import type { PositionTable } from "./position-table.ts";

/** The tables a view reads. */
export interface Tables {
  readonly listing: Listing;
  readonly market: Market;
  readonly cash: CashTable;
  readonly positions: PositionTable;
  readonly orders: OrderTable;
}

const lots = (count: bigint, lot: Rational): Rational => lot.times(Rational.ofInteger(count));

/** The market as the plain rules see it: always the present one. Throws `PriceMissing` for a price nobody has given. */
export class LiveMarket implements MarketView {
  private readonly tables: Tables;
  constructor(tables: Tables) {
    this.tables = tables;
  }

  private assetNumber(id: string): number {
    const number = this.tables.listing.assetIndex(id);
    if (number < 0) throw new RangeError(`no asset ${id} in the rules`);
    return number;
  }
  private instrumentNumber(id: string): number {
    const number = this.tables.listing.instrumentIndex(id);
    if (number < 0) throw new RangeError(`no instrument ${id} in the rules`);
    return number;
  }

  asset(id: string): AssetRules {
    return this.tables.listing.assetRules(this.assetNumber(id));
  }
  index(asset: string): Rational {
    const price = this.tables.market.indexPrice(this.assetNumber(asset));
    if (price === null) throw new PriceMissing(asset);
    return price;
  }
  mark(instrument: string): Rational {
    const price = this.tables.market.markPrice(this.instrumentNumber(instrument));
    if (price === null) throw new PriceMissing(instrument);
    return price;
  }
  haircutInitial(asset: string): Rational {
    return this.tables.market.haircutInitial(this.assetNumber(asset));
  }
  haircutMaintenance(asset: string): Rational {
    return this.tables.market.haircutMaintenance(this.assetNumber(asset));
  }

  /** TIER-06: Σ long value at mark, settle asset; zero without a mark as long as nobody is long. */
  openInterest(instrument: string): Rational {
    const number = this.instrumentNumber(instrument);
    const long = this.tables.positions.longLots(number);
    if (long === 0n) return Rational.zero;
    const rules = this.tables.listing.instrumentRules(number);
    return value(rules, lots(long, rules.lot), this.mark(instrument)).abs();
  }
  platformCash(asset: string): Rational {
    const number = this.assetNumber(asset);
    return lots(this.tables.cash.platform(number), this.tables.listing.assetRules(number).quantum);
  }
}

/** Chosen leverage, else the instrument's maximum. */
export function leverageOf({ listing, positions }: Tables, row: number, instrument: number): Rational | null {
  const chosen = row < 0 ? undefined : positions.leverages.get(row);
  return chosen ?? listing.instrumentRules(instrument).maxLeverage;
}

/** What the position is owed (negative: owes) since it was last booked, settle asset, exact. */
export function accruedFunding({ listing, market, positions }: Tables, row: number): Rational {
  const instrument = positions.rowInstrument(row);
  const qty = positions.qty.get(row);
  if (qty === 0n) return Rational.zero;
  const since = market.fundingSince(instrument, positions.epochColumn[row] as number);
  return since.isZero() ? since : lots(-qty, listing.instrumentRules(instrument).lot).times(since);
}

function openPosition(tables: Tables, row: number): OpenPosition {
  const { listing, positions } = tables;
  const number = positions.rowInstrument(row);
  const instrument = listing.instrumentRules(number);
  const { quantum } = listing.assetRules(listing.settleIndex(number));
  return {
    instrument,
    qty: lots(positions.qty.get(row), instrument.lot),
    cost: lots(positions.cost.get(row), quantum),
    funding: accruedFunding(tables, row),
    leverage: leverageOf(tables, row, number),
  };
}

function restingOrder(tables: Tables, order: BookOrder): RestingOrder {
  const instrument = tables.listing.instrumentRules(order.instrument);
  const row = tables.positions.find(order.account, order.instrument);
  return {
    id: order.id,
    instrument,
    side: order.side,
    qty: lots(order.lots, instrument.lot),
    price: order.price,
    reduceOnly: order.reduceOnly,
    leverage: leverageOf(tables, row, order.instrument),
  };
}

/** Open positions of an account in order of instrument id, cross or isolated. */
function openRows({ listing, positions }: Tables, account: number, isolated: boolean): number[] {
  const rows: number[] = [];
  for (let row = positions.first(account); row >= 0; row = positions.next(row))
    if (positions.isIsolated(row) === isolated && !positions.qty.isZero(row)) rows.push(row);
  const rank = (row: number): number => listing.instrumentRanks[positions.rowInstrument(row)] as number;
  return rows.length < 2 ? rows : rows.sort((a, b) => rank(a) - rank(b));
}

/** The cross pool of an account as exact values, a copy. */
export function crossView(tables: Tables, account: number): CrossPool {
  const { listing, cash } = tables;
  const amounts = cash.sortedRows(account).map((row): Cash => {
    const { id, quantum } = listing.assetRules(cash.rowAsset(row));
    return { asset: id, amount: lots(cash.rowAmount(row), quantum) };
  });
  return {
    kind: "cross",
    cash: amounts,
    positions: openRows(tables, account, false).map((row) => openPosition(tables, row)),
    orders: tables.orders.of(account).map((order) => restingOrder(tables, order)),
    isolated: openRows(tables, account, true).map((row) => openPosition(tables, row)),
  };
}

/** One isolated position with its margin as exact values, a copy. */
export function isolatedView(tables: Tables, row: number): IsolatedPool {
  const { listing, positions } = tables;
  const { quantum } = listing.assetRules(listing.settleIndex(positions.rowInstrument(row)));
  return {
    kind: "isolated",
    margin: lots(positions.margin.get(row), quantum),
    position: openPosition(tables, row),
  };
}
