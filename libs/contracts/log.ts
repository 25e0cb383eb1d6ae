import type { HaltState } from "#libs/domain/rule-set/types.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";

/** Amounts, prices and rates are decimal strings; times are UTC ms. */
export type Amount = string;
export type Quality = "good" | "stale" | "disputed" | "invalid";
export type Scope = "global" | "instrument" | "account" | "entity";
export type Side = "buy" | "sell";

/** What one index or mark was made of; kept so that a receipt can name its sources and their ages. */
export interface PriceInput {
  readonly price: Amount | null;
  readonly used: readonly {
    readonly source: string;
    readonly price: Amount;
    readonly ageMs: number;
    readonly weight: Amount;
  }[];
  readonly dropped: readonly { readonly source: string; readonly reason: string }[];
}

export interface FrameEntry {
  readonly k: "frame";
  readonly index?: Readonly<Record<string, Amount>>;
  readonly mark?: Readonly<Record<string, Amount>>;
  /** By asset or instrument id. */
  readonly quality?: Readonly<Record<string, Quality>>;
  /** By instrument: contracts within 2 % of mark, on the thinner side. */
  readonly depth?: Readonly<Record<string, Amount>>;
  readonly haircut?: Readonly<Record<string, { readonly initial: Amount; readonly maintenance: Amount }>>;
  readonly inputs?: Readonly<Record<string, PriceInput>>;
}

export interface Fill {
  readonly qty: Amount;
  readonly price: Amount;
  /** The matching engine's id of the trade; the other half carries the same. Absent in scenario files. */
  readonly trade?: string;
}

/** What let an order in: the answer of a pre-trade check. */
export interface Approval {
  readonly request: string;
  readonly epoch: number;
  /** UTC ms: the matching engine may not use it later. */
  readonly until: number;
}

/** One entry of a shard's log without its header: everything that can change an account. */
/** The clock of the log. What its writer sees of its own process: absent is nothing worth telling. */
export interface TimeEntry {
  readonly k: "time";
  /** How long the oldest entry has waited for its commit, and how late entries come to be applied; ms. */
  readonly lag?: { readonly commitMs: number; readonly engineMs: number };
  /** By what the shard needs: the share of its latest attempts that failed. */
  readonly errors?: Readonly<Record<string, Amount>>;
}

export type EntryBody =
  | FrameEntry
  | { readonly k: "cash"; readonly account: string; readonly asset: string; readonly amount: Amount }
  | { readonly k: "fund" | "house"; readonly asset: string; readonly amount: Amount }
  | {
      readonly k: "transfer";
      readonly from: string;
      readonly to: string;
      readonly asset: string;
      readonly amount: Amount;
    }
  | {
      readonly k: "mode";
      readonly account: string;
      readonly instrument: string;
      readonly mode?: "cross" | "isolated";
      readonly leverage?: Amount;
    }
  | {
      readonly k: "order";
      readonly account: string;
      readonly id: string;
      readonly instrument: string;
      readonly side: Side;
      readonly qty: Amount;
      /** Absent: a market order. */
      readonly price?: Amount;
      readonly reduceOnly?: boolean;
      /** Where it would be closed at a loss; without one it is judged at its liquidation price. */
      readonly stop?: Amount;
      /** The API key that it came with. */
      readonly key?: string;
      /** From a matching engine, whose word an order that rests is: booked as it is. Absent there: nobody was asked. */
      readonly approval?: Approval;
    }
  | {
      readonly k: "cancel";
      readonly account: string;
      readonly id: string;
      /** Of what was never reported as resting: the quantity that an approval need not hold any longer. */
      readonly request?: string;
    }
  /** One half of a trade: this account against `clearing`. The other half is an entry of its own, perhaps of another shard. */
  | {
      readonly k: "fill";
      readonly trade: string;
      readonly account: string;
      readonly instrument: string;
      readonly side: Side;
      readonly qty: Amount;
      readonly price: Amount;
      readonly liquidity: "maker" | "taker";
      readonly order: string;
      /** The approval that a taker's order came with. */
      readonly request?: string;
    }
  /**
   * What the matching engine holds for the accounts of some slots (`slotOf`), so that both sides are compared at one place of
   * its sequence. `[account, instrument, contracts]`, positions other than zero only.
   */
  | {
      readonly k: "attest";
      /** First slot, and the one after the last. */
      readonly from: number;
      readonly to: number;
      readonly positions: readonly (readonly [account: string, instrument: string, qty: Amount])[];
      /** The last fact of the shard that the positions take into account; absent: every one. */
      readonly facts?: number;
    }
  /** A day or week of trading begins at `start`: the next accounts' equity becomes what losses are measured from, in chunks. */
  | { readonly k: "session"; readonly session: "day" | "week"; readonly start: number }
  /** In place of an entry that was refused, so that its producer's numbers stay without a gap. */
  | { readonly k: "refused"; readonly of: string; readonly code: string; readonly what: string }
  | {
      readonly k: "trade";
      readonly instrument: string;
      readonly buyer: string;
      readonly seller: string;
      readonly qty: Amount;
      readonly price: Amount;
      readonly taker?: Side;
      readonly fees?: boolean;
      readonly buyOrder?: string;
      readonly sellOrder?: string;
    }
  | {
      readonly k: "position";
      readonly account: string;
      readonly instrument: string;
      readonly qty: Amount;
      readonly entry: Amount;
    }
  | { readonly k: "margin"; readonly account: string; readonly instrument: string; readonly amount: Amount }
  | { readonly k: "funding"; readonly instrument: string; readonly rate: Amount }
  /** Books accrued funding (or an expired position) of the next accounts of an instrument, in chunks. */
  | { readonly k: "settle"; readonly instrument: string }
  | { readonly k: "convert"; readonly account: string }
  | {
      readonly k: "rules";
      readonly document: RuleDocument;
      /** The version that it was made from: with another in force it is refused, so that no change undoes one it has not seen. */
      readonly base?: number;
    }
  | {
      readonly k: "halt";
      readonly scope: Scope;
      /** Absent for the global scope. */
      readonly id?: string;
      readonly state: HaltState;
      readonly reason: string;
    }
  /** By an operator: so much of a position is closed at its mark against the head of the queue. */
  | { readonly k: "deleverage"; readonly account: string; readonly instrument: string; readonly qty: Amount }
  | { readonly k: "expire"; readonly instrument: string; readonly price: Amount }
  | TimeEntry
  | OutcomeEntry;

