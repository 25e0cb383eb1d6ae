import type { Problem } from "#libs/domain/rule-set/documents.ts";
import type { TSchema } from "typebox";
import type { Entry } from "../log.ts";
import { record } from "../primitives.ts";
import type { ProblemList } from "../problems.ts";
import { shown } from "../problems.ts";
import { DryRunRequest } from "./dry-run.ts";
import type { LiveKind } from "./entries.ts";
import { liveEntrySchemas } from "./entries.ts";
import { checkLiveEntry } from "./entry-meaning.ts";
import { LimitsRequest } from "./limits.ts";
import { AccountRequest, ReconcileRequest, StatusRequest } from "./margin.ts";
import { notNegative, positive, tell, trader } from "./meaning.ts";
import type { OrderTerms } from "./pre-trade.ts";
import { AmendRequest, BatchRequest, CancelRequest, CheckRequest, WhatIfRequest } from "./pre-trade.ts";
import { BookPrice, Epoch, Quote } from "./prices.ts";
import { Takeover, TakeoverReply } from "./provider.ts";
import type { Border, Message, Reading } from "./reading.ts";
import { readMessage, readRaw } from "./reading.ts";
import type { VenueCommand } from "./venue.ts";
import {
  AmendOrder,
  CancelAll,
  CancelOrder,
  Handshake,
  PlaceOrder,
  Resend,
  resendMax,
  VenueCommandSchema,
} from "./venue.ts";

export type { Message, Reading } from "./reading.ts";

/** Largest message of each border, bytes. JetStream's own limit is 1 MiB. */
export const sizeLimits = {
  entry: 1024 * 1024,
  price: 4 * 1024,
  question: 64 * 1024,
  batch: 1024 * 1024,
  command: 64 * 1024,
  trading: 4 * 1024,
} as const;

export type LiveEntry = Extract<Entry, { k: LiveKind }> & { readonly source: string; readonly sourceSeq: number };

export type EntryReading =
  | { readonly ok: true; readonly entry: LiveEntry }
  | {
      readonly ok: false;
      /** Of the subject where one was given, since that is what its sender may publish on; else what the entry says it is. */
      readonly kind: string;
      /** As far as they can be read. */
      readonly source?: string;
      readonly sourceSeq?: number;
      readonly problems: readonly Problem[];
    };

type Loose = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isId = (value: unknown): value is string => typeof value === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(value);

const kinds: Readonly<Record<string, TSchema>> = liveEntrySchemas;
const kindNames = Object.keys(kinds).join(", ");

function entrySchema(value: unknown, problems?: ProblemList): TSchema | undefined {
  if (!isObject(value)) {
    if (problems !== undefined) tell(problems, "wrong_type", value, "an object");
    return undefined;
  }
  const kind = Object.hasOwn(value, "k") ? value["k"] : undefined;
  if (typeof kind === "string" && Object.hasOwn(kinds, kind)) return kinds[kind];
  if (problems === undefined) return undefined;
  if (kind === undefined) problems.add("$.k", "missing_key", "the key k is missing");
  else tell(problems, typeof kind === "string" ? "unknown_kind" : "wrong_type", kind, `one of ${kindNames}`, "k");
  return undefined;
}

const entryBorder: Border = {
  sizeMax: sizeLimits.entry,
  schemaOf: entrySchema,
  mean: checkLiveEntry,
};

/** The last token of `risk.log.<shard>.<kind>`. */
const kindOfSubject = (subject: string): string => subject.slice(subject.lastIndexOf(".") + 1);

/**
 * Reads one entry of a live log. `subject`: where it was published; an entry of another kind than its subject's is refused,
 * because who may say what is decided by subject. Never throws, whatever the message.
 */
export function readLiveEntry(message: Message, subject?: string): EntryReading {
  const { value, problems } = readRaw(message, entryBorder);
  const published = subject === undefined ? undefined : kindOfSubject(subject);
  const said = isObject(value) && Object.hasOwn(value, "k") ? value["k"] : undefined;
  if (problems.length === 0 && (published === undefined || said === published))
    return { ok: true, entry: value as LiveEntry };
  const found = [...problems];
  if (typeof said === "string" && published !== undefined && said !== published) {
    const bound = `${published}, as its subject says`;
    const message = `expected ${bound}, found ${shown(said)}`;
    found.push({ path: "$.k", code: "not_permitted", message, value: shown(said), bound });
  }
  const { source, sourceSeq } = isObject(value) ? value : {};
  return {
    ok: false,
    kind: published ?? (isId(said) ? said : "unknown"),
    ...(isId(source) && { source }),
    ...(Number.isSafeInteger(sourceSeq) && (sourceSeq as number) > 0 && { sourceSeq: sourceSeq as number }),
    problems: found,
  };
}

const border = <T>(
  schema: TSchema,
  sizeMax: number,
  mean?: (value: T, problems: ProblemList) => void,
): ((message: Message) => Reading<T>) => {
  const one: Border = { sizeMax, schemaOf: () => schema, ...(mean && { mean }) };
  return (message) => readMessage<T>(message, one);
};

/** A quote may be of any price, since a source may say anything: the index drops what is not positive. */
export const readQuote = border<Quote>(Quote, sizeLimits.price, ({ size }, problems) =>
  notNegative(problems, size, "size"),
);
export const readBookPrice = border<BookPrice>(BookPrice, sizeLimits.price, ({ price, depth }, problems) => {
  positive(problems, price, "price");
  if (depth !== undefined) notNegative(problems, depth, "depth");
});
export const readEpoch = border<{ readonly shard: string; readonly epoch: number }>(Epoch, sizeLimits.price);

