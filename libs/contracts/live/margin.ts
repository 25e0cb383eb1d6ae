import type { Static } from "typebox";
import type { AccountAnswer, ExchangeAnswer } from "../answers.ts";
import type { Effect, Fact } from "../log.ts";
import { Id, maybe, record } from "../primitives.ts";
import Type from "typebox";

/** Facts of one committed batch, numbered without gaps; the message's id is `shard:from`. Larger batches come in several. */
export interface FactBatch {
  readonly shard: string;
  readonly epoch: number;
  /** Log position they were true at, at the latest. */
  readonly appliedSeq: number;
  readonly from: number;
  readonly to: number;
  readonly facts: readonly (Fact & { readonly trace?: string })[];
}

export interface EffectBatch {
  readonly shard: string;
  readonly epoch: number;
  readonly effects: readonly Effect[];
  readonly trace?: string;
}

export type ShardState =
  | "starting"
  | "replaying"
  | "handshaking"
  | "waiting_for_marks"
  | "ready"
  | "gap"
  | "halted_stream_mismatch"
  | "halted_unreadable_entry"
  | "halted_venue_mismatch"
  | "deposed";

export interface ShardStatus {
  readonly shard: string;
  readonly state: ShardState;
  readonly why: string | null;
  readonly epoch: number;
  readonly appliedSeq: number;
  readonly committedSeq: number;
  readonly factSeq: number;
  /** Last number applied of each producer. */
  readonly sources: Readonly<Record<string, number>>;
  readonly t: number;
  readonly frame: number;
  readonly ruleVersion: number;
  readonly openSagas: number;
  readonly openEffects: number;
  readonly reservations: number;
  readonly auditFailure: string | null;
  /** How the open orders compared with the matching engine's when this leader met it; null: not yet. */
  readonly openOrders: {
    readonly lastSeq: number;
    readonly compared: number;
    readonly count: number;
    /** At most a hundred; they have been put right. */
    readonly differences: readonly string[];
  } | null;
  /** Asked for with `hash`: of the state at `appliedSeq`. */
  readonly stateHash?: string;
  /** Asked for with `invariants`. */
  readonly invariants?: Readonly<Record<string, unknown>>;
  readonly counters: Readonly<Record<string, number>>;
  /** Asked for with `riskiest`: that many pools nearest to liquidation. */
  readonly riskiest?: readonly {
    readonly account: string;
    readonly instrument: string | null;
    readonly ratio: string | null;
    readonly equity: string;
    readonly mm: string;
    readonly liquidating: boolean;
  }[];
}

export const StatusRequest = record({
  hash: maybe(Type.Boolean()),
  invariants: maybe(Type.Boolean()),
  riskiest: maybe(Type.Integer({ minimum: 1, maximum: 100 })),
});
export type StatusRequest = Static<typeof StatusRequest>;
export const AccountRequest = record({ account: Id });
export type AccountReply = { readonly appliedSeq: number; readonly account: AccountAnswer };
export interface ExchangeReply {
  readonly appliedSeq: number;
  readonly exchange: ExchangeAnswer;
  /** Asset → its newest index, USD; of those that have one. */
  readonly index: Readonly<Record<string, string>>;
}

/** Compares the next accounts' balances and positions in memory with the tables, both at one log position. */
export const ReconcileRequest = record({
  /** Account ids above this one; absent: from the first. */
  after: maybe(Id),
  limit: maybe(Type.Integer({ minimum: 1, maximum: 5000 })),
});
export type ReconcileRequest = Static<typeof ReconcileRequest>;
export interface ReconcileReply {
  readonly appliedSeq: number;
  readonly compared: number;
  /** What differs, at most a hundred; empty: all is well. */
  readonly differences: readonly string[];
  /** null: that was the last of them. */
  readonly next: string | null;
}
