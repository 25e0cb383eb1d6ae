import Type, { type Static, type TSchema } from "typebox";
import { Count, Duration, Id, maybe, nullable, oneOf, record, Time } from "../primitives.ts";

/** What a client says. `id` comes back in the reply. */
const RequestId = Type.String({ minLength: 1, maxLength: 64, title: "request id" });
const ChannelText = Type.String({ pattern: "^[a-z]{1,16}(\\.[A-Za-z0-9_-]{1,64})?$", title: "channel" });
/** Channels of one request. */
export const channelsPerRequest = 100;
const Channels = Type.Array(ChannelText, { minItems: 1, maxItems: channelsPerRequest });

/** By token, a JWT. Again, as the same principal, it goes on until the new login ends; what it may no longer read is taken away. */
export const AuthToken = record({
  op: oneOf("auth"),
  id: RequestId,
  token: Type.String({ minLength: 1, maxLength: 4096 }),
});
/**
 * By API key: `signature` is the HMAC-SHA256, in lower-case hex, of `timestamp\nnonce\nGET /v1/stream` under the key's secret; `timestamp` UTC ms,
 * within five seconds of ours; `nonce` never used before.
 */
export const AuthKey = record({
  op: oneOf("auth"),
  id: RequestId,
  key: Id,
  timestamp: Time,
  nonce: Type.String({ pattern: "^[A-Za-z0-9_-]{8,64}$", title: "nonce" }),
  signature: Type.String({ pattern: "^[0-9a-f]{64}$", title: "signature" }),
});
/**
 * `resume`: the run of the server that `hello` named and, by channel, the last sequence that the client has; a channel whose deltas since then
 * are still kept goes on with them, any other begins with a snapshot.
 */
export const Subscribe = record({
  op: oneOf("subscribe"),
  id: RequestId,
  channels: Channels,
  resume: maybe(
    record({
      run: Id,
      seq: Type.Record(ChannelText, Count, { additionalProperties: false, maxProperties: channelsPerRequest }),
    }),
  ),
});
export const Unsubscribe = record({ op: oneOf("unsubscribe"), id: RequestId, channels: Channels });
/** Asks for fresh snapshots of channels that are subscribed. */
export const Resync = record({ op: oneOf("resync"), id: RequestId, channels: Channels });
export const Ping = record({ op: oneOf("ping"), id: RequestId });

export type AuthToken = Static<typeof AuthToken>;
export type AuthKey = Static<typeof AuthKey>;
export type Subscribe = Static<typeof Subscribe>;
export type Unsubscribe = Static<typeof Unsubscribe>;
export type Resync = Static<typeof Resync>;
export type Ping = Static<typeof Ping>;
export type StreamRequest = AuthToken | AuthKey | Subscribe | Unsubscribe | Resync | Ping;

/** By `op`; a login is by key where it names one. */
export const requestSchemas = {
  auth: AuthToken,
  subscribe: Subscribe,
  unsubscribe: Unsubscribe,
  resync: Resync,
  ping: Ping,
} as const satisfies Record<StreamRequest["op"], TSchema>;

/** The first thing that a server says. `run` is another one after every start: sequences of a channel go on within one run. */
export const Hello = record({
  op: oneOf("hello"),
  run: Id,
  /** A frame comes at least so often; without one for three times as long the connection is lost. */
  heartbeatMs: Duration,
  /** Whoever has not logged in by then is closed. */
  loginWithinMs: Duration,
});
/** Where nothing else was sent for a while. `t`: UTC ms of the server. */
export const Heartbeat = record({ op: oneOf("heartbeat"), t: Time });

export const ErrorBody = record({
  code: Id,
  reason: Type.String(),
  retryAfterMs: nullable(Duration),
  /** The channel that is meant, of several. */
  ch: maybe(Type.String()),
});
export const Refusal = record({ id: nullable(RequestId), ok: Type.Literal(false), error: ErrorBody });
export const Login = record({ principal: Type.String(), roles: Type.Array(Id), owner: nullable(Id), expiresAt: Time });
const Acceptance = record({ id: RequestId, ok: Type.Literal(true), login: maybe(Login), t: maybe(Time) });

export type Hello = Static<typeof Hello>;
export type Heartbeat = Static<typeof Heartbeat>;
export type ErrorBody = Static<typeof ErrorBody>;
export type Refusal = Static<typeof Refusal>;
export type Login = Static<typeof Login>;
/** `login` answers an `auth`; `t`, UTC ms of the server, that and a `ping`. */
export type Acceptance = Static<typeof Acceptance>;
export const Reply = Type.Union([Acceptance, Refusal]);

/** What stands before the data of every frame of a channel. */
const place = {
  ch: Type.String(),
  /** Of this channel, in this run: a snapshot's is where its deltas go on from, and a delta's is its `prevSeq` plus one. */
  seq: Count,
  /** The shard it is read from, and the position in that shard's log; null: of several shards. */
  shard: nullable(Id),
  logSeq: nullable(Count),
  /** UTC ms of that log. */
  t: Time,
  /** How old the newest prices are that it was computed with, ms of the market; null: there are none yet. */
  markAgeMs: nullable(Duration),
};
export const snapshotOf = <const S extends TSchema>(data: S) => record({ ...place, type: oneOf("snapshot"), data });
export const Delta = record({ ...place, type: oneOf("delta"), prevSeq: Count, data: Type.Object({}) });

export interface DataFrame<D = unknown> {
  readonly ch: string;
  readonly type: "snapshot" | "delta";
  readonly seq: number;
  /** Deltas alone. */
  readonly prevSeq?: number;
  readonly shard: string | null;
  readonly logSeq: number | null;
  readonly t: number;
  readonly markAgeMs: number | null;
  readonly data: D;
}