function checkTerms(terms: OrderTerms, problems: ProblemList, ...steps: (string | number)[]): void {
  positive(problems, terms.qty, ...steps, "qty");
  positive(problems, terms.price, ...steps, "price");
  positive(problems, terms.stop, ...steps, "stop");
}

function checkAmend(request: Pick<AmendRequest, "qty" | "price" | "stop">, problems: ProblemList): void {
  positive(problems, request.qty, "qty");
  positive(problems, request.price, "price");
  positive(problems, request.stop, "stop");
  if (request.qty === undefined && request.price === undefined)
    tell(problems, "missing_key", "neither", "a quantity or a price", "qty");
}

function checkBatch({ orders }: BatchRequest, problems: ProblemList): void {
  const seen = new Set<string>();
  for (const [at, { account, order }] of orders.entries()) {
    if (problems.full) return;
    checkTerms(order, problems, "orders", at, "order");
    const key = `${account}/${order.id}`;
    if (seen.has(key)) tell(problems, "duplicate_id", order.id, "each order once", "orders", at, "order", "id");
    seen.add(key);
  }
}

function checkWhatIf(request: WhatIfRequest, problems: ProblemList): void {
  if (request.order !== undefined) checkTerms(request.order, problems, "order");
  for (const [id, price] of Object.entries(request.index ?? {})) positive(problems, price, "index", id);
  for (const [id, price] of Object.entries(request.mark ?? {})) positive(problems, price, "mark", id);
}

export const readCheck = border<CheckRequest>(CheckRequest, sizeLimits.question, ({ order }, problems) =>
  checkTerms(order, problems, "order"),
);
export const readAmend = border<AmendRequest>(AmendRequest, sizeLimits.question, checkAmend);
export const readCancel = border<CancelRequest>(CancelRequest, sizeLimits.question);
export const readBatch = border<BatchRequest>(BatchRequest, sizeLimits.batch, checkBatch);
export const readWhatIf = border<WhatIfRequest>(WhatIfRequest, sizeLimits.question, checkWhatIf);

const Nothing = record({});
const orNothing = <T>(read: (message: Message) => Reading<T>): ((message: Message) => Reading<T>) => {
  return (message) => read(message.length === 0 ? "{}" : message);
};
/** A question without content may also come without a body. */
export const readStatusRequest = orNothing(border<StatusRequest>(StatusRequest, sizeLimits.question));
export const readNothing = orNothing(border<Record<string, never>>(Nothing, sizeLimits.question));
export const readAccountRequest = border<{ readonly account: string }>(AccountRequest, sizeLimits.question);
/** Either whole rules or a change of those in force. */
function checkDryRun({ document, set }: DryRunRequest, problems: ProblemList): void {
  if (document === undefined && set === undefined) tell(problems, "missing_key", "nothing", "document or set");
  if (document !== undefined && set !== undefined) tell(problems, "unknown_key", "both", "document or set", "set");
}
export const readDryRunRequest = border<DryRunRequest>(DryRunRequest, sizeLimits.entry, checkDryRun);
export const readLimitsRequest = orNothing(border<LimitsRequest>(LimitsRequest, sizeLimits.question));
export const readReconcileRequest = orNothing(border<ReconcileRequest>(ReconcileRequest, sizeLimits.question));

function checkCommand({ effect }: VenueCommand, problems: ProblemList): void {
  if (effect.effect !== "close") return;
  positive(problems, effect.qty, "effect", "qty");
  positive(problems, effect.depthShare ?? undefined, "effect", "depthShare");
  if (effect.backing !== null) notNegative(problems, effect.backing.budget, "effect", "backing", "budget");
}

export const readVenueCommand = border<VenueCommand>(VenueCommandSchema, sizeLimits.command, checkCommand);
/** The border of a provider, and ours for its answer. */
export const readTakeover = border<Takeover>(Takeover, sizeLimits.command);
export const readTakeoverReply = border<TakeoverReply>(TakeoverReply, sizeLimits.command);
export const readHandshake = border<Handshake>(Handshake, sizeLimits.command);
export const readResend = border<Resend>(Resend, sizeLimits.command, ({ from, to }, problems) => {
  if (to < from) tell(problems, "not_ascending", to, `at least ${from}`, "to");
  if (to - from >= resendMax) tell(problems, "too_many", to - from + 1, `at most ${resendMax} entries`, "to");
});

export const readPlaceOrder = border<PlaceOrder>(PlaceOrder, sizeLimits.trading, (order, problems) => {
  trader(problems, order.account, "account");
  positive(problems, order.qty, "qty");
  positive(problems, order.price, "price");
  positive(problems, order.stop, "stop");
  // A market order fills or goes: one that would rest has no price to rest at.
  if (order.price === undefined && order.ioc === false) tell(problems, "not_permitted", false, "true or absent", "ioc");
});
export const readAmendOrder = border<AmendOrder>(AmendOrder, sizeLimits.trading, checkAmend);
export const readCancelOrder = border<CancelOrder>(CancelOrder, sizeLimits.trading);
export const readCancelAll = border<CancelAll>(CancelAll, sizeLimits.trading);
