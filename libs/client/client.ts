import { parseChannel } from "#libs/contracts/stream/channels.ts";
import { closeCodes } from "#libs/contracts/stream/codes.ts";
import type { ChannelData } from "#libs/contracts/stream/data.ts";
import type { AuthKey, AuthToken, DataFrame, ErrorBody, Hello, Login } from "#libs/contracts/stream/protocol.ts";
import type { State } from "#libs/contracts/stream/state.ts";
import { type ChannelHandle, type ChannelUpdate, Followed } from "./followed.ts";
import { StreamRefused } from "./refused.ts";

/**
 * What a client logs in with, asked for at every connection: tokens end, and a signature is worth nothing a second time. Where it rejects, it
 * is asked again with the next connection.
 */
export type LoginBy = () => Promise<Omit<AuthToken, "op" | "id"> | Omit<AuthKey, "op" | "id">>;

export type StreamState = "connecting" | "open" | "waiting" | "closed";

/** The part of a WebSocket that a client needs: browsers have it, and Node the package `ws`. */
export interface WebSocketLike {
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: "open" | "close" | "error", listener: (event: { readonly code?: number }) => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

export interface StreamClientOptions {
  /** `ws://…/v1/stream`. */
  readonly url: string;
  readonly login: LoginBy;
  /** Makes a connection. */
  readonly connect: (url: string) => WebSocketLike;
  readonly onState?: (state: StreamState) => void;
  /** A login or a channel was refused; without it such a refusal is silent. A refused login ends the client. */
  readonly onRefused?: (refused: StreamRefused) => void;
  readonly limits?: Partial<ClientLimits>;
}

export interface ClientLimits {
  /** Waits before connecting again, doubling; a random half of each keeps many clients apart. ms. */
  readonly retryFirstMs: number;
  readonly retryMostMs: number;
  /** A server that says nothing for so many of its heartbeats is lost. */
  readonly heartbeatsMissed: number;
  readonly channelsPerRequest: number;
}
const defaults: ClientLimits = { retryFirstMs: 200, retryMostMs: 10_000, heartbeatsMissed: 3, channelsPerRequest: 100 };

interface Answer {
  readonly id: string | null;
  readonly ok: boolean;
  readonly error?: ErrorBody;
  readonly login?: Login;
}

interface Asked {
  readonly resolve: (answer: Answer) => void;
  readonly channels: readonly string[];
}

type Names<K extends keyof ChannelData> = K | `${K}.${string}`;

/**
 * Follows channels. Every connection logs in, asks for all of them, goes on where it was where the server still can, and begins with
 * snapshots where not; a gap in a sequence asks for a snapshot of that channel alone.
 */
export class StreamClient {
  readonly #options: StreamClientOptions;
  readonly #limits: ClientLimits;
  readonly #channels = new Map<string, Followed>();
  readonly #asked = new Map<string, Asked>();
  /** Channels for which a snapshot has been asked and has not come. */
  readonly #awaited = new Set<string>();
  #socket: WebSocketLike | null = null;
  #state: StreamState = "closed";
  #login: Login | null = null;
  #run: string | null = null;
  #ids = 0;
  #waitMs: number;
  #heartbeatMs: number | null = null;
  #silence: ReturnType<typeof setTimeout> | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;

  constructor(options: StreamClientOptions) {
    this.#options = options;
    this.#limits = { ...defaults, ...options.limits };
    this.#waitMs = this.#limits.retryFirstMs;
  }

  get state(): StreamState {
    return this.#state;
  }
  /** As the server sees it; null: not logged in. */
  get login(): Login | null {
    return this.#login;
  }

