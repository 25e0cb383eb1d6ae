import type { Effect } from "#libs/contracts/log.ts";

/** `entry`: the engine's number of the entry that caused it. Legs sum to zero per asset, exactly; at most 18 decimals. */
export interface LedgerTransaction {
  readonly entry: number;
  readonly kind: string;
  readonly legs: readonly LedgerLeg[];
}

export interface LedgerLeg {
  /** `external` for the outside world. */
  readonly account: string;
  readonly asset: string;
  readonly leg: "cash" | "margin" | "cost" | "accrued" | "external";
  /** Of `margin`, `cost` and `accrued` legs. */
  readonly instrument: string | null;
  readonly amount: string;
}

/** What an account holds after the batch: not a change. */
export interface BalanceRow {
  readonly account: string;
  readonly asset: string;
  readonly amount: string;
}

export interface PositionRow {
  readonly account: string;
  readonly instrument: string;
  /** Signed contracts. With qty "0" and margin "0" the row goes. */
  readonly qty: string;
  /** Settle asset, signed. */
  readonly cost: string;
  readonly margin: string;
  readonly mode: "cross" | "isolated";
  readonly leverage: string | null;
  readonly fundingEpoch: number;
}

/** A saga as it stands after the batch; `body`: whatever else explains it. */
export interface SagaRow {
  readonly id: string;
  readonly account: string;
  readonly instrument: string | null;
  readonly state: string;
  readonly stage: number;
  readonly step: number;
  /** UTC ms, the log's time. */
  readonly startedAt: number;
  readonly ended: boolean;
  readonly body?: unknown;
}

export interface FactRow {
  readonly seq: number;
  readonly t: number;
  readonly fact: string;
  readonly account: string | null;
  /** The whole fact. */
  readonly body: unknown;
}

export interface HaltRow {
  readonly scope: string;
  readonly id: string | null;
  readonly state: string;
  readonly reason: string;
  readonly manual: boolean;
  /** UTC ms, the log's time. */
  readonly since: number;
  readonly until: number | null;
}

export interface DeadLetter {
  /** Where it was refused: `log`, `quote`, `command`. */
  readonly border: string;
  readonly code: string;
  readonly what: string;
  readonly payload: Uint8Array;
  readonly subject?: string | null;
  readonly logSeq?: number | null;
  readonly source?: string | null;
  readonly sourceSeq?: number | null;
}

export interface RuleVersionRow {
  readonly version: number;
  readonly t: number;
  readonly document: unknown;
}

/** With the trace of the entry that opened it, which whoever carries it out passes on. */
export type OpenedEffect = Effect & { readonly trace?: string };

/** Everything that becomes true with one commit. Each key of balances, positions and sagas may come more than once: the last counts. */
export interface Batch {
  readonly shard: string;
  readonly epoch: number;
  /** The log position committed before this batch. */
  readonly fromSeq: number;
  readonly toSeq: number;
  /** Number of the first entry, engine count: the committed `entries` + 1, also where `entryCount` is 0. */
  readonly firstEntry: number;
  readonly entryCount: number;
  /** Number of the newest fact after this batch, fills included. */
  readonly factSeq: number;
  /** Hex: `chainHash` of the committed one with this batch's journal and facts. */
  readonly chainHash: string;
  readonly streamCreated: string | null;
  /** Hex, of the message at `toSeq`. */
  readonly lastMessageHash: string | null;
  /** `pack` of one line per applied entry, `{"seq": log position, "e": entry}`. */
  readonly journal: Uint8Array;
  /** `pack` of one line per fact, fills included. */
  readonly factsBlob: Uint8Array;
  /** All but `fill`. */
  readonly facts: readonly FactRow[];
  readonly transactions: readonly LedgerTransaction[];
  readonly balances: readonly BalanceRow[];
  readonly positions: readonly PositionRow[];
  readonly sagas: readonly SagaRow[];
  readonly effectsOpened: readonly OpenedEffect[];
  readonly effectsAnswered: readonly string[];
  readonly sourceSeqs: readonly { readonly source: string; readonly seq: number }[];
  /** The whole list, when it has changed. */
  readonly halts?: readonly HaltRow[];
  readonly deadLetters: readonly DeadLetter[];
  readonly ruleVersion: number;
  /** Versions that came into force with this batch. */
  readonly rules?: readonly RuleVersionRow[];
  /** UTC ms: the log's time after the batch. */
  readonly t: number;
}

export const batchLimits = { entries: 5_000, rows: 500_000 } as const;
