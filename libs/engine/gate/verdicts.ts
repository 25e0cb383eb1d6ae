import type { OrderTerms } from "#libs/contracts/live/pre-trade.ts";
import type { RestingOrder } from "#libs/domain/positions/views.ts";
import { type Bounded, Refusal, type RefusalCode } from "#libs/domain/pre-trade/codes.ts";
import type { OverlaySnapshot } from "./overlay.ts";

export interface GateVerdict {
  readonly decision: "accept" | "reject";
  /** In order of precedence; empty where accepted. */
  readonly codes: readonly RefusalCode[];
  /** By code: what was found and what is permitted; those in shadow among them. */
  readonly numbers: Readonly<Record<string, Bounded>>;
  /** LIM-10: codes of checks in shadow, which would have refused; absent where there are none. */
  readonly shadow?: readonly RefusalCode[];
}

/** What every answer says beside its verdict. */
export interface Common {
  readonly request: string;
  /** Monotonic ms: when it was made, and until when an approval may be used (0 where refused). */
  readonly at: number;
  readonly expiresAt: number;
  /** Entries applied, frames applied and rule version of the book that it was made on. */
  readonly entries: number;
  readonly frame: number;
  readonly ruleVersion: number;
  /** What of the overlay was read; null in a repeated answer. */
  readonly overlay: OverlaySnapshot | null;
  /** The answer of an earlier question with the same id, given again. */
  readonly replay: boolean;
}

export interface GateAnswer extends GateVerdict, Common {}
/** `decision`: accept when at least one order (mode `all`: every order) was. */
export interface GateBatchAnswer extends Common {
  readonly decision: "accept" | "reject";
  readonly results: readonly GateVerdict[];
}

export const noRefusal = new Refusal();

/** Whose order it is, and the API key that it came with. */
export interface Asked {
  readonly account: string;
  readonly order: { readonly key?: string };
}

export type Basis = Omit<Common, "overlay" | "replay">;

/** Field by field: copies of objects of several shapes would cost more than the decision. */
export function answerOf(verdict: GateVerdict, basis: Basis, overlay: OverlaySnapshot): GateAnswer {
  const { decision, codes, numbers, shadow } = verdict;
  const { request, at, expiresAt, entries, frame, ruleVersion } = basis;
  const rest = {
    decision,
    codes,
    numbers,
    request,
    at,
    expiresAt,
    entries,
    frame,
    ruleVersion,
    overlay,
    replay: false,
  };
  return shadow === undefined ? rest : { ...rest, shadow };
}

export const accepted: GateVerdict = { decision: "accept", codes: [], numbers: {} };

export const rejected = (
  codes: readonly RefusalCode[],
  numbers: Readonly<Record<string, Bounded>> = {},
): GateVerdict => ({ decision: "reject", codes, numbers });

export function verdictOf(refusal: Refusal): GateVerdict {
  const verdict = refusal.isEmpty ? accepted : rejected(refusal.codes(), refusal.numbers);
  if (!refusal.hasShadow) return verdict;
  const shadow = refusal.shadow();
  return { ...verdict, numbers: { ...refusal.shadowNumbers, ...verdict.numbers }, shadow };
}

/** What a request id stands for: all of an order that its decision may depend on. */
export const contentOf = (
  account: string,
  { id, instrument, side, qty, price, reduceOnly, stop, key }: OrderTerms,
): string =>
  `${account} ${id} ${instrument} ${side} ${qty} ${price ?? "-"} ${reduceOnly === true} ${stop ?? "-"} ${key ?? "-"}`;

/** A smaller quantity at the same price takes a part of the order back, like a cancel: it always passes. */
export function shrinks(old: RestingOrder, next: RestingOrder): boolean {
  const samePrice = old.price === null ? next.price === null : next.price !== null && next.price.equals(old.price);
  return samePrice && next.qty.sign > 0 && next.qty.atMost(old.qty) && next.qty.isMultipleOf(next.instrument.lot);
}
