import type { HaltState } from "#libs/domain/rule-set/types.ts";

export type { HaltState } from "#libs/domain/rule-set/types.ts";

/** From open to closed: of several states the last in this order holds. */
export const haltStates = ["normal", "reduce_only", "no_new_orders", "cancel_all", "paused"] as const;

/** The last one stands for cancelling, marks, funding and health, which nothing may stop. */
export const haltedActions = ["open_risk", "reduce_risk", "liquidate_on_book", "adl", "withdraw", "upkeep"] as const;
export type HaltedAction = (typeof haltedActions)[number];

/**
 * `after_cancel`: once the resting orders of the scope are gone. `waits_for_depth`: until the book shows a slice, or the
 * configured time has passed. `parked`: kept for later. `by_operator`: only if one says so.
 */
export type HaltPermission = "yes" | "no" | "after_cancel" | "waits_for_depth" | "parked" | "by_operator";

/** BRK-01 to BRK-06: every action meets every state; a cell left out does not compile. */
export const haltTable: Readonly<Record<HaltedAction, Readonly<Record<HaltState, HaltPermission>>>> = {
  open_risk: { normal: "yes", reduce_only: "no", no_new_orders: "no", cancel_all: "no", paused: "no" },
  reduce_risk: { normal: "yes", reduce_only: "yes", no_new_orders: "yes", cancel_all: "after_cancel", paused: "no" },
  liquidate_on_book: {
    normal: "yes",
    reduce_only: "yes",
    no_new_orders: "yes",
    cancel_all: "waits_for_depth",
    paused: "parked",
  },
  adl: { normal: "yes", reduce_only: "yes", no_new_orders: "yes", cancel_all: "yes", paused: "by_operator" },
  withdraw: { normal: "yes", reduce_only: "yes", no_new_orders: "no", cancel_all: "no", paused: "no" },
  upkeep: { normal: "yes", reduce_only: "yes", no_new_orders: "yes", cancel_all: "yes", paused: "yes" },
};

/** How closed a state is: 0 is `normal`. */
export function severity(state: HaltState): number {
  return haltStates.indexOf(state);
}

/** The state of that severity; `normal` below 0, `paused` above the last. */
export function stateOfSeverity(level: number): HaltState {
  return haltStates[Math.min(Math.max(level, 0), haltStates.length - 1)] ?? "paused";
}

/** BRK-07: the strictest of the states of all scopes that concern an action; `normal` when there is none. */
export function strictest(states: Iterable<HaltState>): HaltState {
  let level = 0;
  for (const state of states) level = Math.max(level, severity(state));
  return stateOfSeverity(level);
}

/** BRK-01 to BRK-06: what a state permits. */
export function permits(action: HaltedAction, state: HaltState): HaltPermission {
  return haltTable[action][state];
}

/** BRK-08: whether only orders marked reduce-only are taken: in `no_new_orders` and stricter states. */
export function needsReduceOnlyMark(state: HaltState): boolean {
  return severity(state) >= severity("no_new_orders");
}

/** BRK-19: whether entering a state takes every resting order of its scope: `cancel_all` and `paused`. */
export function cancelsRestingOrders(state: HaltState): boolean {
  return severity(state) >= severity("cancel_all");
}
