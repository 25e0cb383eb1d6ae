import type { TSchema } from "typebox";
import { channelKinds, type ChannelName } from "./channels.ts";
import { streamPath } from "./codes.ts";
import { channelSchemas } from "./data.ts";
import {
  AuthKey,
  AuthToken,
  Delta,
  Heartbeat,
  Hello,
  Ping,
  Reply,
  Resync,
  snapshotOf,
  Subscribe,
  Unsubscribe,
} from "./protocol.ts";

interface Message {
  readonly summary: string;
  readonly payload: TSchema;
}

const requests: Readonly<Record<string, Message>> = {
  authByToken: { summary: "Logs in by a JWT.", payload: AuthToken },
  authByKey: { summary: "Logs in by an API key's signature.", payload: AuthKey },
  subscribe: {
    summary: "Subscribes to channels, all or none of them; `resume` goes on where the client was.",
    payload: Subscribe,
  },
  unsubscribe: { summary: "Ends subscriptions.", payload: Unsubscribe },
  resync: { summary: "Asks for fresh snapshots of channels that are subscribed.", payload: Resync },
  ping: { summary: "Asks for the server's time.", payload: Ping },
};
const told: Readonly<Record<string, Message>> = {
  hello: { summary: "The first frame of a connection.", payload: Hello },
  heartbeat: { summary: "Shows that the server lives.", payload: Heartbeat },
  delta: {
    summary:
      "What has changed in a channel. Values come whole; of tables the rows that changed, and null for those that are gone; of logs what was added.",
    payload: Delta,
  },
};

const audiences = {
  account: "For the account's owner and whoever may read everything.",
  public: "For everybody who has logged in.",
  operators: "For whoever may read everything.",
} as const;

function snapshots(): Record<string, Message> {
  const names = Object.keys(channelKinds) as ChannelName[];
  return Object.fromEntries(
    names.map((name): [string, Message] => {
      const { audience, of } = channelKinds[name];
      const address = of === null ? name : `${name}.<${of}>`;
      return [
        `${name}Snapshot`,
        { summary: `The whole state of ${address}. ${audiences[audience]}`, payload: snapshotOf(channelSchemas[name]) },
      ];
    }),
  );
}

/** What a schema is as JSON: typebox keeps marks of its own beside, which are no part of it. */
const plain = (schema: TSchema): unknown => JSON.parse(JSON.stringify(schema));
const pascal = (name: string): string => `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
const messageOf = ([name, { summary, payload }]: [string, Message]): [string, unknown] => [
  name,
  { name: pascal(name), contentType: "application/json", summary, payload: plain(payload) },
];
const refs = (messages: Readonly<Record<string, Message>>): { $ref: string }[] =>
  Object.keys(messages).map((name) => ({ $ref: `#/channels/stream/messages/${name}` }));

/** The AsyncAPI 3.0 document of the WebSocket, made of the schemas that it checks by. */
export function streamAsyncApi(version: string): unknown {
  const reply: Readonly<Record<string, Message>> = { reply: { summary: "The answer to a request.", payload: Reply } };
  const sent = { ...told, ...snapshots() };
  const messages = { ...requests, ...reply, ...sent };
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Plimsoll's streams",
      version,
      description:
        "What traders and operators follow over a WebSocket: docs/streams.md. Amounts are decimal strings, times UTC ms.",
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    defaultContentType: "application/json",
    servers: {
      streams: { host: "localhost:8081", protocol: "ws", description: "Any streams process; behind TLS, wss." },
    },
    channels: {
      stream: {
        address: streamPath,
        summary: "One WebSocket, with as many channels as a client subscribes to.",
        messages: Object.fromEntries(Object.entries(messages).map(messageOf)),
      },
    },
    operations: {
      request: {
        action: "receive",
        summary: "A client asks.",
        channel: { $ref: "#/channels/stream" },
        messages: refs(requests),
        reply: { channel: { $ref: "#/channels/stream" }, messages: refs(reply) },
      },
      tell: {
        action: "send",
        summary: "The server tells what has changed.",
        channel: { $ref: "#/channels/stream" },
        messages: refs(sent),
      },
    },
  };
}
