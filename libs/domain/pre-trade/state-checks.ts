import type { HaltState } from "#libs/domain/breakers/states.ts";
import { permitted, type PriceQuality } from "#libs/domain/mark-price/quality.ts";
import { type Finding, stated } from "./codes.ts";

/** How far the service lets orders in: `reduce_only` while it lags or its marks are old, `closed` for cancels alone. */
export type GateMode = "open" | "reduce_only" | "closed";

export interface Terms {
  readonly mode: GateMode;
  readonly reason: string;
}

export const openToAll: Terms = { mode: "open", reason: "" };

/** Checks of the state that the service, the market and the account are in. */

export function gateClosed({ mode, reason }: Terms): Finding | null {
  return mode === "closed" ? stated("gate_closed", reason, "open") : null;
}

export function reduceOnlyMode({ mode, reason }: Terms, reduces: boolean): Finding | null {
  return mode === "reduce_only" && !reduces ? stated("reduce_only_mode", reason, "open") : null;
}

/** `allowed`: what the breakers in force and the self-audit say of the order. */
export function halted(state: HaltState, allowed: boolean): Finding | null {
  return allowed ? null : stated("halted", state, "normal");
}

/** The quality of the mark, and of everything else that the order leans on: `allGood`. */
export function priceQuality(mark: PriceQuality, allGood: boolean, reduces: boolean): Finding | null {
  if (permitted(reduces ? "reduce_risk" : "open_risk", mark) !== "yes") return stated("price_quality", mark, "good");
  // Opening risk leans on everything that equity is made of, not on this one mark alone.
  return reduces || allGood ? null : stated("price_quality");
}

export const instrumentClosed = (closed: boolean): Finding | null => (closed ? stated("instrument_closed") : null);
export const duplicateOrderId = (known: boolean): Finding | null => (known ? stated("duplicate_order_id") : null);
export const poolLiquidating = (liquidating: boolean): Finding | null =>
  liquidating ? stated("pool_liquidating") : null;
export const unknownInstrument = (id: string): Finding => stated("unknown_instrument", id, "listed");
export const priceMissing = (id: string): Finding => stated("price_missing", id, "known");
