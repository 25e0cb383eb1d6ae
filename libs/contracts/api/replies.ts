import Type, { type Static } from "typebox";
import { Amount, byId, Count, Id, maybe, nullable, oneOf, record, Time } from "../primitives.ts";
import { DryRunReplySchema } from "../live/dry-run.ts";
import { Alert } from "../stream/alerts.ts";
import { CommandView, Hash, ProposalId } from "./commands.ts";

/** Every refusal. `problems`: of what was sent, each with path, value and bound. */
export const ErrorReply = record({
  error: record({
    code: Type.String(),
    reason: Type.String(),
    retryAfterMs: maybe(Count),
    problems: maybe(
      Type.Array(
        record({
          path: Type.String(),
          code: Type.String(),
          message: Type.String(),
          value: maybe(Type.String()),
          bound: maybe(Type.String()),
        }),
      ),
    ),
  }),
});
export type ErrorReply = Static<typeof ErrorReply>;

export const TimeReply = record({ t: Time, marketT: Time });
export const MeReply = record({
  id: Type.String(),
  roles: Type.Array(Type.String()),
  owner: nullable(Id),
  expiresAt: Time,
  /** What these credentials allow: names of the table of rights. */
  rights: Type.Array(Type.String()),
  /** Where the streams are; null: this deployment does not say. */
  streamsUrl: nullable(Type.String()),
});

/** Rows of answers whose fields are documented where they come from. */
const open = (description: string) => Type.Object({}, { description });
const Fact = Type.Object({ seq: Count, t: Time, fact: Type.String() });
const Next = nullable(Count);

export const InstrumentsReply = record({
  ruleVersion: Count,
  instruments: Type.Array(open("As in the rule set: id, kind, base, quote, settle, index, tick, lot, tiers, fees.")),
});
export const AccountsReply = record({
  accounts: Type.Array(record({ account: Id, owner: Id, shard: Id })),
  next: nullable(Type.String()),
});
/** The engine's answer (docs/integration.md) and the position in the log that it is of. */
export const AccountReply = record({
  shard: Id,
  logSeq: Count,
  owner: Type.String(),
  /** Age of the oldest mark behind its numbers, ms; null: no frame was seen yet. */
  markAgeMs: nullable(Count),
  account: open("Equity, requirement, ratio, cash, collateral, positions, orders: docs/scenario.md, `ask`."),
});
export const FactsReply = record({ facts: Type.Array(Fact), before: Next });
export const FillsReply = record({
  fills: Type.Array(
    record({
      seq: Count,
      t: Time,
      instrument: Id,
      side: oneOf("buy", "sell"),
      qty: Amount,
      price: Amount,
      realised: maybe(Amount),
      order: maybe(Id),
      reason: maybe(Type.String()),
    }),
  ),
  before: Next,
});
export const LedgerReply = record({
  legs: Type.Array(
    record({
      entry: Count,
      t: Time,
      kind: Type.String(),
      asset: Id,
      leg: oneOf("cash", "margin", "cost", "accrued"),
      instrument: nullable(Id),
      amount: Amount,
    }),
  ),
  before: Next,
});
export const MarginHistoryReply = record({
  points: Type.Array(
    record({
      seq: Count,
      t: Time,
      instrument: nullable(Id),
      ratio: nullable(Amount),
      equity: nullable(Amount),
      mm: nullable(Amount),
      fact: Type.String(),
    }),
  ),
  before: Next,
});
export const ReceiptReply = record({
  seq: nullable(Count),
  receipt: open("libs/domain/receipts/types.ts, `Receipt`."),
});
export const DecisionReply = record({
  request: Id,
  decision: oneOf("accept", "reject"),
  codes: Type.Array(Id),
  t: Time,
  logSeq: Count,
  frame: Count,
  ruleVersion: Count,
  body: open("Question, answer and what was read of the overlay."),
  receipts: Type.Array(nullable(open("libs/domain/receipts/types.ts, `Receipt`."))),
});
export const WhatIfReply = open("Health and liquidation prices before and after: docs/integration.md.");

