import Type, { type TSchema } from "typebox";
import { DryRunReplySchema, DryRunRequest } from "./live/dry-run.ts";
import { liveEntrySchemas, venueKinds } from "./live/entries.ts";
import { LimitsReplySchema, LimitsRequest } from "./live/limits.ts";
import { AccountRequest, ReconcileRequest, StatusRequest } from "./live/margin.ts";
import { AmendRequest, BatchRequest, CancelRequest, CheckRequest, WhatIfRequest } from "./live/pre-trade.ts";
import { BookPrice, Committed, Epoch, Quote } from "./live/prices.ts";
import { Takeover, TakeoverReply } from "./live/provider.ts";
import { Alert } from "./stream/alerts.ts";
import * as replies from "./live/replies.ts";
import { busNames, preTradeService } from "./live/subjects.ts";
import type { RpcVerb, TradingVerb, VenueVerb } from "./live/subjects.ts";
import { AmendOrder, CancelAll, CancelOrder, Handshake, PlaceOrder, Resend, VenueCommandSchema } from "./live/venue.ts";

/** One address: what is said there, what is answered, and whether the risk backend says it or hears it. */
interface Channel {
  readonly id: string;
  readonly address: string;
  readonly message: TSchema;
  readonly reply?: TSchema;
  /** As AsyncAPI means it: what the described application, the risk backend, does. */
  readonly action: "send" | "receive";
  readonly summary: string;
}

const { subjects } = busNames();
const shard = "{shard}";
const Empty = Type.Object({});

const pascal = (text: string): string =>
  text.replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());

const rpc: Readonly<Record<RpcVerb, readonly [message: TSchema, reply: TSchema, summary: string]>> = {
  check: [CheckRequest, replies.DecisionSchema, "May this order be placed?"],
  amend: [AmendRequest, replies.DecisionSchema, "May this resting order be changed?"],
  cancel: [CancelRequest, replies.DecisionSchema, "May this resting order be cancelled?"],
  batch: [BatchRequest, replies.BatchDecisionSchema, "May these orders be placed, judged in order?"],
  "what-if": [WhatIfRequest, replies.OpenReply, "What would margin and liquidation prices be?"],
  status: [StatusRequest, replies.OpenReply, "How is the shard?"],
  account: [AccountRequest, replies.OpenReply, "What does an account hold, and how healthy is it?"],
  exchange: [Empty, replies.OpenReply, "What does the exchange hold?"],
  reconcile: [ReconcileRequest, replies.ReconcileReplySchema, "Do memory and tables agree on the next accounts?"],
  limits: [LimitsRequest, LimitsReplySchema, "Whose limits are used how far, and how near are the breakers?"],
  "dry-run": [DryRunRequest, DryRunReplySchema, "What would these rules do to the accounts as they stand?"],
};

const venue: Readonly<Record<VenueVerb, readonly [message: TSchema, reply: TSchema, summary: string]>> = {
  command: [VenueCommandSchema, replies.VenueReplySchema, "Carry out an effect of a liquidation."],
  handshake: [Handshake, replies.HandshakeReplySchema, "A new leader of a shard presents itself."],
  resend: [Resend, replies.OpenReply, "Say these entries of your sequence again."],
  status: [Empty, replies.VenueStatusSchema, "How far is your sequence of each shard?"],
};

const trading: Readonly<Record<TradingVerb, readonly [message: TSchema, summary: string]>> = {
  place: [PlaceOrder, "Place an order at the demonstration's matching engine."],
  amend: [AmendOrder, "Change the quantity or price of an order that rests."],
  cancel: [CancelOrder, "Cancel an order."],
  "cancel-all": [CancelAll, "Cancel all orders of an account, or of one of its instruments."],
};

const entries: readonly Channel[] = Object.entries(liveEntrySchemas).map(([kind, message]) => ({
  id: `entry-${kind}`,
  address: subjects.entry(shard, kind),
  message,
  action: "receive",
  summary: venueKinds.has(kind)
    ? `An entry of kind ${kind} in a shard's log, from the matching engine.`
    : `An entry of kind ${kind} in a shard's log.`,
}));

