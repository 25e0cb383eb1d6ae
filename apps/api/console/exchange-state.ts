import type { Halt } from "#libs/contracts/stream/market.ts";
import type { Tone } from "./tone.ts";

/** From open to closed; of several the last in this order holds. */
export const haltStates = ["normal", "reduce_only", "no_new_orders", "cancel_all", "paused"] as const;
export type ExchangeState = (typeof haltStates)[number];

export const stateWords: Readonly<Record<ExchangeState, string>> = {
  normal: "normal",
  reduce_only: "reduce only",
  no_new_orders: "no new orders",
  cancel_all: "cancel all",
  paused: "paused",
};

/** What a state does, in a sentence. */
export const stateMeaning: Readonly<Record<ExchangeState, string>> = {
  normal: "Everything is open.",
  reduce_only: "Nobody opens risk. Reducing, withdrawing and liquidating go on.",
  no_new_orders: "Only orders marked reduce-only are taken. No withdrawals.",
  cancel_all: "Every resting order is taken off the books; then only reducing. No withdrawals.",
  paused: "Nothing trades: books emptied, no reducing, liquidations parked. Cancelling goes on.",
};

export const stateTone: Readonly<Record<ExchangeState, Tone>> = {
  normal: "good",
  reduce_only: "watch",
  no_new_orders: "warn",
  cancel_all: "bad",
  paused: "bad",
};

/** The strictest state of what concerns a scope; `normal` when nothing is in force. */
export function strictest(halts: readonly Pick<Halt, "state">[]): ExchangeState {
  const level = halts.reduce((most, { state }) => Math.max(most, haltStates.indexOf(state)), 0);
  return haltStates[level] ?? "paused";
}

export const scopeText = ({ scope, id }: Pick<Halt, "scope" | "id">): string =>
  scope === "global" ? "whole exchange" : `${scope} ${id ?? ""}`;
