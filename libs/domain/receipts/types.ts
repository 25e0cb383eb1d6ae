import type { PoolMode } from "#libs/domain/adl/score.ts";

/** A decimal string of at most 18 places, or exact text where it says so. */
export type Amount = string;

/** A price as it stood when something was decided. */
export interface ReceiptPrice {
  /** Asset (index) or instrument (mark). */
  readonly id: string;
  readonly price: Amount | null;
  readonly quality: string;
  /** Age of the price itself; null: not known. */
  readonly ageMs: number | null;
  readonly sources: readonly { readonly source: string; readonly ageMs: number }[];
}

/** One line of a computation that a person can follow: what, how, and what came out. */
export interface ReceiptLine {
  readonly what: string;
  /** The rule in words or symbols; absent where `what` says it all. */
  readonly how?: string;
  readonly value: Amount | null;
}

export interface ReceiptInput {
  readonly name: string;
  readonly value: Amount | null;
}

/** The smallest change that would have avoided it; each is enough on its own. */
export interface AvoidedBy {
  readonly deposit?: { readonly asset: string; readonly amount: Amount };
  readonly price?: { readonly id: string; readonly price: Amount };
  readonly size?: { readonly instrument: string; readonly qty: Amount };
}

export type ReceiptKind = "rejection" | "liquidation" | "adl" | "sharing" | "haircut";

export interface ReceiptSubject {
  /** Null: no account alone is concerned. */
  readonly account: string | null;
  readonly mode: PoolMode | null;
  readonly instrument: string | null;
  readonly asset: string | null;
  /** Order or saga, where there is one. */
  readonly reference: string | null;
}

/** Why something happened to somebody: enough to compute it again by hand. */
export interface Receipt {
  readonly kind: ReceiptKind;
  /** Code of the rule in the rule book. */
  readonly rule: string;
  readonly ruleVersion: number;
  /** UTC ms of the log. */
  readonly t: number;
  readonly subject: ReceiptSubject;
  readonly inputs: readonly ReceiptInput[];
  readonly prices: readonly ReceiptPrice[];
  readonly computation: readonly ReceiptLine[];
  /** Null: nothing the account could have done. */
  readonly avoidedBy: AvoidedBy | null;
  /** SHA-256 of the published text the decision can be recomputed from, for ADL. */
  readonly publication: string | null;
}