const told: readonly Channel[] = [
  {
    id: "facts",
    address: subjects.facts(shard),
    message: replies.FactBatchSchema,
    action: "send",
    summary: "What became true, numbered without gaps.",
  },
  {
    id: "committed",
    address: subjects.committed(shard),
    message: Committed,
    action: "send",
    summary: "A batch is in the journal, with facts or without.",
  },
  {
    id: "effects",
    address: subjects.effects(shard),
    message: replies.EffectBatchSchema,
    action: "send",
    summary: "What the outside should do.",
  },
  { id: "epoch", address: subjects.epoch(shard), message: Epoch, action: "send", summary: "A shard has a new leader." },
  {
    id: "notice",
    address: subjects.notice("{account}"),
    message: replies.NoticeSchema,
    action: "send",
    summary: "A notice for one account, at least once.",
  },
  {
    id: "alarm",
    address: subjects.alarm("{code}"),
    message: Type.Union([replies.AlarmSchema, Alert]),
    action: "send",
    summary:
      "Something that a person has to look at, at least once: an alarm when it is raised, an alert with every change of it.",
  },
  {
    id: "dead-letter",
    address: subjects.deadLetter("{border}"),
    message: replies.DeadLetterSchema,
    action: "send",
    summary: "A message refused at a border, with the reason.",
  },
  {
    id: "quote",
    address: subjects.quote("{source}", "{symbol}"),
    message: Quote,
    action: "receive",
    summary: "What one source says an asset is worth.",
  },
  {
    id: "book",
    address: subjects.book("{instrument}"),
    message: BookPrice,
    action: "receive",
    summary: "The middle of an instrument's own book.",
  },
];

const asked: readonly Channel[] = [
  ...Object.entries(rpc).map(([verb, [message, reply, summary]]): Channel => ({
    id: `rpc-${verb}`,
    address: subjects.rpc(shard, verb as RpcVerb),
    message,
    reply,
    action: "receive",
    summary,
  })),
  ...Object.entries(venue).map(([verb, [message, reply, summary]]): Channel => ({
    id: `venue-${verb}`,
    address: subjects.venue(verb as VenueVerb),
    message,
    reply,
    action: "send",
    summary,
  })),
  ...Object.entries(trading).map(([verb, [message, summary]]): Channel => ({
    id: `trade-${verb}`,
    address: subjects.trading(verb as TradingVerb),
    message,
    reply: replies.TradingReplySchema,
    action: "send",
    summary,
  })),
];

const provided: Channel = {
  id: "provider-takeover",
  address: subjects.takeover("{account}"),
  message: Takeover,
  reply: TakeoverReply,
  action: "send",
  summary: "A backup provider is told of the position that it has taken over.",
};

const parameterTexts: Readonly<Record<string, string>> = {
  shard: "Id of a shard.",
  account: "Id of an account.",
  border: "Where the message was refused.",
  code: "What has happened, in lower_snake_case.",
  source: "Id of a price source.",
  symbol: "Id of an asset.",
  instrument: "Id of an instrument.",
};

function parametersOf(address: string): Record<string, unknown> {
  const names = [...address.matchAll(/\{([a-z]+)\}/g)].map((match) => match[1] as string);
  return Object.fromEntries(names.map((name) => [name, { description: parameterTexts[name] }]));
}

/** What a schema is as JSON: typebox keeps marks of its own beside, which are no part of it. */
const plain = (schema: TSchema): unknown => JSON.parse(JSON.stringify(schema));

const ref = (path: string): { $ref: string } => ({ $ref: `#/${path}` });

function channelsOf({ id, address, message, reply, summary }: Channel): [string, unknown][] {
  const parameters = parametersOf(address);
  const own = {
    address,
    summary,
    messages: { message: { name: pascal(id), contentType: "application/json", payload: plain(message) } },
    ...(Object.keys(parameters).length > 0 && { parameters }),
  };
  if (reply === undefined) return [[id, own]];
  const answer = { name: `${pascal(id)}Reply`, contentType: "application/json", payload: plain(reply) };
  return [
    [id, own],
    [`${id}-reply`, { address: null, summary: `The answer, at the asker's inbox.`, messages: { message: answer } }],
  ];
}

function operationOf({ id, action, summary, reply }: Channel): [string, unknown] {
  const answer = reply !== undefined && {
    reply: {
      channel: ref(`channels/${id}-reply`),
      messages: [ref(`channels/${id}-reply/messages/message`)],
      address: { location: "$message.header#/reply" },
    },
  };
  return [
    id,
    { action, summary, channel: ref(`channels/${id}`), messages: [ref(`channels/${id}/messages/message`)], ...answer },
  ];
}

/** The AsyncAPI 3.0 document of everything that crosses NATS, made of the schemas that the borders check by. */
export function asyncApi(version: string): unknown {
  const channels = [...entries, ...told, ...asked, provided];
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Plimsoll on NATS",
      version,
      description: `Entries of the shards' logs, facts, effects, the micro service ${preTradeService}, commands to the matching engine and prices. Amounts are decimal strings, times UTC ms. A deployment with a namespace puts it before every address.`,
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    defaultContentType: "application/json",
    servers: { nats: { host: "localhost:4222", protocol: "nats", description: "One server, or a cluster of three." } },
    channels: Object.fromEntries(channels.flatMap(channelsOf)),
    operations: Object.fromEntries(channels.map(operationOf)),
  };
}