export const ExchangeReply = record({
  shards: byId(record({ logSeq: Count, exchange: open("Funds, open interest, halts, queues, liquidations.") })),
});
export const ShardsReply = record({ shards: byId(nullable(open("libs/contracts/live/margin.ts, `ShardStatus`."))) });
export const HaltsReply = record({
  halts: Type.Array(
    record({
      shard: Id,
      scope: Type.String(),
      id: Type.String(),
      state: Type.String(),
      reason: Type.String(),
      manual: Type.Boolean(),
      since: Time,
      until: nullable(Time),
    }),
  ),
});
/** Of one asset, in its units. Notional is at the prices of the trades, in the settle asset. */
const SagaMoney = record({
  asset: Id,
  /** Closed on the book and with backup providers. */
  closedNotional: Amount,
  /** Closed against other positions by ADL. */
  deleveragedNotional: Amount,
  /** Of what was closed on the book and with providers, before fees. */
  realised: Amount,
  /** Charged at the end, on what stage 3 closed; the taker fee of stage 2 is part of its fills in the ledger. */
  takerFee: Amount,
  /** What the insurance fund has had of it. */
  liquidationFee: Amount,
  /** What the insurance fund has paid for it. */
  fundPaid: Amount,
  /** Bad debt that winners have borne, and that nobody has. */
  lossShared: Amount,
  debtParked: Amount,
});
export type SagaMoney = Static<typeof SagaMoney>;
export const sagaOutcomes = ["released", "reduced", "closed"] as const;
const SagaOutcome = record({
  /** `released`: nothing was closed; `reduced`: a part, and the pool is healthy again; `closed`: every position. */
  outcome: oneOf(...sagaOutcomes),
  /** The last stage that it entered, 1 to 7. */
  stage: Count,
  endedAt: Time,
  /** The fact that says so. */
  seq: Count,
  /** What the funds have paid for it, USD at the index of each payment. */
  fundUsd: Amount,
  money: Type.Array(SagaMoney),
});
export type SagaOutcome = Static<typeof SagaOutcome>;
const Saga = record({
  shard: Id,
  id: Type.String(),
  account: Id,
  instrument: nullable(Id),
  state: Type.String(),
  stage: Count,
  step: Count,
  startedAt: Time,
  ended: Type.Boolean(),
  /** null: it runs. */
  outcome: nullable(SagaOutcome),
});
/** `before`: where the next page begins; null: this is the last. */
export const SagasReply = record({ sagas: Type.Array(Saga), before: nullable(Type.String()) });
export const SagaReply = record({
  saga: Saga,
  body: open("The saga as the engine keeps it."),
  facts: Type.Array(Fact),
});
export const RulesReply = record({ versions: Type.Array(record({ version: Count, t: Time })) });
export const RuleVersionReply = record({ version: Count, t: Time, document: open("libs/contracts/rule-schema.ts") });
export const DiffReply = record({
  from: Count,
  to: Count,
  changes: Type.Array(
    record({ path: Type.String(), before: maybe(Type.Unsafe<unknown>({})), after: maybe(Type.Unsafe<unknown>({})) }),
  ),
  /** More than are listed. */
  dropped: Count,
});
export const EntityProposalsReply = record({
  proposals: Type.Array(
    record({
      id: ProposalId,
      accounts: Type.Array(Id),
      score: Amount,
      /** SHA-256 of the proposal with everything that speaks for it. */
      evidenceHash: Hash,
      entities: Type.Array(Id),
      links: Type.Array(
        record({ accounts: Type.Array(Id), score: Amount, evidence: Type.Array(open("What they share.")) }),
      ),
    }),
  ),
  dropped: Count,
});
export const CommandsReply = record({ commands: Type.Array(CommandView), before: nullable(Type.String()) });
/** `done`: on every shard; else ask again with the same `run`. `reply`: of the first shard that is not done, else of the first. */
export const DryRunApiReply = record({
  payloadHash: Hash,
  ruleVersion: Count,
  done: Type.Boolean(),
  reply: DryRunReplySchema,
  shards: byId(DryRunReplySchema),
});
export const AlertsReply = record({ alerts: Type.Array(Alert) });
export const AuditReply = record({
  records: Type.Array(
    record({
      seq: Count,
      at: Time,
      actor: Type.String(),
      action: Type.String(),
      detail: Type.Unsafe<unknown>({}),
      hash: Hash,
    }),
  ),
  next: Count,
});
export const AuditVerifyReply = record({
  holds: Type.Boolean(),
  why: nullable(Type.String()),
  seq: Count,
  hash: nullable(Hash),
});
export const ReconciliationsReply = record({ runs: Type.Array(open("What was compared, when, and what differed.")) });
const Key = record({
  id: Id,
  subject: Type.String(),
  owner: nullable(Id),
  roles: Type.Array(Type.String()),
  label: Type.String(),
  createdAt: Time,
  expiresAt: nullable(Time),
  revokedAt: nullable(Time),
});
export const KeysReply = record({ keys: Type.Array(Key), next: nullable(Type.String()) });
/** The secret is told once and kept nowhere. */
export const NewKeyReply = record({ key: Id, secret: Type.String() });
export const NewKeyBody = record({
  subject: Type.String({ pattern: "^[A-Za-z0-9_.@-]{1,64}$", title: "id" }),
  role: oneOf("trader", "viewer"),
  owner: maybe(Id),
  label: Type.String({ pattern: "^[^\\p{Cc}\\p{Cf}\\p{Cs}]{0,200}$", title: "text" }),
  days: Type.Integer({ minimum: 1, maximum: 366 }),
});
