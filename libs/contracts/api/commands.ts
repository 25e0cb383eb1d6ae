import Type, { type Static } from "typebox";
import { hierarchySchemas } from "../limit-schema.ts";
import { entityAccountsMax, reasonPattern } from "../patterns.ts";
import { Amount, Count, Id, maybe, nullable, oneOf, record, Text, Time } from "../primitives.ts";
import { RuleSchema } from "../rule-schema.ts";

/** Why somebody does something. */
export const Reason = Type.String({ pattern: reasonPattern.source, title: "text" });
/** SHA-256, hex. */
export const Hash = Type.String({ pattern: "^[0-9a-f]{64}$", title: "hash" });
/** Sagas have ids of the engine's. */
const SagaId = Type.String({ pattern: "^[A-Za-z0-9_-]{1,96}$", title: "id" });

/** Of a proposal that accounts are one owner's: the same while the same accounts are proposed to the same entities. */
export const ProposalId = Type.String({ pattern: "^[0-9a-f]{32}$", title: "proposal" });

/** What an operator may ask for. `base`: the version of the rules it was thought out against; with another in force it is refused. */
export const commandPayloads = {
  /** `normal` releases, everything else halts. Without `id` for the global scope alone. */
  halt: record({
    scope: oneOf("global", "instrument", "account", "entity"),
    id: maybe(Id),
    state: oneOf("normal", "reduce_only", "no_new_orders", "cancel_all", "paused"),
  }),
  /** Stricter margins and thresholds until a time of the market's clock: BRK-24. */
  emergency: record({
    instrument: maybe(Id),
    marginFactor: maybe(Amount),
    partialAt: maybe(Amount),
    fullAt: maybe(Amount),
    until: Time,
  }),
  /** A limit for a time: LIM-07. `value` null lifts it. */
  limit: record({
    level: oneOf("exchange", "instrument", "tier", "entity", "account", "key"),
    of: maybe(Id),
    account: maybe(Id),
    instrument: maybe(Id),
    limit: (hierarchySchemas.overrides as unknown as { items: { properties: { limit: Type.TSchema } } }).items
      .properties.limit as Type.TEnum<string[]>,
    value: nullable(Amount),
    until: Time,
  }),
  /** Whole rules, or a change of those in force. */
  rules: record({
    base: Count,
    document: maybe(RuleSchema),
    set: maybe(Type.Unsafe<Readonly<Record<string, unknown>>>({ type: "object" })),
  }),
  /** The rules of a version that was in force before. */
  rollback: record({ base: Count, version: Count }),
  /** Accounts become those of an entity, beside those that it has. `proposal`: the detector's, which has them all. */
  entity: record({
    entity: Id,
    accounts: Type.Array(Id, { minItems: 1, maxItems: entityAccountsMax }),
    proposal: maybe(ProposalId),
  }),
  /** Tops a fund up, or, negative, draws it down. */
  fund: record({ fund: oneOf("insurance", "house"), asset: Id, amount: Amount, shard: maybe(Id) }),
  /** Cash of an account: what the outside has brought, or, negative, taken. */
  adjust: record({ account: Id, asset: Id, amount: Amount }),
  transfer: record({ from: Id, to: Id, asset: Id, amount: Amount }),
  /** Trading stops for good and positions settle at this price. */
  settle: record({ instrument: Id, price: Amount }),
  /** Contracts of a position that are closed at its mark against the head of the queue: ADL-19. */
  deleverage: record({ account: Id, instrument: Id, qty: Amount }),
  /** A liquidation stops at the next edge of a step, with its account paused, or goes on. */
  saga: record({ shard: Id, saga: SagaId, action: oneOf("park", "resume") }),
} as const;

export type Operation = keyof typeof commandPayloads;
export const operations = Object.keys(commandPayloads) as readonly Operation[];
export type Payload<O extends Operation> = Static<(typeof commandPayloads)[O]>;

/** `dryRun`: the run of this very payload (docs/api.md); `urgent`: without one, which the audit shows. */
const about = {
  reason: Reason,
  ticket: maybe(Text),
  dryRun: maybe(Id),
  urgent: maybe(Type.Boolean()),
};

export const commandBodies = Object.fromEntries(
  operations.map((operation) => [operation, record({ ...commandPayloads[operation].properties, ...about })]),
) as unknown as { readonly [O in Operation]: ReturnType<typeof record> };

/** Operations that change the rules, and so are tried on the live book first. */
export const ruleOperations = ["emergency", "limit", "rules", "rollback", "entity"] as const;
export type RuleOperation = (typeof ruleOperations)[number];

/** `run`: an id of the asker's; the same again asks for the same run. */
export const DryRunBody = record({
  run: Id,
  operation: oneOf(...ruleOperations),
  payload: Type.Unsafe<Readonly<Record<string, unknown>>>({ type: "object" }),
  accounts: maybe(Type.Integer({ minimum: 1, maximum: 1000 })),
});

/** A second person's word. `payloadHash`: as they saw it; another one is refused. */
export const ApprovalBody = record({ payloadHash: Hash, reason: Reason });
export const RefusalBody = record({ reason: Reason });

/**
 * `proposed`: waits for a second person. `pending`: in the log or on its way there. `applied`, `refused`: by the engine. `rejected`,
 * `cancelled`, `expired`: never executed. `invalid`: could not be executed when it was approved.
 */
export const commandStates = [
  "proposed",
  "pending",
  "applied",
  "refused",
  "rejected",
  "cancelled",
  "expired",
  "invalid",
] as const;
export type CommandState = (typeof commandStates)[number];

const AppliedFact = Type.Object({ seq: Count, t: Time, fact: Type.String() });

export const CommandView = record({
  id: Id,
  operation: oneOf(...operations),
  payload: Type.Unsafe<unknown>({}),
  /** SHA-256 of operation and payload in canonical JSON. */
  payloadHash: Hash,
  reason: Type.String(),
  ticket: nullable(Type.String()),
  state: oneOf(...commandStates),
  /** Why it needs a second person; null: it does not. */
  secondPerson: nullable(Type.String()),
  /** Why it was not executed, where it was not. */
  why: nullable(Type.String()),
  proposer: Type.String(),
  approver: nullable(Type.String()),
  /** UTC ms, the database's clock. */
  createdAt: Time,
  /** When a proposal ends that nobody has approved; null: it needs none. */
  expiresAt: nullable(Time),
  decidedAt: nullable(Time),
  dryRun: nullable(Id),
  urgent: Type.Boolean(),
  entries: Type.Array(record({ shard: Id, sourceSeq: Count })),
  /** What became true by it, of each shard. */
  facts: Type.Array(record({ shard: Id, logSeq: Count, facts: Type.Array(AppliedFact) })),
});
export type CommandView = Static<typeof CommandView>;
