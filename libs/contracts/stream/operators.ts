import Type, { type Static } from "typebox";
import { Amount, Count, Duration, Id, maybe, nullable, oneOf, record, Time } from "../primitives.ts";
import { AccountEvent } from "./account.ts";
import { Fund, Funding, Halt, Mark } from "./market.ts";

const Table = <const S extends Type.TSchema>(row: S) => Type.Record(Type.String(), row);

/** One tile of the heat map. */
export const PoolTile = record({
  account: Id,
  /** null: the cross pool. */
  instrument: nullable(Id),
  ratio: nullable(Amount),
  equity: Amount,
  mm: Amount,
  notionalUsd: Amount,
  liquidating: Type.Boolean(),
});
export type PoolTile = Static<typeof PoolTile>;

export const ShardRow = record({
  /** Position in its log, entries applied, facts so far. */
  logSeq: Count,
  entries: Count,
  facts: Count,
  t: Time,
  /** How long nothing was committed, ms of this process: a shard that lives says something ten times a second. */
  quietMs: Duration,
  markAgeMs: nullable(Duration),
  ruleVersion: Count,
  accounts: Count,
  openSagas: Count,
  openEffects: Count,
  auditFailure: nullable(Type.String()),
});
export type ShardRow = Static<typeof ShardRow>;

/** Measured since the process began, ms. */
export const LatencyRow = record({ count: Count, p50Ms: Type.Number(), p99Ms: Type.Number() });

/** `overview`: figures in USD. */
export const OverviewData = record({
  /** The pools nearest to liquidation and the biggest, by account or `account.instrument`. */
  pools: Table(PoolTile),
  /** Liquidations that run, by stage. */
  stages: Table(record({ open: Count })),
  funds: Table(Fund),
  marks: Table(Mark),
  halts: Table(Halt),
  /** `replica`: from a frame's place in the log to its effect here; `send`: from there to the last socket. */
  latencies: Table(LatencyRow),
  shards: Table(ShardRow),
});
export type OverviewData = Static<typeof OverviewData>;

export const SagaRow = record({
  shard: Id,
  account: Id,
  /** null: the cross pool. */
  instrument: nullable(Id),
  stage: Count,
  state: Id,
  step: Count,
  startedAt: Time,
  ratio: nullable(Amount),
  /** The effect whose outcome it waits for. */
  effect: nullable(Type.String()),
});
export type SagaRow = Static<typeof SagaRow>;
/** `sagas`: those that run, by `shard.saga`; `events` has every fact of a liquidation, with all names. */
export const SagasData = record({ sagas: Table(SagaRow), events: Type.Array(AccountEvent) });
export type SagasData = Static<typeof SagasData>;

const Queued = record({
  account: Id,
  mode: oneOf("cross", "isolated"),
  rank: Count,
  quintile: Count,
  qty: Amount,
  ahead: Amount,
  score: nullable(Amount),
});
export type Queued = Static<typeof Queued>;
const Holder = record({ account: Id, qty: Amount, share: Amount });
const SideData = record({
  holders: Count,
  /** Shares of the side that the largest one and the largest five hold. */
  largest: Amount,
  largestFive: Amount,
  top: Type.Array(Holder),
  /** First to be deleveraged first. */
  adl: Type.Array(Queued),
});
export type SideData = Static<typeof SideData>;

/** `instrument.<id>`; lists have the first fifty. */
export const InstrumentData = record({
  instrument: Id,
  ...Mark.properties,
  /** Contracts within 2 % of mark on the thinner side, as the book was last said to be; null: nobody has. */
  depth: nullable(Amount),
  maxOpenInterest: nullable(Amount),
  orders: Count,
  funding: Funding,
  long: SideData,
  short: SideData,
});
export type InstrumentData = Static<typeof InstrumentData>;

/** `facts`: the tail of all facts, as docs/facts.md has them. Numbers of a shard that are missing were left out. */
export const FactsData = record({
  facts: Type.Array(Type.Object({ shard: Id, seq: Count, t: Time, fact: Id, trace: maybe(Type.String()) })),
});
export type FactsData = Static<typeof FactsData>;