  open(): void {
    if (this.#state !== "closed") return;
    this.#connect();
  }

  close(): void {
    this.#setState("closed");
    this.#clear();
    this.#socket?.close(1000);
    this.#socket = null;
  }

  /** Follows a channel; `listener` is told of every frame, with the whole state. Throws `RangeError` for a name that is none. */
  follow<K extends keyof ChannelData>(
    ch: Names<K>,
    listener: (update: ChannelUpdate<ChannelData[K]>) => void,
  ): ChannelHandle<ChannelData[K]> {
    const channel = parseChannel(ch);
    if (channel === null) throw new RangeError(`there is no channel ${ch}`);
    const known = this.#channels.get(ch);
    const followed = known ?? new Followed(ch, channel);
    this.#channels.set(ch, followed);
    const told = listener as (update: ChannelUpdate<never>) => void;
    followed.listeners.add(told);
    if (known === undefined && this.#login !== null) this.#subscribe([followed]);
    return {
      get current() {
        return followed.current as ChannelUpdate<ChannelData[K]> | null;
      },
      stop: () => this.#unfollow(followed, told),
    };
  }

  #unfollow(followed: Followed, listener: (update: ChannelUpdate<never>) => void): void {
    followed.listeners.delete(listener);
    if (followed.listeners.size > 0 || this.#channels.get(followed.ch) !== followed) return;
    this.#channels.delete(followed.ch);
    this.#awaited.delete(followed.ch);
    if (this.#login !== null) void this.#ask({ op: "unsubscribe", channels: [followed.ch] });
  }

  #setState(state: StreamState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState?.(state);
  }

  #connect(): void {
    this.#setState("connecting");
    const socket = this.#options.connect(this.#options.url);
    this.#socket = socket;
    const mine = (): boolean => this.#socket === socket;
    socket.addEventListener("message", ({ data }) => {
      if (mine()) this.#hear(data);
    });
    socket.addEventListener("close", ({ code }) => {
      if (mine()) this.#lost(code ?? 0);
    });
    // A close follows.
    socket.addEventListener("error", () => {});
  }

  /** Waits, longer after each failure, and connects again; a login that was refused would be again. */
  #lost(code: number): void {
    this.#clear();
    this.#socket = null;
    if (this.#state === "closed") return;
    if (code === closeCodes.unauthorised && this.#state === "connecting") return this.#setState("closed");
    this.#setState("waiting");
    const wait = this.#waitMs * (0.5 + Math.random() / 2);
    this.#waitMs = Math.min(this.#waitMs * 2, this.#limits.retryMostMs);
    this.#retry = setTimeout(() => this.#connect(), wait);
  }

  #clear(): void {
    this.#login = null;
    this.#awaited.clear();
    this.#asked.clear();
    for (const timer of [this.#silence, this.#retry]) if (timer !== null) clearTimeout(timer);
    this.#silence = null;
    this.#retry = null;
  }

  #hear(data: unknown): void {
    this.#listen();
    const frame = JSON.parse(String(data)) as Readonly<Record<string, unknown>>;
    if (typeof frame["ch"] === "string") this.#take(frame as unknown as DataFrame<State>);
    else if (frame["op"] === "hello") void this.#begin(frame as unknown as Hello);
    else if (typeof frame["ok"] === "boolean") this.#answered(frame as unknown as Answer);
  }

  /** A connection may die without a word. */
  #listen(): void {
    if (this.#silence !== null) clearTimeout(this.#silence);
    if (this.#heartbeatMs === null) return;
    this.#silence = setTimeout(() => {
      this.#socket?.close();
      this.#lost(0);
    }, this.#heartbeatMs * this.#limits.heartbeatsMissed);
  }

  async #begin({ run, heartbeatMs }: Hello): Promise<void> {
    this.#heartbeatMs = heartbeatMs;
    const socket = this.#socket;
    const credentials = await this.#options.login().catch(() => null);
    if (this.#socket !== socket) return;
    if (credentials === null) {
      socket?.close();
      return this.#lost(0);
    }
    const answer = await this.#ask({ op: "auth", ...credentials });
    if (this.#socket !== socket) return;
    if (answer.login === undefined) {
      this.#refused(answer);
      return;
    }
    this.#login = answer.login;
    this.#waitMs = this.#limits.retryFirstMs;
    this.#setState("open");
    this.#run = run;
    this.#subscribe([...this.#channels.values()]);
  }

  /** One request after another, so that a channel that is refused takes no others with it for longer than it takes to ask again. */
  #subscribe(channels: readonly Followed[]): void {
    const { channelsPerRequest } = this.#limits;
    for (let from = 0; from < channels.length; from += channelsPerRequest)
      void this.#subscribeSome(channels.slice(from, from + channelsPerRequest));
  }

  async #subscribeSome(channels: readonly Followed[]): Promise<void> {
    const run = this.#run ?? "";
    const known = channels.flatMap((one): [string, number][] => {
      const seq = one.seqIn(run);
      return seq === null ? [] : [[one.ch, seq]];
    });
    const from = known.length === 0 ? {} : { resume: { run, seq: Object.fromEntries(known) } };
    const answer = await this.#ask({ op: "subscribe", channels: channels.map(({ ch }) => ch), ...from });
    if (answer.ok) return;
    const refused = this.#refused(answer);
    const others = channels.filter(({ ch }) => ch !== refused.ch);
    if (refused.retryAfterMs !== null) {
      const socket = this.#socket;
      this.#retry = setTimeout(() => {
        if (this.#socket === socket) this.#subscribe(channels);
      }, refused.retryAfterMs);
    } else if (others.length < channels.length && others.length > 0) await this.#subscribeSome(others);
  }

  #refused({ error }: Answer): StreamRefused {
    const refused = new StreamRefused(
      error ?? { code: "bad_frame", reason: "an answer without a reason", retryAfterMs: null },
    );
    this.#options.onRefused?.(refused);
    return refused;
  }

  async #ask(request: Readonly<Record<string, unknown>>): Promise<Answer> {
    this.#ids += 1;
    const id = String(this.#ids);
    const channels = (request["channels"] ?? []) as readonly string[];
    return new Promise((resolve) => {
      this.#asked.set(id, { resolve, channels });
      this.#socket?.send(JSON.stringify({ ...request, id }));
    });
  }

  #answered(answer: Answer): void {
    const asked = answer.id === null ? undefined : this.#asked.get(answer.id);
    if (answer.id !== null) this.#asked.delete(answer.id);
    if (asked !== undefined) asked.resolve(answer);
    // Nobody has asked: a channel was taken away, or frames came too fast.
    else if (!answer.ok) this.#refused(answer);
  }

  #take(frame: DataFrame<State>): void {
    const followed = this.#channels.get(frame.ch);
    if (followed === undefined) return;
    if (frame.type === "snapshot") this.#awaited.delete(frame.ch);
    if (followed.take(frame, this.#run ?? "") || this.#awaited.has(frame.ch)) return;
    this.#awaited.add(frame.ch);
    void this.#ask({ op: "resync", channels: [frame.ch] });
  }
}
