import Type from "typebox";
import { Amount, byId, Count, Id, maybe, nullable, oneOf, record, Text, Time, Trace } from "../primitives.ts";
import { RuleSchema } from "../rule-schema.ts";

/** What every entry of a shard's log says besides its body. */
const header = {
  t: Time,
  source: Id,
  sourceSeq: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  trace: maybe(Trace),
};

const entry = <const K extends string, const P extends Type.TProperties>(kind: K, body: P) =>
  record({ k: oneOf(kind), ...header, ...body });

const Side = oneOf("buy", "sell");
const Quality = oneOf("good", "stale", "disputed", "invalid");
/** Effect ids are made by the engine: log position, saga, step. */
export const EffectId = Type.String({ pattern: "^[A-Za-z0-9_-]{1,96}$", title: "id" });

const Approval = record({ request: Id, epoch: Count, until: Time });
const Fill = record({ qty: Amount, price: Amount, trade: maybe(Id) });
const Used = record({ source: Id, price: Amount, ageMs: Count, weight: Amount });
const PriceInput = record({
  price: nullable(Amount),
  used: Type.Array(Used, { maxItems: 64 }),
  dropped: Type.Array(record({ source: Id, reason: Text }), { maxItems: 64 }),
});

/** Every kind of entry a live log may hold; `trade` and `position`, which need no counterparty, stay in scenario files. */
export const liveEntrySchemas = {
  frame: entry("frame", {
    index: maybe(byId(Amount)),
    mark: maybe(byId(Amount)),
    quality: maybe(byId(Quality)),
    depth: maybe(byId(Amount)),
    haircut: maybe(byId(record({ initial: Amount, maintenance: Amount }))),
    inputs: maybe(byId(PriceInput)),
  }),
  cash: entry("cash", { account: Id, asset: Id, amount: Amount }),
  fund: entry("fund", { asset: Id, amount: Amount }),
  house: entry("house", { asset: Id, amount: Amount }),
  transfer: entry("transfer", { from: Id, to: Id, asset: Id, amount: Amount }),
  mode: entry("mode", {
    account: Id,
    instrument: Id,
    mode: maybe(oneOf("cross", "isolated")),
    leverage: maybe(Amount),
  }),
  order: entry("order", {
    account: Id,
    id: Id,
    instrument: Id,
    side: Side,
    qty: Amount,
    price: maybe(Amount),
    reduceOnly: maybe(Type.Boolean()),
    stop: maybe(Amount),
    key: maybe(Id),
    approval: maybe(Approval),
  }),
  cancel: entry("cancel", { account: Id, id: Id, request: maybe(Id) }),
  fill: entry("fill", {
    trade: Id,
    account: Id,
    instrument: Id,
    side: Side,
    qty: Amount,
    price: Amount,
    liquidity: oneOf("maker", "taker"),
    order: Id,
    request: maybe(Id),
  }),
  attest: entry("attest", {
    from: Count,
    to: Count,
    positions: Type.Array(Type.Tuple([Id, Id, Amount]), { maxItems: 10_000 }),
    facts: maybe(Count),
  }),
  margin: entry("margin", { account: Id, instrument: Id, amount: Amount }),
  funding: entry("funding", { instrument: Id, rate: Amount }),
  settle: entry("settle", { instrument: Id }),
  convert: entry("convert", { account: Id }),
  rules: entry("rules", { document: RuleSchema, base: maybe(Count) }),
  halt: entry("halt", {
    scope: oneOf("global", "instrument", "account", "entity"),
    id: maybe(Id),
    state: oneOf("normal", "reduce_only", "no_new_orders", "cancel_all", "paused"),
    reason: Text,
  }),
  deleverage: entry("deleverage", { account: Id, instrument: Id, qty: Amount }),
  expire: entry("expire", { instrument: Id, price: Amount }),
  session: entry("session", { session: oneOf("day", "week"), start: Time }),
  time: entry("time", {
    lag: maybe(record({ commitMs: Count, engineMs: Count })),
    errors: maybe(byId(Amount)),
  }),
  blocked: entry("blocked", { effect: EffectId }),
  withdrawn: entry("withdrawn", { effect: EffectId }),
  cancelled: entry("cancelled", { effect: EffectId, orders: Count }),
  resumed: entry("resumed", { effect: EffectId }),
  closed: entry("closed", {
    effect: EffectId,
    fills: Type.Array(Fill, { maxItems: 10_000 }),
    exhausted: Type.Boolean(),
  }),
} as const;

export type LiveKind = keyof typeof liveEntrySchemas;

/** Entries of the matching engine: one that cannot be read is money that is lost, so it stops the shard. */
export const venueKinds: ReadonlySet<string> = new Set([
  "order",
  "cancel",
  "fill",
  "attest",
  "blocked",
  "withdrawn",
  "cancelled",
  "closed",
]);
