import { Rational } from "#libs/decimal/index.ts";
import { type SagaState, stageNumber } from "#libs/domain/liquidation/saga.ts";

/** What is still to be taken from one counterparty of a deleveraging. */
export interface Taking {
  readonly account: number;
  readonly row: number;
  /** Contracts, positive. */
  readonly qty: Rational;
}

/** A deleveraging under way: it may write more accounts than one entry is allowed to. */
export interface Deleveraging {
  readonly instrument: number;
  readonly price: Rational;
  readonly takings: Taking[];
  /** R, and SHA-256 of the published decision: what every fill's receipt names. */
  readonly need: Rational;
  readonly publication: string;
}

/** The liquidation of one pool. Plain data: it is part of the state, hashed and kept in snapshots. */
export interface Saga {
  readonly slot: number;
  readonly id: string;
  readonly pool: number;
  readonly account: number;
  /** Fact that started it. */
  readonly startedSeq: number;
  readonly startedAt: number;
  /** Since when (UTC ms) its condition has held without a break: what price quality may ask for a confirmation of. */
  readonly heldSince: number;
  state: SagaState;
  /** The next step's number: effects and receipts are keyed by (saga, step). */
  step: number;
  /** Frame at which health was last judged and bankruptcy prices computed. */
  frame: number;
  /** Instruments still to be worked on in this stage, in order. */
  queue: number[];
  /** Slice of the first instrument of the queue, from 1. */
  slice: number;
  /** Whether this pass of stage 2 has closed anything. */
  progressed: boolean;
  /** Whether anything was closed at all: else the pool is released at no cost. */
  closed: boolean;
  /** The open effect it waits for; null: it waits for the next look at health, or is being driven. */
  effect: string | null;
  /** Whether the open closing order has been asked back. */
  cancelling: boolean;
  /** What the limit of the open closing order was: null none. */
  limit: Rational | null;
  /** USD that the fund has paid for it. */
  spentUsd: Rational;
  /** Frozen per frame: instrument number → p_bk. */
  bankruptcy: Map<number, Rational | null>;
  /** Notional closed on book in stage 3, settle asset, by instrument: what the closing fees are charged on. */
  booked: Map<number, Rational>;
  /** Loss against p_bk that nobody covered, USD, by instrument: where a bad debt comes from. */
  uncovered: Map<number, Rational>;
  /** What the roundings of its fills brought to `rounding`, by asset number. */
  rounded: Map<number, Rational>;
  deleveraging: Deleveraging | null;
  /** E_M / MM when it began; null: no requirement. Absent in scenario files. */
  ratioAtStart?: string | null;
}

type Beginning = Pick<Saga, "slot" | "id" | "pool" | "account" | "startedSeq" | "startedAt" | "heldSince">;

export function newSaga(beginning: Beginning): Saga {
  return {
    ...beginning,
    state: "locking",
    step: 0,
    frame: -1,
    queue: [],
    slice: 1,
    progressed: false,
    closed: false,
    effect: null,
    cancelling: false,
    limit: null,
    spentUsd: Rational.zero,
    bankruptcy: new Map(),
    booked: new Map(),
    uncovered: new Map(),
    rounded: new Map(),
    deleveraging: null,
  };
}

/** For facts and answers: what has no stage of its own shows the last one, and nothing when it is over. */
export const stageOfState: Readonly<Record<SagaState, number>> = {
  ...stageNumber,
  settling: 7,
  parked: 7,
  released: 0,
  completed: 0,
};
