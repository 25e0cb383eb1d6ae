import type { AccountDocument } from "#libs/domain/rule-set/limit-documents.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { Rational } from "#libs/decimal/index.ts";
import { type BatchRequest, batchMax, type OrderTerms } from "#libs/contracts/live/pre-trade.ts";

/** What is asked: an order, the amendment of one, several in one message, or what would be at another index. */
export type Ask =
  | { readonly order: OrderTerms }
  | { readonly amend: string; readonly qty: string }
  | { readonly batch: readonly OrderTerms[]; readonly mode: BatchRequest["mode"] }
  | { readonly index: Readonly<Record<string, string>> };

/** One code and how to be refused with it. The account is `drill-<code>`; its last question is refused, those before it need not be. */
export interface Case {
  readonly code: string;
  readonly account?: AccountDocument;
  /** Contracts of the falling instrument that the account has bought before it falls. */
  readonly holds?: string;
  /** Paid in beside the money that every account has: of the calm asset. */
  readonly calm?: string;
  /** Asked while entries cannot be committed. */
  readonly whileLocked?: boolean;
  /** `price`: the mark on the tick. `request`: the same for every question of the case. */
  readonly asks: (price: string) => readonly Ask[];
  readonly sameRequest?: boolean;
}

export const drillInstrument = "DRILL-PERP";
/** The drill quotes what it follows, too: bought at one price, it falls to the other. Paused meanwhile, so that a liquidation stays open. */
export const falling = {
  instrument: "DRILL-FALLING",
  asset: "FALLING",
  source: "drill",
  from: "1",
  to: "0.94",
} as const;
/** Quoted until it has a mark, and never again. */
export const fading = { instrument: "DRILL-FADING", asset: "FADING", source: "drill", price: "1" } as const;
/** Over a minute of the market after it began. */
const dated = "DRILL-DATED";
const datedMs = 60_000;
/** Sells what the others buy. */
export const maker = "drill-maker";
const banned = "DRILL-BANNED";
const unpriced = "DRILL-UNPRICED";
/** Never quoted by anybody. */
const unquoted = "DRILL";
/** Quoted by the drill itself, always the same: no crash moves it, so that no breaker is in the way. */
export const calm = { asset: "CALM", source: "drill", price: "1" } as const;
/** Of the drill's instruments. */
const tick = "0.001";
const halfATick = Rational.fraction(1n, 2_000n);

const some = "50";
const order = (price: string, changes: Partial<OrderTerms> = {}): Ask => ({
  order: { id: "o-1", instrument: drillInstrument, side: "buy", qty: some, price, ...changes },
});
const onTick = (price: Rational): string => price.floorTo(Rational.parse(tick)).toStringDown();
/** The mark, and prices relative to it, on the tick. */
export const drillPrice = (mark: string): string => onTick(Rational.parse(mark));
const times = (price: string, factor: string): string => onTick(Rational.parse(price).times(Rational.parse(factor)));
const one = (changes: Partial<OrderTerms> = {}) => ({
  asks: (price: string): Ask[] => [order(price, changes)],
});
const two = (changes: Partial<OrderTerms> = {}) => ({
  asks: (price: string): Ask[] => [order(price), order(price, { id: "o-2", ...changes })],
});
const limited = (code: string, limits: AccountDocument["limits"] & object): Case => ({
  code,
  account: { limits },
  ...one(),
});
const here = (code: string, limits: NonNullable<AccountDocument["instruments"]>[string]): Case => ({
  code,
  account: { instruments: { [drillInstrument]: limits } },
  ...one(),
});

const small = "20";
/** As many orders as may be approved of one account, and one more. */
const flood = (price: string): Ask[] => {
  const { order: like } = order(price, { qty: small }) as { readonly order: OrderTerms };
  const many = (from: number): OrderTerms[] =>
    Array.from({ length: batchMax }, (_, at) => ({ ...like, id: `o-${from + at}` }));
  return [
    { batch: many(0), mode: "each" },
    { batch: many(batchMax), mode: "each" },
    { order: { ...like, id: "one-more" } },
  ];
};
const lost = (code: string, limits: AccountDocument["limits"] & object): Case => ({
  ...limited(code, limits),
  holds: "10000",
});

