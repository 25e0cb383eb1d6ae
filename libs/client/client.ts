import { parseChannel } from "#libs/contracts/stream/channels.ts";
import type { ChannelData } from "#libs/contracts/stream/data.ts";
import type { DataFrame, ErrorBody, Hello, Login } from "#libs/contracts/stream/protocol.ts";
import type { State } from "#libs/contracts/stream/state.ts";
import { type ChannelHandle, type ChannelUpdate, Followed } from "./followed.ts";
import { type ClientLimits, defaultLimits, renewMostMs } from "./limits.ts";
import { type Answer, Link } from "./link.ts";
import {
  platformSchedule,
  platformSocket,
  type Schedule,
  type StreamClientOptions,
  type StreamCounts,
  type StreamState,
  type WebSocketLike,
} from "./options.ts";
import { noReason, StreamRefused } from "./refused.ts";
import { Subscriptions } from "./subscriptions.ts";

type Names<K extends keyof ChannelData> = K | `${K}.${string}`;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Follows channels. Every connection logs in, asks for all of them, goes on where it was where the server still can, and begins with
 * snapshots where not; a gap in a sequence asks for a snapshot of that channel alone. A login is renewed before it ends.
 */
export class StreamClient {
  readonly #options: StreamClientOptions;
  readonly #limits: ClientLimits;
  readonly #schedule: Schedule;
  readonly #channels = new Map<string, Followed>();
  readonly #counts: Mutable<StreamCounts> = { connections: 0, snapshots: 0, resumed: 0, gaps: 0, renewals: 0 };
  #link: Link | null = null;
  /** From a login on. */
  #subscriptions: Subscriptions | null = null;
  #state: StreamState = "closed";
  #login: Login | null = null;
  #run = "";
  #waitMs: number;
  #retry: () => void = () => {};
  #renewal: () => void = () => {};
  /** Ends what is consumed when the client is closed. */
  #closing = new AbortController();

  constructor(options: StreamClientOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#schedule = options.schedule ?? platformSchedule;
    this.#waitMs = this.#limits.retryFirstMs;
  }

  get state(): StreamState {
    return this.#state;
  }
  /** As the server sees it; null: not logged in. */
  get login(): Login | null {
    return this.#login;
  }
  get counts(): StreamCounts {
    return { ...this.#counts };
  }

  open(): void {
    if (this.#state !== "closed") return;
    this.#closing = new AbortController();
    this.#connect();
  }

  close(): void {
    this.#clear();
    this.#link?.close(1000);
    this.#link = null;
    this.#setState("closed");
    this.#closing.abort();
  }

  /** Follows a channel; `listener` is told of every frame, with the whole state. Throws `RangeError` for a name that is none. */
  follow<K extends keyof ChannelData>(
    ch: Names<K>,
    listener: (update: ChannelUpdate<ChannelData[K]>) => void = () => {},
  ): ChannelHandle<ChannelData[K]> {
    const channel = parseChannel(ch);
    if (channel === null) throw new RangeError(`there is no channel ${ch}`);
    const followed = this.#channels.get(ch) ?? new Followed(ch, channel, (error) => this.#options.onError?.(error));
    this.#channels.set(ch, followed);
    const told = (update: ChannelUpdate<never>): void => listener(update);
    followed.listeners.add(told);
    this.#subscriptions?.look();
    const stopped = new AbortController();
    const subscriptions = (): Subscriptions | null => this.#subscriptions;
    const ends = (): AbortSignal => AbortSignal.any([stopped.signal, this.#closing.signal]);
    return {
      get current() {
        return followed.current as ChannelUpdate<ChannelData[K]> | null;
      },
      get live() {
        return subscriptions()?.isLive(ch) ?? false;
      },
      get refused() {
        return followed.refused;
      },
      updates: () => followed.updates(ends()),
      stop: () => {
        stopped.abort();
        this.#unfollow(followed, told);
      },
    };
  }

  #unfollow(followed: Followed, listener: (update: ChannelUpdate<never>) => void): void {
    followed.listeners.delete(listener);
    if (followed.listeners.size > 0 || this.#channels.get(followed.ch) !== followed) return;
    this.#channels.delete(followed.ch);
    this.#subscriptions?.look();
  }

  #setState(state: StreamState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState?.(state);
  }

  #connect(): void {
    this.#setState("connecting");
    let socket: WebSocketLike;
    try {
      socket = (this.#options.connect ?? platformSocket)(this.#options.url);
    } catch (error) {
      // An address or a platform that will be no better next time.
      this.close();
      throw error;
    }
    const mine = (): boolean => this.#link === link;
    const link = new Link({
      socket,
      limits: this.#limits,
      schedule: this.#schedule,
      onHello: (hello) => void this.#begin(link, hello),
      onData: (frame) => mine() && this.#take(frame),
      onUnasked: (answer) => mine() && this.#unasked(answer),
      onLost: (_, why) => mine() && this.#lost(why),
    });
    this.#link = link;
  }

  /** Waits, longer after each failure, and connects again. */
  #lost(why: unknown): void {
    this.#clear();
    this.#link = null;
    if (why !== null) this.#options.onError?.(why);
    const { random = Math.random } = this.#options;
    const wait = this.#waitMs * (0.5 + random() / 2);
    this.#waitMs = Math.min(this.#waitMs * 2, this.#limits.retryMostMs);
    this.#retry = this.#schedule(() => this.#connect(), wait);
    this.#setState("waiting");
  }

  #clear(): void {
    this.#login = null;
    this.#subscriptions?.end();
    this.#subscriptions = null;
    this.#retry();
    this.#renewal();
  }

  async #begin(link: Link, { run }: Hello): Promise<void> {
    const refused = await this.#logIn(link);
    if (this.#link !== link) return;
    if (refused !== null) return this.#notLoggedIn(link, refused);
    this.#counts.connections += 1;
    this.#waitMs = this.#limits.retryFirstMs;
    this.#run = run;
    for (const followed of this.#channels.values()) followed.refused = null;
    this.#subscriptions = new Subscriptions({
      link,
      channels: this.#channels,
      run,
      limits: this.#limits,
      schedule: this.#schedule,
      onRefused: (one) => this.#options.onRefused?.(one),
      onResumed: (count) => (this.#counts.resumed += count),
    });
    this.#setState("open");
    this.#subscriptions.look();
  }

  #notLoggedIn(link: Link, why: unknown): void {
    if (why instanceof StreamRefused && !why.transient) {
      // It would be refused again.
      this.#options.onRefused?.(why);
      return this.close();
    }
    link.close();
    this.#lost(why);
  }

