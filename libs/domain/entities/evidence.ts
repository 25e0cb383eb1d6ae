import { Rational } from "#libs/decimal/index.ts";

/** What two accounts may have in common. */
export const evidenceKinds = ["deposit_address", "withdrawal_address", "device", "funding_path", "contact"] as const;
export type EvidenceKind = (typeof evidenceKinds)[number];

/** An account was seen with a value. The value itself is never known here, only a keyed hash of it. */
export interface EvidenceRecord {
  readonly account: string;
  readonly kind: EvidenceKind;
  readonly hash: string;
  /** UTC ms at which it was first and last seen. */
  readonly from: number;
  readonly until: number;
}

/** One side of a trade. */
export interface SeenFill {
  readonly account: string;
  readonly instrument: string;
  readonly side: "buy" | "sell";
  /** As text, as the log has it: equal sizes are written alike. */
  readonly qty: string;
  /** UTC ms. */
  readonly t: number;
}

/** What a detection is made by. Weights are the score that one item of a kind gives by itself. */
export interface DetectionRules {
  readonly weights: Readonly<Record<EvidenceKind | "opposite_trading", Rational>>;
  /** A value that more accounts share says nothing: an exchange's hot wallet, a public network. */
  readonly commonAbove: number;
  /** Fills of one instrument and size within one such window of UTC stand opposite each other. */
  readonly oppositeWindowMs: number;
  /** So many have to before anything is said, and a window with more accounts says nothing. */
  readonly oppositeLeast: number;
  readonly oppositeAccountsMost: number;
  /** Accounts with at least this score are proposed together. */
  readonly threshold: Rational;
}

export const detectionDefaults: DetectionRules = {
  weights: {
    deposit_address: Rational.parse("0.8"),
    withdrawal_address: Rational.parse("0.7"),
    device: Rational.parse("0.6"),
    funding_path: Rational.parse("0.5"),
    contact: Rational.parse("0.4"),
    opposite_trading: Rational.parse("0.6"),
  },
  commonAbove: 20,
  oppositeWindowMs: 1_000,
  oppositeLeast: 5,
  oppositeAccountsMost: 6,
  threshold: Rational.parse("0.5"),
};

/** What bounds a detection and its answer. */
export const detectionLimits = {
  pairs: 200_000,
  evidencePerPair: 20,
  accountsPerProposal: 50,
  linksPerProposal: 50,
  proposals: 100,
} as const;

/** One reason why two accounts may be one owner's; `weight`: its score by itself. */
export type Reason =
  | {
      readonly kind: EvidenceKind;
      readonly hash: string;
      /** How many accounts share the value. */
      readonly sharedBy: number;
      readonly from: number;
      readonly until: number;
      readonly weight: Rational;
    }
  | {
      readonly kind: "opposite_trading";
      readonly matched: number;
      /** Of the fills of the account that has more of them. */
      readonly share: Rational;
      readonly weight: Rational;
    };

export const byText = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
