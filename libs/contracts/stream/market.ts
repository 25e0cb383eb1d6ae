import Type, { type Static } from "typebox";
import { Amount, Duration, Id, nullable, oneOf, record, Time } from "../primitives.ts";

const Table = <const S extends Type.TSchema>(row: S) => Type.Record(Type.String(), row);
const Quality = oneOf("good", "stale", "disputed", "invalid");

export const Halt = record({
  scope: oneOf("global", "instrument", "account", "entity"),
  /** null: everybody. */
  id: nullable(Id),
  state: oneOf("reduce_only", "no_new_orders", "cancel_all", "paused"),
  reason: Type.String(),
  /** Set by an operator: it neither expires nor gives way to a trigger. */
  manual: Type.Boolean(),
  since: Time,
  /** null: only an operator lifts it. */
  until: nullable(Time),
});
export type Halt = Static<typeof Halt>;
/** `halts`: of everybody and of instruments, by `scope.id.reason`. */
export const HaltsData = record({ halts: Table(Halt) });
export type HaltsData = Static<typeof HaltsData>;

export const Mark = record({
  /** null: nobody has given one yet. */
  price: nullable(Amount),
  quality: Quality,
  /** UTC ms of the last change of price. */
  at: Time,
  /** The asset whose index it follows. */
  index: Id,
  /** Contracts open, and their value at mark in USD, down. */
  openInterest: Amount,
  openInterestUsd: nullable(Amount),
});
export type Mark = Static<typeof Mark>;
export const Index = record({
  price: nullable(Amount),
  quality: Quality,
  at: Time,
  haircutInitial: Amount,
  haircutMaintenance: Amount,
});
export type Index = Static<typeof Index>;
/** `marks`: by instrument, and by asset. */
export const MarksData = record({ marks: Table(Mark), indices: Table(Index) });
export type MarksData = Static<typeof MarksData>;

export const Funding = record({
  intervalMs: Duration,
  /** UTC ms of the next payment; null: the instrument expires instead. */
  nextAt: nullable(Time),
  interest: Amount,
  rateMax: Amount,
  /** The last payment: rate, settle asset per contract, UTC ms; null: none since this process began to read. */
  last: nullable(record({ rate: Amount, perContract: Amount, mark: Amount, at: Time })),
});
export type Funding = Static<typeof Funding>;
/** `funding`: by instrument. */
export const FundingData = record({ funding: Table(Funding) });
export type FundingData = Static<typeof FundingData>;

export const Fund = record({
  balance: Amount,
  /** At index; null: no price. */
  usd: nullable(Amount),
  /** Down from the highest trading result of the window, as a share of what it would hold there. */
  drawdown: Amount,
  /** The drawdown at which it stops paying, so that positions are deleveraged instead; null: there is no brake. */
  brakeAt: nullable(Amount),
  /** It has stopped, until the drawdown is below `brakeUntil`. */
  braked: Type.Boolean(),
  brakeUntil: nullable(Amount),
  /** What it may still pay before it stops, units of the asset; null: all it has. */
  room: nullable(Amount),
  /** Owed by nobody who can pay: parked, units of the asset. */
  parked: Amount,
});
export type Fund = Static<typeof Fund>;
/** `fund`: the insurance funds, by asset. */
export const FundData = record({ funds: Table(Fund) });
export type FundData = Static<typeof FundData>;
