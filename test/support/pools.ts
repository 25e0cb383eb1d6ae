import { Rational } from "#libs/decimal/index.ts";
import { value } from "#libs/domain/positions/value.ts";
import type { CrossPool, IsolatedPool, MarketView, OpenPosition, RestingOrder } from "#libs/domain/positions/views.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { AssetDocument, InstrumentDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";

export const r = (text: string): Rational => Rational.parse(text);

/** What everybody sees, as decimal strings; what is left out is one for an index and zero for the rest. */
export interface Prices {
  readonly index?: Readonly<Record<string, string>>;
  readonly mark?: Readonly<Record<string, string>>;
  readonly haircutInitial?: Readonly<Record<string, string>>;
  readonly haircutMaintenance?: Readonly<Record<string, string>>;
  readonly openInterest?: Readonly<Record<string, string>>;
  readonly platformCash?: Readonly<Record<string, string>>;
}

/** Assets and instruments by id; every instrument that is not told otherwise is linear, multiplier 1, settled in USDT. */
export function rulesOf(
  assets: readonly AssetDocument[],
  instruments: readonly (Partial<InstrumentDocument> & { readonly id: string })[],
  more: Partial<RuleDocument> = {},
): RuleSet {
  const whole = instruments.map((one): InstrumentDocument => ({
    kind: "linear",
    base: "BTC",
    quote: "USDT",
    settle: "USDT",
    tiers: [{ from: "0", im: "0.01", mm: "0.005" }],
    ...one,
  }));
  return compileRules({ ...more, assets: [...assets], instruments: whole }, 1).rules;
}

export function marketOf(rules: RuleSet, prices: Prices = {}): MarketView {
  const read = (of: Readonly<Record<string, string>> | undefined, id: string, absent: string): Rational =>
    r(of?.[id] ?? absent);
  return {
    asset: (id) => found(rules.assets.get(id), id),
    index: (asset) => read(prices.index, asset, "1"),
    mark: (id) => r(found(prices.mark?.[id], id)),
    haircutInitial: (asset) => read(prices.haircutInitial, asset, "0"),
    haircutMaintenance: (asset) => read(prices.haircutMaintenance, asset, "0"),
    openInterest: (id) => read(prices.openInterest, id, "0"),
    platformCash: (asset) => read(prices.platformCash, asset, "0"),
  };
}

function found<Value>(value: Value | undefined, id: string): Value {
  if (value === undefined) throw new Error(`the test has no ${id}`);
  return value;
}

/** A position opened at `entry`; `leverage` none when left out. */
export function positionOf(
  rules: RuleSet,
  id: string,
  qty: string,
  entry: string,
  more: { readonly funding?: string; readonly leverage?: string } = {},
): OpenPosition {
  const instrument = found(rules.instruments.get(id), id);
  return {
    instrument,
    qty: r(qty),
    cost: value(instrument, r(qty), r(entry)),
    funding: r(more.funding ?? "0"),
    leverage: more.leverage === undefined ? null : r(more.leverage),
  };
}

/** A resting order written `id side qty price [reduce]`, price `-` for a market order, on one instrument. */
export function orderOf(rules: RuleSet, instrumentId: string, text: string, leverage?: string): RestingOrder {
  const [id = "", side = "", qty = "", price = "", reduce] = text.trim().split(/\s+/);
  if (side !== "buy" && side !== "sell") throw new Error(`an order is a buy or a sell: ${text}`);
  return {
    id,
    instrument: found(rules.instruments.get(instrumentId), instrumentId),
    side,
    qty: r(qty),
    price: price === "-" ? null : r(price),
    reduceOnly: reduce === "reduce",
    leverage: leverage === undefined ? null : r(leverage),
  };
}

export function crossOf(
  cash: Readonly<Record<string, string>>,
  positions: readonly OpenPosition[] = [],
  orders: readonly RestingOrder[] = [],
  isolated: readonly OpenPosition[] = [],
): CrossPool {
  const held = Object.keys(cash).sort();
  return {
    kind: "cross",
    cash: held.map((asset) => ({ asset, amount: r(cash[asset] ?? "0") })),
    positions,
    orders,
    isolated,
  };
}

export function isolatedOf(margin: string, position: OpenPosition): IsolatedPool {
  return { kind: "isolated", margin: r(margin), position };
}
