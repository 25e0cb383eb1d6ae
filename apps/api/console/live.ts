import { batch, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { type ChannelHandle, type ChannelUpdate, StreamClient, type StreamState } from "#libs/client/index.ts";
import { channelKinds, type ChannelName } from "#libs/contracts/stream/channels.ts";
import type { ChannelData } from "#libs/contracts/stream/data.ts";
import { logOut, token } from "./session.ts";

export interface Connection {
  readonly state: "connecting" | "live" | "lost";
  /** Of this page's clock, ms: when it became so. */
  readonly since: number;
}

/** What is known of a channel: its data, and what they were computed from. */
export interface Seen<D> extends Omit<ChannelUpdate, "ch" | "data" | "seq" | "fresh" | "t"> {
  readonly data: D | null;
  /** UTC ms of the log; null: nothing has come. */
  readonly t: number | null;
  /** When it came, ms of this page's clock. */
  readonly at: number | null;
  /** Why there is nothing. */
  readonly problem: { readonly code: string; readonly reason: string } | null;
}

const unseen: Seen<never> = {
  data: null,
  shard: null,
  logSeq: null,
  t: null,
  markAgeMs: null,
  at: null,
  problem: null,
};
const nothing: ReadonlySignal<Seen<never>> = signal(unseen);

/** Hears a channel the moment something of it comes, before it is drawn. `at`: ms of this page's clock. */
export type Listener = (update: ChannelUpdate, at: number) => void;

interface Followed {
  readonly seen: Signal<Seen<unknown>>;
  readonly listeners: Set<Listener>;
  users: number;
  handle: ChannelHandle | null;
}

export const connection = signal<Connection>({ state: "connecting", since: performance.now() });
const followed = new Map<string, Followed>();
/** What came since the screen was last drawn: the newest of each channel. */
const waiting = new Map<string, { readonly update: ChannelUpdate; readonly at: number }>();
let client: StreamClient | null = null;

export function connect(url: string): void {
  disconnect();
  client = new StreamClient({
    url,
    login: async () => ({ token: token.peek() ?? "" }),
    connect: (to) => new WebSocket(to),
    onState: moved,
    onRefused: ({ ch, code, message }) => {
      if (ch !== null) followOf(ch).seen.value = { ...unseen, problem: { code, reason: message } };
      else if (client?.login === null) logOut(`The server refused the token: ${message}.`);
    },
  });
  client.open();
  for (const [ch, channel] of followed) if (channel.users > 0) open(ch, channel);
}

const told: Readonly<Record<StreamState, Connection["state"]>> = {
  connecting: "connecting",
  open: "live",
  waiting: "lost",
  closed: "lost",
};

/** A connection that was lost is lost until it is back, however often it is tried. */
function moved(state: StreamState): void {
  const before = connection.peek().state;
  const after = state === "connecting" && before === "lost" ? "lost" : told[state];
  if (after !== before) connection.value = { state: after, since: performance.now() };
}

export function disconnect(): void {
  client?.close();
  client = null;
  waiting.clear();
  for (const channel of followed.values()) {
    channel.handle = null;
    channel.seen.value = unseen;
  }
  connection.value = { state: "connecting", since: performance.now() };
}

function open(ch: string, channel: Followed): void {
  channel.handle ??=
    client?.follow(ch as ChannelName, (update) => {
      const at = performance.now();
      for (const listener of channel.listeners) listener(update, at);
      waiting.set(ch, { update, at });
      if (waiting.size === 1) requestAnimationFrame(draw);
    }) ?? null;
}

function draw(): void {
  const updates = [...waiting.values()];
  waiting.clear();
  batch(() => {
    for (const { update, at } of updates) {
      const { ch, data, shard, logSeq, t, markAgeMs } = update;
      const channel = followed.get(ch);
      if (channel !== undefined) channel.seen.value = { data, shard, logSeq, t, markAgeMs, at, problem: null };
    }
  });
}

function followOf(ch: string): Followed {
  const known = followed.get(ch);
  if (known !== undefined) return known;
  const made: Followed = { seen: signal<Seen<unknown>>(unseen), listeners: new Set(), users: 0, handle: null };
  followed.set(ch, made);
  return made;
}

/** Uses a channel until what it gives is called. */
function use(ch: string): () => void {
  const channel = followOf(ch);
  channel.users += 1;
  open(ch, channel);
  return () => {
    channel.users -= 1;
    if (channel.users > 0) return;
    channel.handle?.stop();
    followed.delete(ch);
    waiting.delete(ch);
  };
}

/** The data of a channel as of its last frame, drawn or not; null: none has come. */
export const latestOf = (ch: string): unknown => followed.get(ch)?.handle?.current?.data ?? null;

/** Hears every update of a channel for as long as somebody follows it; gives what ends it. */
export function listen(ch: string, listener: Listener): () => void {
  const { listeners } = followOf(ch);
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Follows a channel for as long as the component is shown; without an id where the kind has one, nothing. */
export function useChannel<K extends ChannelName>(name: K, id?: string | null): ReadonlySignal<Seen<ChannelData[K]>> {
  const ch = channelKinds[name].of === null ? name : id ? `${name}.${id}` : null;
  const drawnWith = ch === null ? null : followOf(ch);
  const [, drawAgain] = useState(0);
  useEffect(() => {
    if (ch === null) return undefined;
    const end = use(ch);
    // A view before this one may have ended the channel after this one was drawn: what is followed now is another.
    if (followOf(ch) !== drawnWith) drawAgain((times) => times + 1);
    return end;
  }, [ch]);
  return (drawnWith === null ? nothing : drawnWith.seen) as ReadonlySignal<Seen<ChannelData[K]>>;
}
