import Type, { type Static } from "typebox";
import type { Effect, Entry, Side } from "../log.ts";
import { Amount, Count, Id, maybe, nullable, oneOf, record, Time, Trace } from "../primitives.ts";
import { EffectId } from "./entries.ts";

/**
 * An effect for the matching engine to carry out. The effect's id is the client order id: told again, it changes nothing and the
 * answer says what became of it. What came of it enters the shard's log in the venue's own sequence (`blocked`, `closed`,
 * `withdrawn`, `cancelled`), so that fills and outcomes have one order.
 */
export interface VenueCommand {
  readonly shard: string;
  /** Of the leader that committed it; a lower one than the venue has seen is refused (`stale_epoch`). */
  readonly epoch: number;
  readonly attempt: number;
  readonly effect: Exclude<Effect, { effect: "resume" }>;
  readonly trace?: string;
}

const ofSaga = { id: EffectId, saga: EffectId };
const side = oneOf("buy", "sell");
/** Prices that the engine computed may have more digits than a border lets in. */
const Price = Type.String({ pattern: "^-?\\d{1,40}(\\.\\d{1,40})?$", title: "amount" });

export const VenueCommandSchema = record({
  shard: Id,
  epoch: Count,
  attempt: Count,
  effect: Type.Union([
    record({ ...ofSaga, effect: oneOf("block"), account: Id, instrument: nullable(Id) }),
    record({
      ...ofSaga,
      effect: oneOf("close"),
      account: Id,
      instrument: Id,
      side,
      qty: Amount,
      limit: nullable(Price),
      depthShare: nullable(Amount),
      whenDeep: Type.Boolean(),
      backing: nullable(record({ reference: Price, budget: Price })),
    }),
    record({ ...ofSaga, effect: oneOf("cancel"), of: EffectId }),
    record({ id: EffectId, effect: oneOf("withdraw"), account: Id, instrument: Id, order: Id, reason: Id }),
    record({
      id: EffectId,
      effect: oneOf("cancel_all"),
      scope: oneOf("global", "instrument", "account", "entity"),
      of: nullable(Id),
      accounts: nullable(Type.Array(Id)),
      since: Time,
    }),
  ]),
  trace: maybe(Trace),
});

export interface VenueReply {
  readonly effect: string;
  /** `done`: its outcome has the sequence `seq` of this shard. `working`: it will have one. `stale_epoch`: refused. */
  readonly state: "done" | "working" | "stale_epoch" | "refused";
  readonly seq: number | null;
  readonly reason?: string;
}

/**
 * A new leader presents itself; from now on the venue refuses older approvals and commands of this shard. `from`: how many of the
 * open orders it has by now; absent: none. A page with another `lastSeq` than the first is of another moment: it begins anew.
 */
export const Handshake = record({ shard: Id, epoch: Count, from: maybe(Count) });
export type Handshake = Static<typeof Handshake>;
/** Open orders in one reply. */
export const openOrdersMax = 2_000;
/** What rests, with the quantity that is still open; without a price it is a market order. */
export interface OpenOrder {
  readonly account: string;
  readonly id: string;
  readonly instrument: string;
  readonly side: Side;
  readonly qty: string;
  readonly price: string | null;
  readonly reduceOnly: boolean;
}
export interface HandshakeReply {
  readonly shard: string;
  /** The highest the venue has seen: above the asker's own, the asker is deposed. */
  readonly epoch: number;
  /** Last sequence of the venue's entries for this shard. */
  readonly lastSeq: number;
  /** As of that sequence, at most `openOrdersMax`. */
  readonly openOrders: readonly OpenOrder[];
  /** `from` of the next page; null: these were the last. */
  readonly next: number | null;
}

/** The venue's own entries of a shard again, from its journal, at most `resendMax` at a time. */
export const Resend = record({ shard: Id, from: Count, to: Count });
export type Resend = Static<typeof Resend>;
export const resendMax = 500;
export interface ResendReply {
  readonly shard: string;
  readonly entries: readonly Entry[];
  readonly lastSeq: number;
}

export interface VenueStatus {
  /** By shard: last sequence and the time (UTC ms, the market's clock) of that entry. */
  readonly shards: Readonly<Record<string, { readonly lastSeq: number; readonly t: number; readonly acked: number }>>;
  /** Of the rules whose instruments it trades. */
  readonly ruleVersion?: number;
  readonly trades: number;
  readonly openOrders: number;
  readonly rejected: Readonly<Record<string, number>>;
}

/** From traders: the demonstration's order entry. `ioc`: what does not fill at once is cancelled; `stop` and `key` are for the pre-trade check. */
export const PlaceOrder = record({
  account: Id,
  id: Id,
  instrument: Id,
  side,
  qty: Amount,
  price: maybe(Amount),
  reduceOnly: maybe(Type.Boolean()),
  ioc: maybe(Type.Boolean()),
  stop: maybe(Amount),
  key: maybe(Id),
});
export type PlaceOrder = Static<typeof PlaceOrder>;
/**
 * Another quantity (of the whole order, what has filled included) or price for an order that rests. Less at the same price keeps its
 * place in the queue; a quantity that has filled already takes the rest off the book. Refused, the order stands as it stood.
 */
export const AmendOrder = record({ account: Id, id: Id, qty: maybe(Amount), price: maybe(Amount) });
export type AmendOrder = Static<typeof AmendOrder>;
export const CancelOrder = record({ account: Id, id: Id });
export type CancelOrder = Static<typeof CancelOrder>;
/** Everything of an account, or of one instrument of it. */
export const CancelAll = record({ account: Id, instrument: maybe(Id) });
export type CancelAll = Static<typeof CancelAll>;

export interface TradingReply {
  readonly id: string;
  readonly state: "resting" | "filled" | "partly" | "cancelled" | "rejected";
  readonly filled: string;
  readonly codes: readonly string[];
}