  /** Why it is not logged in; null: it is, or the connection is lost. */
  async #logIn(link: Link): Promise<unknown> {
    let credentials;
    try {
      credentials = await this.#options.login();
    } catch (error) {
      return error ?? new Error("there are no credentials");
    }
    const answer = await link.ask({ op: "auth", ...credentials });
    if (answer === null || this.#link !== link) return null;
    if (answer.login === undefined) return new StreamRefused(answer.error ?? noReason);
    this.#login = answer.login;
    // By the server's clock, not by ours.
    this.#renewIn(link, answer.login.expiresAt - (answer.t ?? Date.now()));
    return null;
  }

  /** `leftMs`: of the login. */
  #renewIn(link: Link, leftMs: number): void {
    const inMs = Math.min(Math.max(leftMs / 2, leftMs - this.#limits.renewBeforeMs), renewMostMs);
    this.#renewal = this.#schedule(() => void this.#renew(link, leftMs - inMs), inMs);
  }

  /** One that fails is tried again while there is time; then the server ends the connection, and the next one logs in. */
  async #renew(link: Link, leftMs: number): Promise<void> {
    const why = await this.#logIn(link);
    if (this.#link !== link) return;
    if (why === null) this.#counts.renewals += 1;
    else {
      if (why instanceof StreamRefused) this.#options.onRefused?.(why);
      else this.#options.onError?.(why);
      if (leftMs >= this.#limits.retryFirstMs) this.#renewIn(link, leftMs);
    }
  }

  #unasked({ error = noReason }: Answer): void {
    const refused = new StreamRefused(error satisfies ErrorBody);
    if (refused.ch !== null) this.#subscriptions?.lost(refused.ch, refused);
    this.#options.onRefused?.(refused);
  }

  #take(frame: DataFrame<State>): void {
    const followed = this.#channels.get(frame.ch);
    if (followed === undefined) return;
    const taken = followed.take(frame, this.#run);
    if (taken === "snapshot") this.#counts.snapshots += 1;
    if (taken === "gap" && this.#subscriptions?.gap(frame.ch) === true) this.#counts.gaps += 1;
    else if (taken === "snapshot") this.#subscriptions?.whole(frame.ch);
  }
}
