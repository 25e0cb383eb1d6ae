import Type, { type Static, type TSchema } from "typebox";
import type { Effect } from "../log.ts";
import { Amount, byId, Count, Id, maybe, nullable, oneOf, record, Time, Trace } from "../primitives.ts";
import { EffectId } from "./entries.ts";
import type { EffectBatch, FactBatch, ReconcileReply } from "./margin.ts";
import type { BatchDecision, Decision } from "./pre-trade.ts";
import { Basis } from "./pre-trade.ts";
import type { HandshakeReply, TradingReply, VenueReply } from "./venue.ts";
import { openOrdersMax, VenueCommandSchema } from "./venue.ts";

/** Schemas of what our own processes say: documented, and checked at their source by the types below. */
const Codes = Type.Array(Id, { maxItems: 100 });
const Numbers = Type.Record(
  Id,
  record({
    value: Type.String(),
    bound: Type.String(),
    headroom: maybe(Type.String()),
    level: maybe(Type.String()),
  }),
);
const Verdict = { decision: oneOf("accept", "reject"), codes: Codes, numbers: Numbers, shadow: maybe(Codes) };
const Until = { expiresAt: Time, ttlMs: Count };

export const DecisionSchema = record({ request: Id, ...Verdict, ...Basis, ...Until });
export const BatchDecisionSchema = record({
  request: Id,
  decision: Verdict.decision,
  ...Basis,
  ...Until,
  results: Type.Array(record(Verdict)),
});

/** Fields beyond these depend on `fact`: docs/facts.md. */
export const FactSchema = Type.Object({ seq: Count, t: Time, fact: Type.String(), trace: maybe(Trace) });
export const FactBatchSchema = record({
  shard: Id,
  epoch: Count,
  appliedSeq: Count,
  from: Count,
  to: Count,
  facts: Type.Array(FactSchema),
});

const Resume = record({ id: EffectId, effect: oneOf("resume"), saga: EffectId });
const branches = (VenueCommandSchema.properties.effect as { anyOf: TSchema[] }).anyOf;
export const EffectSchema = Type.Unsafe<Effect>({ anyOf: [...branches, Resume] });
export const EffectBatchSchema = record({
  shard: Id,
  epoch: Count,
  effects: Type.Array(EffectSchema),
  trace: maybe(Trace),
});

export const ReconcileReplySchema = record({
  appliedSeq: Count,
  compared: Count,
  differences: Type.Array(Type.String(), { maxItems: 100 }),
  next: nullable(Id),
});
export const VenueReplySchema = record({
  effect: EffectId,
  state: oneOf("done", "working", "stale_epoch", "refused"),
  seq: nullable(Count),
  reason: maybe(Type.String()),
});
export const HandshakeReplySchema = record({
  shard: Id,
  epoch: Count,
  lastSeq: Count,
  openOrders: Type.Array(
    record({
      account: Id,
      id: Id,
      instrument: Id,
      side: oneOf("buy", "sell"),
      qty: Amount,
      price: nullable(Amount),
      reduceOnly: Type.Boolean(),
    }),
    { maxItems: openOrdersMax },
  ),
  next: nullable(Count),
});
export const VenueStatusSchema = record({
  shards: byId(record({ lastSeq: Count, t: Time, acked: Count })),
  ruleVersion: maybe(Count),
  trades: Count,
  openOrders: Count,
  rejected: Type.Record(Type.String(), Count),
});
export const TradingReplySchema = record({
  id: Id,
  state: oneOf("resting", "filled", "partly", "cancelled", "rejected"),
  filled: Amount,
  codes: Codes,
});
/** What was refused at a border, as it came. */
export const DeadLetterSchema = Type.Object({ reason: Type.String() });
const NoticeId = Type.String({ pattern: "^[A-Za-z0-9_-]{1,200}$", title: "notice id" });
/** For the account that the subject names; the id is the message's id too, and the same wherever it is sent again. */
export const NoticeSchema = record({
  id: NoticeId,
  shard: Id,
  channel: oneOf("account", "counterparty", "takeover"),
  fact: FactSchema,
});
/** For people who operate: `detail` depends on `code`. */
export const AlarmSchema = record({
  id: NoticeId,
  shard: nullable(Id),
  code: Id,
  text: Type.String(),
  detail: Type.Unknown(),
  at: Time,
});
/** Of a shard: docs in libs/contracts/live/margin.ts. */
export const OpenReply = Type.Object({});

type Fits<Left, Right> = [Left] extends [Right] ? true : never;
/** Does not compile when a schema and its type drift apart. */
export const repliesFit: readonly true[] = [
  true satisfies Fits<Static<typeof DecisionSchema>, Decision>,
  true satisfies Fits<Static<typeof BatchDecisionSchema>, BatchDecision>,
  true satisfies Fits<Static<typeof FactBatchSchema>, Omit<FactBatch, "facts">>,
  true satisfies Fits<Static<typeof EffectBatchSchema>, EffectBatch>,
  true satisfies Fits<Static<typeof ReconcileReplySchema>, ReconcileReply>,
  true satisfies Fits<Static<typeof VenueReplySchema>, VenueReply>,
  true satisfies Fits<Static<typeof HandshakeReplySchema>, HandshakeReply>,
  true satisfies Fits<Static<typeof TradingReplySchema>, TradingReply>,
];