/** What became of an effect in the outside world. */
export type OutcomeEntry =
  | { readonly k: "blocked"; readonly effect: string }
  /** An order that a `withdraw` named is gone from the book, or was not there. */
  | { readonly k: "withdrawn"; readonly effect: string }
  /** A scope has been emptied: so many orders, each of which has had its `cancel` before this. */
  | { readonly k: "cancelled"; readonly effect: string; readonly orders: number }
  /** The engine asked to be called again: a settlement larger than one entry may write goes on in the next. */
  | { readonly k: "resumed"; readonly effect: string }
  | {
      readonly k: "closed";
      readonly effect: string;
      readonly fills: readonly Fill[];
      /** Nothing more stands on that side. */ readonly exhausted: boolean;
    };

/** A log entry: `t` UTC ms, never falling for the engine; `source`/`sourceSeq` number each producer's entries without gaps. */
export type Entry = EntryBody & {
  readonly t: number;
  readonly source?: string;
  readonly sourceSeq?: number;
  /** W3C `traceparent`, carried from entry to fact; the engine does not read it. */
  readonly trace?: string;
};

/** What the outside should do. Ids derive from the log position, so handing one out again changes nothing. */
export type Effect =
  | {
      readonly id: string;
      readonly effect: "block";
      readonly saga: string;
      readonly account: string;
      /** null: the cross pool. */ readonly instrument: string | null;
    }
  | {
      readonly id: string;
      readonly effect: "close";
      readonly saga: string;
      readonly account: string;
      readonly instrument: string;
      readonly side: Side;
      /** At most this many contracts. */
      readonly qty: Amount;
      /** No worse than this; null: any price. */
      readonly limit: Amount | null;
      /** At most this share of the depth the venue sees; null: all of it. */
      readonly depthShare: Amount | null;
      /** Only if at least the slice stands there: a scope that has cancelled everything waits for depth. */
      readonly whenDeep: boolean;
      /** Fills worse than `reference` may together lose at most `budget` (settle asset) against it; null: no such bound. */
      readonly backing: { readonly reference: Amount; readonly budget: Amount } | null;
    }
  /** Take back what of a closing order still works; its outcome says what had filled. Needs no outcome of its own. */
  | { readonly id: string; readonly effect: "cancel"; readonly saga: string; readonly of: string }
  | { readonly id: string; readonly effect: "resume"; readonly saga: string }
  /** Take one resting order off the book: the engine has cancelled it (docs/facts.md, `order.cancelled`). */
  | {
      readonly id: string;
      readonly effect: "withdraw";
      readonly account: string;
      readonly instrument: string;
      readonly order: string;
      readonly reason: string;
    }
  /** Take everything of a scope off the books, also what the engine does not know of: a halt asks for it (BRK-19). */
  | {
      readonly id: string;
      readonly effect: "cancel_all";
      readonly scope: Scope;
      /** Which instrument, account or entity; null for all. */
      readonly of: string | null;
      /** Of an entity; null: the scope says whose. */
      readonly accounts: readonly string[] | null;
      /** When it was asked for, UTC ms of the market. */
      readonly since: number;
    };

/** How many there are of each kind. */
export function effectsByKind(effects: Iterable<Pick<Effect, "effect">>): Record<Effect["effect"], number> {
  const kinds = { block: 0, close: 0, cancel: 0, resume: 0, withdraw: 0, cancel_all: 0 };
  for (const { effect } of effects) kinds[effect] += 1;
  return kinds;
}

/** What became true, numbered without gaps. Further fields depend on `fact`; see docs/facts.md. */
export interface Fact {
  readonly seq: number;
  readonly t: number;
  readonly fact: string;
  readonly [field: string]: unknown;
}