/** Every code but two: `correlation` needs five hours of prices, and a closed gate answers nobody. */
export const drillCases: readonly Case[] = [
  { code: "reduce_only_mode", whileLocked: true, ...one() },
  { code: "overloaded", asks: flood },
  {
    code: "batch_refused",
    asks: (price) => {
      const { order: good } = order(price) as { readonly order: OrderTerms };
      return [{ batch: [good, { ...good, id: "o-2", qty: "1" }], mode: "all" }];
    },
  },
  { code: "unknown_asset", asks: () => [{ index: { NOTHING: "1" } }] },
  { code: "instrument_closed", ...one({ instrument: dated }) },
  { code: "price_quality", ...one({ instrument: fading.instrument }) },
  { code: "pool_liquidating", holds: "150000", ...one({ instrument: falling.instrument }) },
  { code: "collateral_concentration", calm: "30000", ...one() },
  lost("day_loss", { dayLoss: "0.01" }),
  lost("week_loss", { weekLoss: "0.01" }),
  lost("drawdown", { drawdown: "0.01" }),
  limited("risk_sum", { maxRiskSumShare: "0.0001" }),
  { code: "request_reused", sameRequest: true, ...two() },
  { code: "order_unknown", asks: () => [{ amend: "none", qty: some }] },
  { code: "halted", ...one() },
  { code: "unknown_instrument", ...one({ instrument: "NO-PERP" }) },
  { code: "out_of_range", ...one({ qty: "99999999999999999999", price: "99999999999999999999" }) },
  { code: "price_missing", ...one({ instrument: unpriced }) },
  { code: "tick_size", asks: (price) => [order(Rational.parse(price).plus(halfATick).toStringDown())] },
  { code: "lot_size", ...one({ qty: "50.5" }) },
  here("order_size", { maxOrderQty: "10" }),
  { code: "min_notional", ...one({ qty: "1" }) },
  { code: "price_band", asks: (price) => [order(times(price, "1.5"))] },
  { code: "stop_price", asks: (price) => [order(price, { stop: times(price, "1.01") })] },
  { code: "reduce_only_violation", ...one({ reduceOnly: true }) },
  { code: "duplicate_order_id", ...two({ id: "o-1" }) },
  { code: "leverage", ...one({ qty: "1000000" }) },
  { code: "initial_margin", ...one({ qty: "1000000" }) },
  here("position_limit", { maxPosition: "10" }),
  here("open_interest_limit", { maxOpenInterest: "10" }),
  here("open_interest_share", { maxOpenInterestShare: "0.1" }),
  here("volume_share", { maxVolumeShare: "0.1" }),
  here("depth_share", { maxDepthShare: "0.1" }),
  limited("gross_limit", { maxGrossUsd: "1" }),
  limited("net_limit", { maxNetUsd: "1" }),
  limited("notional_limit", { maxNotionalUsd: "1" }),
  limited("delta_limit", { maxDeltaUsd: "1" }),
  limited("open_positions", { maxOpenPositions: 0 }),
  limited("exposure", { maxExposure: "0.0001" }),
  here("position_share", { maxPositionShare: "0.0001" }),
  limited("sector_share", { maxSectorShare: "0.0001" }),
  { ...limited("velocity_orders", { velocity: [{ windowMs: 60_000, orders: 1 }] }), ...two() },
  limited("velocity_value", { velocity: [{ windowMs: 60_000, valueUsd: "1" }] }),
  { ...limited("orders_per_day", { ordersPerDay: 1 }), ...two() },
  limited("trades_per_day", { tradesPerDay: 0 }),
  { code: "counterparty_limit", account: { counterparty: "broker", limits: { maxCounterpartyUsd: "1" } }, ...one() },
  { code: "venue_limit", account: { venue: "elsewhere", limits: { maxVenueUsd: "1" } }, ...one() },
  { code: "short_ban", ...one({ side: "sell", instrument: banned }) },
  { code: "locate", ...one({ side: "sell" }) },
  { code: "instrument_restricted", account: { restricted: [drillInstrument] }, ...one() },
  {
    code: "risk_per_trade",
    account: { limits: { maxRiskShare: "0.000001" } },
    asks: (price) => [order(price, { stop: times(price, "0.9") })],
  },
];

export const drillAccount = (code: string): string => `drill-${code}`;

/**
 * The demonstration's rules with every limit in force for everybody, wide enough for its crowd, and for each case an account whose own
 * limits it cannot keep, on instruments that nobody else trades. `from`: UTC ms of the market at which it begins.
 */
export function withDrill(document: RuleDocument, from: number): RuleDocument {
  const accounts = Object.fromEntries(
    drillCases.flatMap(({ code, account }) => (account === undefined ? [] : [[drillAccount(code), account]])),
  );
  const sources = Object.fromEntries([calm, falling, fading].map(({ asset, source }) => [asset, { [source]: "1" }]));
  const common = { kind: "linear", base: unquoted, quote: "USDT", settle: "USDT", tick, lot: "1" } as const;
  const tiers = [{ from: "0", im: "0.05", mm: "0.025" }];
  const place = {
    sector: "drill",
    shorting: "locate",
    minNotional: "20",
    priceBand: "0.1",
    maxLeverage: "20",
  } as const;
  return {
    ...document,
    assets: [
      ...document.assets,
      { id: unquoted },
      { id: calm.asset, concentration: "0.5" },
      { id: falling.asset },
      { id: fading.asset },
    ],
    marks: { ...document.marks, sources: { ...document.marks?.sources, ...sources } },
    instruments: [
      ...document.instruments,
      { id: drillInstrument, index: calm.asset, ...common, ...place, tiers },
      { id: banned, index: calm.asset, ...common, ...place, shorting: "banned", tiers },
      { id: unpriced, index: unquoted, ...common, ...place, tiers },
      { id: falling.instrument, index: falling.asset, ...common, ...place, shorting: "free", tiers },
      { id: fading.instrument, index: fading.asset, ...common, ...place, tiers },
      { id: dated, index: calm.asset, ...common, ...place, tiers, expiry: from + datedMs },
    ],
    limits: { ...wide, ...document.limits },
    accounts: { ...document.accounts, ...accounts },
  };
}

/** Figures that nobody in the crowd comes near: what they are measured against is worked out for every order all the same. */
const wide: NonNullable<RuleDocument["limits"]> = {
  maxNotionalUsd: "1000000000000",
  maxGrossUsd: "1000000000000",
  maxNetUsd: "1000000000000",
  maxDeltaUsd: "1000000000000",
  maxOpenPositions: 1_000,
  maxExposure: "10000",
  maxCounterpartyUsd: "1000000000000",
  maxVenueUsd: "1000000000000",
  ordersPerDay: 10_000_000,
  tradesPerDay: 10_000_000,
  velocity: [{ windowMs: 1_000, orders: 100_000, valueUsd: "1000000000000" }],
};
