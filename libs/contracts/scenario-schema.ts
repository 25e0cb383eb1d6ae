import Type from "typebox";
import type { ScenarioEntry, ScenarioKind } from "./scenario-entries.ts";
import { Amount, byId, Id, maybe, oneOf, record, Time } from "./primitives.ts";

const Quality = oneOf("good", "stale", "disputed", "invalid");
const Side = oneOf("buy", "sell");
const Level = Type.Tuple([Amount, Amount]);
const Levels = Type.Array(Level, { maxItems: 100_000 });
/** For people: no control characters and no halves of characters, so that a log line stays a line of text. */
const reasonPattern = "^(?:[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]|[\\ud800-\\udbff][\\udc00-\\udfff]){0,200}$";
const Reason = Type.String({ pattern: reasonPattern, title: "text" });

const head = <const K extends string>(k: K) => ({ t: Time, k: Type.Literal(k) });

/** One schema per kind of entry, as written in a file. */
export const entrySchemas = {
  index: record({ ...head("index"), asset: Id, price: Amount }),
  quote: record({ ...head("quote"), asset: Id, source: Id, price: Amount }),
  mark: record({ ...head("mark"), instrument: Id, price: Amount }),
  frame: record({
    ...head("frame"),
    index: maybe(byId(Amount)),
    mark: maybe(byId(Amount)),
    quality: maybe(byId(Quality)),
    depth: maybe(byId(Amount)),
  }),
  quality: record({ ...head("quality"), id: Id, quality: Quality }),
  fund: record({ ...head("fund"), asset: Id, amount: Amount }),
  house: record({ ...head("house"), asset: Id, amount: Amount }),
  cash: record({ ...head("cash"), account: Id, asset: Id, amount: Amount }),
  transfer: record({ ...head("transfer"), from: Id, to: Id, asset: Id, amount: Amount }),
  mode: record({
    ...head("mode"),
    account: Id,
    instrument: Id,
    mode: maybe(oneOf("cross", "isolated")),
    leverage: maybe(Amount),
  }),
  order: record({
    ...head("order"),
    account: Id,
    id: Id,
    instrument: Id,
    side: Side,
    qty: Amount,
    price: maybe(Amount),
    reduceOnly: maybe(Type.Boolean()),
    stop: maybe(Amount),
    key: maybe(Id),
  }),
  cancel: record({ ...head("cancel"), account: Id, id: Id }),
  trade: record({
    ...head("trade"),
    instrument: Id,
    buyer: Id,
    seller: Id,
    qty: Amount,
    price: Amount,
    taker: maybe(Side),
    fees: maybe(Type.Boolean()),
    buyOrder: maybe(Id),
    sellOrder: maybe(Id),
  }),
  position: record({ ...head("position"), account: Id, instrument: Id, qty: Amount, entry: Amount }),
  margin: record({ ...head("margin"), account: Id, instrument: Id, amount: Amount }),
  depth: record({ ...head("depth"), instrument: Id, bids: maybe(Levels), asks: maybe(Levels) }),
  funding: record({ ...head("funding"), instrument: Id, rate: Amount }),
  convert: record({ ...head("convert"), account: Id }),
  rules: record({ ...head("rules"), set: Type.Object({}) }),
  halt: record({
    ...head("halt"),
    scope: oneOf("global", "instrument", "account", "entity"),
    id: maybe(Id),
    state: oneOf("normal", "reduce_only", "no_new_orders", "cancel_all", "paused"),
    reason: maybe(Reason),
  }),
  time: record({ ...head("time") }),
  expire: record({ ...head("expire"), instrument: Id, price: Amount }),
} as const;

/** One schema per question of an `ask` entry. */
export const askSchemas = {
  account: record({ ...head("ask"), what: Type.Literal("account"), account: Id, alone: maybe(Type.Boolean()) }),
  exchange: record({ ...head("ask"), what: Type.Literal("exchange") }),
  alloc: record({
    ...head("ask"),
    what: Type.Literal("alloc"),
    instrument: Id,
    side: oneOf("long", "short"),
    qty: Amount,
    policy: maybe(oneOf("queue", "pro-rata", "hedge-aware", "hedge-aware-pro-rata")),
  }),
  reduce: record({ ...head("ask"), what: Type.Literal("reduce"), account: Id }),
} as const;

type Written = {
  readonly [K in keyof typeof entrySchemas]: Type.Static<(typeof entrySchemas)[K]>;
};
type Asked = { readonly [K in keyof typeof askSchemas]: Type.Static<(typeof askSchemas)[K]> };

/** An entry as a file may hold it, once its shape is known to be right. */
export type WrittenEntry = Written[keyof Written] | Asked[keyof Asked];

type Same<Left, Right> = [Left] extends [Right] ? ([Right] extends [Left] ? true : never) : never;
/** Does not compile when a kind of entry has no schema, or a schema no kind. */
export const everyKindHasASchema: Same<ScenarioKind, WrittenEntry["k"]> = true;
/** Kinds whose written form is the entry itself; `rules`, `halt` and `depth` are completed on reading. */
type Unchanged = Exclude<WrittenEntry, { k: "rules" | "halt" | "depth" }>;
export const writtenEntriesFit: [Unchanged] extends [ScenarioEntry] ? true : never = true;
