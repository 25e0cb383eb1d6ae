import type { Approval, Effect, Entry, EntryBody, Side } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { TradingReply, VenueReply } from "#libs/contracts/live/venue.ts";

/** What an order carries for the risk engine alone: where it would be closed at a loss, and the API key that it came with. */
export interface ForRisk {
  readonly stop?: string;
  readonly key?: string;
}

export const forRisk = ({ stop, key }: ForRisk): ForRisk => ({
  ...(stop === undefined ? {} : { stop }),
  ...(key === undefined ? {} : { key }),
});

/** An order in ticks and lots. */
export interface Terms extends ForRisk {
  readonly account: string;
  readonly id: string;
  readonly instrument: string;
  readonly side: Side;
  readonly lots: number;
  /** Worst price in ticks: the limit, or for a market order the edge of the price band. */
  readonly limit: number;
  readonly market: boolean;
  readonly ioc: boolean;
  readonly reduceOnly: boolean;
}

/** A pool's change by something other than a trade on this venue: deleveraging, a provider, an expiry. Signed lots. */
export interface Moved {
  readonly account: string;
  readonly instrument: string;
  readonly lots: number;
}

export type VenueEffect = Exclude<Effect, { effect: "resume" }>;

/**
 * Everything that changes the venue, as it stands in its journal. `t`: the market's clock, UTC ms. `trace`: what the entries that come of it
 * are told by, from the order or the effect that asked for it to their facts.
 */
export type Command = Deed & { readonly t: number; readonly trace?: string };

type Deed =
  | { readonly c: "place"; readonly terms: Terms; readonly approval: Approval }
  /** An approved order that was not placed after all: its approval need not hold anything any longer. */
  | {
      readonly c: "release";
      readonly account: string;
      readonly id: string;
      readonly request: string;
    }
  /** Lots of the whole order, and ticks; null: as they are. Without an approval only less at the same price. */
  | {
      readonly c: "amend";
      readonly account: string;
      readonly id: string;
      readonly total: number | null;
      readonly limit: number | null;
      /** `lots`: still open, as risk was asked. */
      readonly approval: (Approval & { readonly lots: number }) | null;
    }
  | { readonly c: "cancel"; readonly account: string; readonly id: string }
  | { readonly c: "cancel_all"; readonly account: string; readonly instrument: string | null }
  | {
      readonly c: "effect";
      readonly shard: string;
      readonly epoch: number;
      readonly effect: VenueEffect;
    }
  | { readonly c: "epoch"; readonly shard: string; readonly epoch: number }
  /** What the shard's facts up to number `to` say that a venue must know; `at` is their place in the stream. */
  | {
      readonly c: "facts";
      readonly shard: string;
      readonly to: number;
      readonly at: number;
      readonly ended: readonly string[];
      readonly moved: readonly Moved[];
      /** Instruments that have expired; absent: none. */
      readonly expired?: readonly string[];
    }
  /** New rules, with which the floor begins too. Those of a version that it has had already change nothing. */
  | { readonly c: "rules"; readonly version: number; readonly document: RuleDocument }
  | { readonly c: "attest"; readonly shard: string; readonly from: number; readonly to: number };

/** What an entry needs beside its header. */
export type Emitted = Exclude<EntryBody, { k: "refused" }>;
export type Numbered = Entry & { readonly source: string; readonly sourceSeq: number };

export interface Outcome {
  /** In the order they happened; each numbered in its shard's sequence. */
  readonly entries: readonly { readonly shard: string; readonly entry: Numbered }[];
  readonly reply: TradingReply | VenueReply | { readonly cancelled: number } | { readonly to: number } | null;
}
