import Type, { type Static } from "typebox";
import { Amount, byId, Count, Id, maybe, oneOf, record, Time } from "../primitives.ts";

/** An order as a matching engine asks about it. Without a price: a market order. */
export const OrderTerms = record({
  id: Id,
  instrument: Id,
  side: oneOf("buy", "sell"),
  qty: Amount,
  price: maybe(Amount),
  reduceOnly: maybe(Type.Boolean()),
  /** Where it would be closed at a loss; without one it is judged at its liquidation price. */
  stop: maybe(Amount),
  /** The API key that it came with. */
  key: maybe(Id),
});
export type OrderTerms = Static<typeof OrderTerms>;

/** `request`: asking again with the same id gives the same answer. `deadline`: UTC ms after which no answer is of use. */
const asked = { request: Id, deadline: maybe(Time) };

export const CheckRequest = record({ ...asked, account: Id, order: OrderTerms });
export type CheckRequest = Static<typeof CheckRequest>;

/** Another quantity (still open, without what has filled) or price for a resting order: judged as it away and the new one in its place. */
export const AmendRequest = record({
  ...asked,
  account: Id,
  order: Id,
  qty: maybe(Amount),
  price: maybe(Amount),
  stop: maybe(Amount),
  key: maybe(Id),
});
export type AmendRequest = Static<typeof AmendRequest>;

export const CancelRequest = record({ ...asked, account: Id, order: Id });
export type CancelRequest = Static<typeof CancelRequest>;

export const batchMax = 1000;
/** Judged in order as if one by one. `each`: every order for itself; `all`: none unless all pass. */
export const BatchRequest = record({
  ...asked,
  mode: oneOf("each", "all"),
  orders: Type.Array(record({ account: Id, order: OrderTerms }), { minItems: 1, maxItems: batchMax }),
});
export type BatchRequest = Static<typeof BatchRequest>;

/** Margin and liquidation prices after an order (as if filled at its price, else at mark), at other prices, or both. */
export const WhatIfRequest = record({
  ...asked,
  account: Id,
  order: maybe(OrderTerms),
  /** By asset (index) or instrument (mark). */
  index: maybe(byId(Amount)),
  mark: maybe(byId(Amount)),
});
export type WhatIfRequest = Static<typeof WhatIfRequest>;

/** What was found and what is permitted; for an amount how much of that is left, and which level of the limits says so. */
export interface Bound {
  readonly value: string;
  readonly bound: string;
  readonly headroom?: string;
  readonly level?: string;
}

/** What every answer says of the state it was made on. */
export const Basis = {
  epoch: Count,
  /** Position in the shard's log. */
  appliedSeq: Count,
  frame: Count,
  ruleVersion: Count,
};

export interface Decision {
  readonly request: string;
  readonly decision: "accept" | "reject";
  /** Reasons in order of precedence; empty where accepted. */
  readonly codes: readonly string[];
  /** By code, those in shadow among them. */
  readonly numbers: Readonly<Record<string, Bound>>;
  /** Codes of checks in shadow, which would have refused; absent where there are none. */
  readonly shadow?: readonly string[];
  readonly epoch: number;
  readonly appliedSeq: number;
  readonly frame: number;
  readonly ruleVersion: number;
  /** UTC ms, and the same as a span from the request: an approval may not be used later. 0 where rejected. */
  readonly expiresAt: number;
  readonly ttlMs: number;
}

export interface BatchDecision extends Omit<Decision, "codes" | "numbers" | "shadow"> {
  readonly results: readonly Pick<Decision, "decision" | "codes" | "numbers" | "shadow">[];
}

/** Codes with which a check is refused for the state of the service, not of the account. */
export const unavailableCodes = {
  recovering: "the shard is not ready: starting, catching up, or its leader is deposed",
  deadline_exceeded: "the deadline had passed before the question was looked at",
  overloaded: "more questions wait than the gate takes",
  unreadable: "the question is not one: see problems",
  unknown_account: "the account is of another shard",
} as const;
