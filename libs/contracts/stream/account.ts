import Type, { type Static } from "typebox";
import { Amount, Count, Id, maybe, nullable, oneOf, record, Time } from "../primitives.ts";
import { Halt } from "./market.ts";

/** What is told to whom an account belongs. Account figures in USD, position figures in the settle asset; requirements rounded up, all else down. */
const Table = <const S extends Type.TSchema>(row: S) => Type.Record(Type.String(), row);
const Mode = oneOf("cross", "isolated");
const PoolState = oneOf("normal", "liquidating");

/**
 * Something that became true of the account: the fact as docs/facts.md has it, without the names of other accounts. `receipt`: why, and
 * what would have avoided it, in the shape of `plimsoll explain --json`; with the end of a liquidation that of its beginning.
 */
const EventBody = Type.Object({
  shard: Id,
  /** Number of the fact in its shard. */
  seq: Count,
  t: Time,
  fact: Id,
  receipt: maybe(nullable(Type.Object({}))),
});
export type AccountEvent = Static<typeof EventBody> & Readonly<Record<string, unknown>>;
/** With the fact's own fields beside. */
export const AccountEvent = Type.Unsafe<AccountEvent>(EventBody);

/** Where a position stands in the queue of its side: 1 goes first; in the fifth `quintile` the last ones. */
export const AdlPlace = record({
  rank: Count,
  quintile: Type.Integer({ minimum: 1, maximum: 5 }),
  /** Contracts that would go before this position's. */
  ahead: Amount,
  /** null: infinite. */
  score: nullable(Amount),
  /** Position in the log that rank, quintile and size ahead are as of: queues are made anew once a second, later in large books. */
  logSeq: Count,
});
export type AdlPlace = Static<typeof AdlPlace>;

export const CollateralRow = record({ balance: Amount, value: Amount, weight: Amount, haircut: Amount });

const TriggerPrices = {
  /** Prices at which a partial and a full liquidation begin, and at which nothing is left; null: there is none. */
  partialPrice: nullable(Amount),
  liqPrice: nullable(Amount),
  bankruptcyPrice: nullable(Amount),
  /**
   * Position in the log that these three are as of. They are worked out again when anything happens to the account, when its ratio has moved
   * by a thousandth, and every ten seconds; later only where more accounts ask for them than can be served.
   */
  pricesAt: Count,
};

export const PositionRisk = record({
  mode: Mode,
  qty: Amount,
  mark: Amount,
  /** Of the pool that judges it: the account's own for a cross position. */
  ratio: nullable(Amount),
  state: PoolState,
  ...TriggerPrices,
  /** From the mark to `liqPrice`: below it is negative. Percent of the mark, and USD per unit of what the price is of. */
  distancePercent: nullable(Amount),
  distanceUsd: nullable(Amount),
  adl: nullable(AdlPlace),
});
export type PositionRisk = Static<typeof PositionRisk>;

/** `margin.<account>`. */
export const MarginData = record({
  account: Id,
  state: PoolState,
  equity: Amount,
  initialEquity: Amount,
  fullEquity: Amount,
  im: Amount,
  orderIm: Amount,
  mm: Amount,
  /** equity / mm; null: no requirement. */
  ratio: nullable(Amount),
  free: Amount,
  /** Ratios at which it is warned (falling), partly and wholly liquidated. */
  warnAt: Type.Array(Amount),
  partialAt: Amount,
  fullAt: Amount,
  /** The lowest of `warnAt` that stands given for the cross pool; null: none does. */
  warned: nullable(Amount),
  /** By asset. */
  collateral: Table(CollateralRow),
  /** By instrument. */
  positions: Table(PositionRisk),
  /** In force for this account, its owner, its instruments, or everybody; by `scope.id.reason`. */
  halts: Table(Halt),
  /** Log: warnings, stages of a liquidation and its end with the receipt. */
  events: Type.Array(AccountEvent),
});
export type MarginData = Static<typeof MarginData>;

export const PositionRow = record({
  mode: Mode,
  qty: Amount,
  entry: Amount,
  mark: Amount,
  notional: Amount,
  upnl: Amount,
  realised: Amount,
  /** Accrued and not yet booked. */
  funding: Amount,
  im: Amount,
  mm: Amount,
  leverage: nullable(Amount),
  /** Of an isolated position. */
  margin: nullable(Amount),
  ratio: nullable(Amount),
  ...TriggerPrices,
});
export type PositionRow = Static<typeof PositionRow>;
/** `positions.<account>`, by instrument. */
export const PositionsData = record({ account: Id, positions: Table(PositionRow) });
export type PositionsData = Static<typeof PositionsData>;

export const OrderRow = record({
  instrument: Id,
  side: oneOf("buy", "sell"),
  qty: Amount,
  /** null: at the market. */
  price: nullable(Amount),
  reduceOnly: Type.Boolean(),
});
/** `orders.<account>`: what rests, by id; `events` has fills, bookings, cancellations and refusals. */
export const OrdersData = record({ account: Id, orders: Table(OrderRow), events: Type.Array(AccountEvent) });
export type OrdersData = Static<typeof OrdersData>;

export const LiquidationRow = record({
  /** null: the cross pool. */
  instrument: nullable(Id),
  stage: Count,
  state: Id,
  startedAt: Time,
  /** E_M / MM when it began. */
  ratio: nullable(Amount),
  step: Count,
});
/** `liquidations.<account>`: those that run, by saga; `events` has every step with its price and money. */
export const LiquidationsData = record({
  account: Id,
  liquidations: Table(LiquidationRow),
  events: Type.Array(AccountEvent),
});
export type LiquidationsData = Static<typeof LiquidationsData>;

/** `adl.<account>`: by instrument; `events` has what the account was deleveraged for, and losses shared with it. */
export const AdlData = record({
  account: Id,
  positions: Table(record({ side: oneOf("long", "short"), qty: Amount, ...AdlPlace.properties })),
  events: Type.Array(AccountEvent),
});
export type AdlData = Static<typeof AdlData>;
