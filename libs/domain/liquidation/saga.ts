/** Where the saga of one pool stands. */
export type SagaState =
  | "locking"
  | "partial"
  | "full"
  | "providers"
  | "fund-backed"
  | "deleveraging"
  | "settling"
  | "bad-debt"
  | "parked"
  | "released"
  | "completed";

/**
 * What can happen to a saga. The first four are verdicts at a frame: ratio above `partialAt`; at most that; at most `fullAt`; and
 * `E_full < 0`. `flat`: no contracts open. `exhausted`: this stage can do no more and contracts are open. `covered` and `short`:
 * the settlement finds no money missing, or some. `paid`: what was missing is paid or parked. `halted`: paused, or timed out.
 */
export type SagaEvent =
  | "safe"
  | "thin"
  | "critical"
  | "insolvent"
  | "flat"
  | "exhausted"
  | "covered"
  | "short"
  | "paid"
  | "halted";

const no = "refused";

/**
 * LIQ-02: every state meets every event; a cell left out does not compile. Released means that nothing was closed and nothing is
 * charged; once something may have been closed, the way out leads through the settlement.
 */
export const next: Readonly<Record<SagaState, Readonly<Record<SagaEvent, SagaState | "refused">>>> = {
  locking: {
    safe: "released",
    thin: "partial",
    critical: "full",
    insolvent: "providers",
    flat: "settling",
    exhausted: no,
    covered: no,
    short: no,
    paid: no,
    halted: "parked",
  },
  partial: {
    safe: "settling",
    thin: "partial",
    critical: "full",
    insolvent: "providers",
    flat: "settling",
    exhausted: "partial",
    covered: no,
    short: no,
    paid: no,
    halted: "parked",
  },
  full: {
    safe: "settling",
    thin: "partial",
    critical: "full",
    insolvent: "providers",
    flat: "settling",
    exhausted: "providers",
    covered: no,
    short: no,
    paid: no,
    halted: "parked",
  },
  providers: {
    safe: "settling",
    thin: "partial",
    critical: "full",
    insolvent: "providers",
    flat: "settling",
    exhausted: "fund-backed",
    covered: no,
    short: no,
    paid: no,
    halted: "parked",
  },
  "fund-backed": {
    safe: "settling",
    thin: "partial",
    critical: "full",
    insolvent: "providers",
    flat: "settling",
    exhausted: "deleveraging",
    covered: no,
    short: no,
    paid: no,
    halted: "parked",
  },
  deleveraging: {
    safe: "settling",
    thin: "partial",
    critical: "full",
    insolvent: "providers",
    flat: "settling",
    exhausted: "bad-debt",
    covered: no,
    short: no,
    paid: no,
    halted: "parked",
  },
  // One atomic entry: no frame comes between its parts, so no verdict can.
  settling: {
    safe: no,
    thin: no,
    critical: no,
    insolvent: no,
    flat: no,
    exhausted: no,
    covered: "completed",
    short: "bad-debt",
    paid: no,
    halted: no,
  },
  // What nobody takes at its price is closed at any price the book pays, or stays open until there is a book.
  "bad-debt": {
    safe: "settling",
    thin: "partial",
    critical: "full",
    insolvent: "providers",
    flat: "settling",
    exhausted: "bad-debt",
    covered: no,
    short: no,
    paid: "completed",
    halted: "parked",
  },
  // The pool stays locked and is judged again at each frame.
  parked: {
    safe: "settling",
    thin: "partial",
    critical: "full",
    insolvent: "providers",
    flat: "settling",
    exhausted: "parked",
    covered: no,
    short: no,
    paid: no,
    halted: "parked",
  },
  released: {
    safe: no,
    thin: no,
    critical: no,
    insolvent: no,
    flat: no,
    exhausted: no,
    covered: no,
    short: no,
    paid: no,
    halted: no,
  },
  completed: {
    safe: no,
    thin: no,
    critical: no,
    insolvent: no,
    flat: no,
    exhausted: no,
    covered: no,
    short: no,
    paid: no,
    halted: no,
  },
};

/** LIQ-03: the stage of the waterfall a state belongs to; null: none (judged, settled or over). */
export const stageNumber = {
  locking: 1,
  partial: 2,
  full: 3,
  providers: 4,
  "fund-backed": 5,
  deleveraging: 6,
  "bad-debt": 7,
  settling: null,
  parked: null,
  released: null,
  completed: null,
} as const satisfies Record<SagaState, 1 | 2 | 3 | 4 | 5 | 6 | 7 | null>;

/** LIQ-25: what undoes a state's outside work when its saga leaves it early; booked fills are facts and are never undone. */
export const compensation: Readonly<
  Record<SagaState, "unblock" | "cancel-working-orders" | "withdraw-offer" | "none">
> = {
  locking: "unblock",
  partial: "cancel-working-orders",
  full: "cancel-working-orders",
  providers: "withdraw-offer",
  "fund-backed": "cancel-working-orders",
  deleveraging: "none",
  "bad-debt": "cancel-working-orders",
  settling: "none",
  parked: "none",
  released: "none",
  completed: "none",
};

/** Thrown where an event meets a state that refuses it: the engine's order of steps is broken. */
export class RefusedTransition extends Error {
  readonly state: SagaState;
  readonly event: SagaEvent;
  constructor(state: SagaState, event: SagaEvent) {
    super(`a saga that is ${state} refuses ${event}`);
    this.name = "RefusedTransition";
    this.state = state;
    this.event = event;
  }
}

/** LIQ-02: the state after an event; throws `RefusedTransition` where the table says so. */
export function advance(state: SagaState, event: SagaEvent): SagaState {
  const after = next[state][event];
  if (after === no) throw new RefusedTransition(state, event);
  return after;
}

/** Whether nothing more can happen to the saga. */
export function isOver(state: SagaState): boolean {
  return state === "released" || state === "completed";
}

/** LIQ-25: the id of a step: the saga and the step's place in it. It is the key that makes the step's effect happen once. */
export function stepId(saga: string, step: number): string {
  return `${saga}.${step}`;
}
