import { batch, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { channelKinds, type ChannelName } from "#libs/contracts/stream/channels.ts";
import type { ChannelData } from "#libs/contracts/stream/data.ts";
import type { DataFrame } from "#libs/contracts/stream/protocol.ts";
import { applyDelta, type State } from "#libs/contracts/stream/state.ts";
import { logOut, token } from "./session.ts";
import { Socket } from "./socket.ts";

export interface Connection {
  readonly state: "connecting" | "live" | "lost";
  /** Of this page's clock, ms: when it became so. */
  readonly since: number;
}

/** What is known of a channel: its data, and what they were computed from. */
export interface Seen<D> {
  readonly data: D | null;
  readonly shard: string | null;
  readonly logSeq: number | null;
  /** UTC ms of the log. */
  readonly t: number | null;
  /** How old the newest mark was that it was computed with, ms of the market. */
  readonly markAgeMs: number | null;
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

interface Followed {
  readonly seen: Signal<Seen<State>>;
  users: number;
  seq: number;
}

export const connection = signal<Connection>({ state: "connecting", since: performance.now() });
const followed = new Map<string, Followed>();
/** Frames that came since the screen was last drawn: drawn together. */
let waiting: { readonly frame: DataFrame; readonly at: number }[] = [];
let socket: Socket | null = null;
const listeners = new Set<(frame: DataFrame, at: number) => void>();

export function connect(url: string): void {
  disconnect();
  socket = new Socket(url, () => token.value, {
    data: (frame) => {
      const at = performance.now();
      for (const listener of listeners) listener(frame, at);
      if (waiting.push({ frame, at }) === 1) requestAnimationFrame(draw);
    },
    problem: (ch, { code, reason }) => {
      const channel = followed.get(ch);
      if (channel !== undefined) channel.seen.value = { ...unseen, problem: { code, reason } };
    },
    state: (state) => (connection.value = { state, since: performance.now() }),
    refused: ({ reason }) => logOut(`The server refused the token: ${reason}.`),
  });
  for (const ch of followed.keys()) socket.subscribe(ch);
}

export function disconnect(): void {
  socket?.close();
  socket = null;
  for (const { seen } of followed.values()) seen.value = unseen;
  connection.value = { state: "connecting", since: performance.now() };
}

/** Hears every frame the moment it comes, before it is drawn; gives what ends it. */
export function listen(listener: (frame: DataFrame, at: number) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function draw(): void {
  const frames = waiting;
  waiting = [];
  batch(() => {
    for (const { frame, at } of frames) take(frame, at);
  });
}

function take(frame: DataFrame, at: number): void {
  const channel = followed.get(frame.ch);
  if (channel === undefined) return;
  const before = channel.seen.value.data;
  if (frame.type === "delta" && (before === null || frame.prevSeq !== channel.seq)) return socket?.resync(frame.ch);
  const kind = channelKinds[frame.ch.split(".")[0] as ChannelName];
  channel.seq = frame.seq;
  channel.seen.value = {
    data: frame.type === "snapshot" ? (frame.data as State) : applyDelta(before ?? {}, frame.data as State, kind),
    shard: frame.shard,
    logSeq: frame.logSeq,
    t: frame.t,
    markAgeMs: frame.markAgeMs,
    at,
    problem: null,
  };
}

/** Follows a channel for as long as the component is shown; without an id where the kind has one, nothing. */
export function useChannel<K extends ChannelName>(name: K, id?: string | null): ReadonlySignal<Seen<ChannelData[K]>> {
  const ch = channelKinds[name].of === null ? name : id ? `${name}.${id}` : null;
  const channel = ch === null ? null : channelOf(ch);
  useEffect(() => {
    if (ch === null) return undefined;
    const mine = channelOf(ch);
    mine.users += 1;
    if (mine.users === 1) socket?.subscribe(ch);
    return () => {
      mine.users -= 1;
      if (mine.users > 0) return;
      followed.delete(ch);
      socket?.unsubscribe(ch);
    };
  }, [ch]);
  return (channel?.seen ?? nothing) as ReadonlySignal<Seen<ChannelData[K]>>;
}

function channelOf(ch: string): Followed {
  const known = followed.get(ch);
  if (known !== undefined) return known;
  const made: Followed = { seen: signal<Seen<State>>(unseen), users: 0, seq: 0 };
  followed.set(ch, made);
  return made;
}
