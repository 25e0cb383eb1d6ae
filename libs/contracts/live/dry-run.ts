import Type, { type Static } from "typebox";
import type { Problem } from "#libs/domain/rule-set/documents.ts";
import { Amount, byId, Count, Id, maybe, nullable, oneOf, record } from "../primitives.ts";
import { RuleSchema } from "../rule-schema.ts";

/** Accounts that an answer names at most, and where the question does not say. */
export const dryRunAccountsMax = 1000;
export const dryRunAccountsDefault = 100;

/**
 * What would these rules do to the book as it stands? `run`: an id of the asker's; the same one again asks for the same run, whose
 * answer may take a while. Either `document` stands for the rules or `set` is laid over those in force.
 */
export const DryRunRequest = record({
  run: Id,
  document: maybe(RuleSchema),
  set: maybe(Type.Unsafe<Readonly<Record<string, unknown>>>({ type: "object" })),
  accounts: maybe(Type.Integer({ minimum: 1, maximum: dryRunAccountsMax })),
});
export type DryRunRequest = Static<typeof DryRunRequest>;

/** How far a pool is to be liquidated. */
const Stage = oneOf("none", "partial", "full");
export type DryRunStage = Static<typeof Stage>;

/** USD, of all pools of an account together: maintenance and initial equity, requirements. */
const Money = record({ equity: Amount, initialEquity: Amount, im: Amount, mm: Amount });
export type DryRunMoney = Static<typeof Money>;

const Bounds = byId(
  record({ value: Type.String(), bound: Type.String(), headroom: maybe(Type.String()), level: maybe(Type.String()) }),
);

const AccountChange = record({
  account: Id,
  outcome: oneOf("liquidated_in_full", "liquidated_in_part", "converted", "refused", "warned", "released"),
  before: Money,
  after: Money,
  /** Pools whose stage would be another; `closes`: notional at mark, USD, of a partial liquidation its first pass. */
  pools: Type.Array(record({ instrument: nullable(Id), before: Stage, after: Stage, closes: Amount })),
  /** The lowest level that would be given. */
  warnings: Type.Array(record({ instrument: nullable(Id), level: Amount })),
  /** What one more lot would be refused for, and is not today; without an instrument: margin is not enough for what is held. */
  refusals: Type.Array(
    record({ instrument: nullable(Id), side: nullable(oneOf("buy", "sell")), codes: Type.Array(Id), numbers: Bounds }),
  ),
  closesUsd: Amount,
  /** Sold for debts that would be converted by themselves and are not today, at index. */
  convertsUsd: Amount,
  /** What initial equity would lack to the initial margin. */
  initialMarginMissingUsd: Amount,
});
export type DryRunAccount = Readonly<Static<typeof AccountChange>>;

const Result = record({
  /** The entry that the copy was made after, as the engine counts, its time, its frame and the rules then in force. */
  entries: Count,
  t: Count,
  frame: Count,
  ruleVersion: Count,
  /** Of all accounts with positions, orders or debts, listed or not. */
  totals: record({
    judged: Count,
    /** A price that they need was never given. */
    unpriced: Count,
    outcomes: byId(Count),
    /** Accounts by code of refusal. */
    refusedBy: byId(Count),
    before: Money,
    after: Money,
    closesUsd: Amount,
    convertsUsd: Amount,
    /** How much more would be lacking than today. */
    initialMarginMissingUsd: Amount,
  }),
  /** From the worst; as many as were asked for. */
  accounts: Type.Array(AccountChange, { maxItems: dryRunAccountsMax }),
});
export type DryRunResult = Readonly<Static<typeof Result>>;

const DryRunProblem = record({
  path: Type.String(),
  code: Type.String(),
  message: Type.String(),
  value: maybe(Type.String()),
  bound: maybe(Type.String()),
});

/** `running`: ask again. `busy`: another run is under way. `failed`: it was given up. `seq`: position in the shard's log. */
export const DryRunReplySchema = Type.Union([
  record({ state: oneOf("running", "busy") }),
  record({ state: oneOf("failed"), why: Type.String() }),
  record({ state: oneOf("refused"), problems: Type.Array(DryRunProblem) }),
  record({ state: oneOf("done"), seq: Count, result: Result }),
]);
export type DryRunReply =
  | { readonly state: "running" | "busy" }
  | { readonly state: "failed"; readonly why: string }
  | { readonly state: "refused"; readonly problems: readonly Problem[] }
  | { readonly state: "done"; readonly seq: number; readonly result: DryRunResult };
