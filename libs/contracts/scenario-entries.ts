import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { Amount, EntryBody, OutcomeEntry, Quality } from "./log.ts";

/** What a closing order may meet, best first: `[price, contracts]`; consumed by fills until the next one. */
export type DepthLevel = readonly [Amount, Amount];

/** Entries that exist in scenario files only: prices and books for the built-in venue, and questions. */
export type StageEntry =
  /** A price that is `good` by itself. */
  | { readonly k: "index"; readonly asset: string; readonly price: Amount }
  | { readonly k: "mark"; readonly instrument: string; readonly price: Amount }
  /** What one source says; the mark-price stage makes the index and the marks of it. May be non-positive. */
  | { readonly k: "quote"; readonly asset: string; readonly source: string; readonly price: Amount }
  /** `id`: an asset or an instrument. */
  | { readonly k: "quality"; readonly id: string; readonly quality: Quality }
  | {
      readonly k: "depth";
      readonly instrument: string;
      readonly bids: readonly DepthLevel[];
      readonly asks: readonly DepthLevel[];
    };

export type AskEntry =
  | { readonly k: "ask"; readonly what: "account"; readonly account: string; readonly alone?: boolean }
  | { readonly k: "ask"; readonly what: "exchange" }
  | {
      readonly k: "ask";
      readonly what: "alloc";
      readonly instrument: string;
      readonly side: "long" | "short";
      readonly qty: Amount;
      /** Absent: the instrument's own. */
      readonly policy?: "queue" | "pro-rata" | "hedge-aware" | "hedge-aware-pro-rata";
    }
  | { readonly k: "ask"; readonly what: "reduce"; readonly account: string };

/** Entries of the log that a file may not hold: outcomes, settling and what only a matching engine or a process can say. */
type LiveOnly = OutcomeEntry | { readonly k: "settle" | "fill" | "attest" | "session" | "deleverage" | "refused" };
export type LogEntry = Exclude<EntryBody, LiveOnly>;

export type ScenarioEntry = (LogEntry | StageEntry | AskEntry) & { readonly t: number };
export type ScenarioKind = ScenarioEntry["k"];

/** A scenario file that has been read and found in order. */
export interface Scenario {
  /** With every asset that the instruments imply written out. */
  readonly rules: RuleDocument;
  /** `rules` entries carry the whole document that results. */
  readonly entries: readonly ScenarioEntry[];
}
