import { type Channel, channelKinds } from "#libs/contracts/stream/channels.ts";
import type { DataFrame } from "#libs/contracts/stream/protocol.ts";
import { applyDelta, type State } from "#libs/contracts/stream/state.ts";
import type { StreamRefused } from "./refused.ts";

/** A channel as it stands after a frame. */
export interface ChannelUpdate<D = unknown> {
  readonly ch: string;
  readonly data: D;
  readonly seq: number;
  /** What it was read from: the shard and the position in its log (null: several shards), UTC ms of the log, and how old its prices were then. */
  readonly shard: string | null;
  readonly logSeq: number | null;
  readonly t: number;
  readonly markAgeMs: number | null;
  /** Begun anew: what was there before does not lead here by deltas. */
  readonly fresh: boolean;
}

export interface ChannelHandle<D = unknown> {
  /** As of the last frame; null: none has come. */
  readonly current: ChannelUpdate<D> | null;
  /** `current` is what the server says now: connected, subscribed, and without a gap. How old its prices are is `current.markAgeMs`. */
  readonly live: boolean;
  /** Why the channel is not told any more, until a later connection may read it; null: it is. */
  readonly refused: StreamRefused | null;
  /** The latest state, again and again: whoever takes long over one skips those that were overtaken meanwhile. Ends with `stop`, and with the client. */
  updates(): AsyncGenerator<ChannelUpdate<D>, void, void>;
  stop(): void;
}

/** What became of a frame. `gap`: deltas before it are missing, and a snapshot is needed. `old`: one seen before, which changes nothing. */
export type Taken = "snapshot" | "delta" | "old" | "gap";

/** One channel that a client follows, over as many connections as it takes. */
export class Followed {
  readonly ch: string;
  readonly #channel: Channel;
  readonly listeners = new Set<(update: ChannelUpdate<never>) => void>();
  refused: StreamRefused | null = null;
  #current: ChannelUpdate<State> | null = null;
  /** Of the server, that `#current` came from: in another one sequences mean nothing. */
  #run: string | null = null;
  readonly #onError: (error: unknown) => void;

  /** `onError`: what a listener throws is told there; it keeps no frame from the others. */
  constructor(ch: string, channel: Channel, onError: (error: unknown) => void) {
    this.ch = ch;
    this.#channel = channel;
    this.#onError = onError;
  }

  get current(): ChannelUpdate<State> | null {
    return this.#current;
  }

  /** The last sequence that came in a run of the server; null: none, so that there is nothing to go on from. */
  seqIn(run: string): number | null {
    return this.#run === run ? (this.#current?.seq ?? null) : null;
  }

  /** Takes a frame of a run. */
  take(frame: DataFrame<State>, run: string): Taken {
    if (frame.type === "snapshot") {
      this.#run = run;
      this.#tell(frame, frame.data, true);
      return "snapshot";
    }
    const before = this.#current;
    if (before === null || this.#run !== run) return "gap";
    if (frame.seq <= before.seq) return "old";
    if (frame.prevSeq !== before.seq) return "gap";
    this.#tell(frame, applyDelta(before.data, frame.data, channelKinds[this.#channel.name]), false);
    return "delta";
  }

  /** The latest state each time that there is another, until the signal. */
  async *updates(signal: AbortSignal): AsyncGenerator<ChannelUpdate<never>, void, void> {
    let fresh = this.#current !== null;
    let wake = (): void => {};
    const heard = (): void => {
      fresh = true;
      wake();
    };
    const ended = (): void => wake();
    this.listeners.add(heard);
    signal.addEventListener("abort", ended);
    try {
      while (!signal.aborted) {
        if (!fresh) await new Promise<void>((resolve) => (wake = resolve));
        else {
          fresh = false;
          yield this.#current as ChannelUpdate<never>;
        }
      }
    } finally {
      this.listeners.delete(heard);
      signal.removeEventListener("abort", ended);
    }
  }

  #tell({ ch, seq, shard, logSeq, t, markAgeMs }: DataFrame<State>, data: State, fresh: boolean): void {
    this.#current = { ch, data, seq, shard, logSeq, t, markAgeMs, fresh };
    for (const listener of this.listeners) {
      try {
        listener(this.#current as ChannelUpdate<never>);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
