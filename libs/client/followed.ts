import { type Channel, channelKinds } from "#libs/contracts/stream/channels.ts";
import type { DataFrame } from "#libs/contracts/stream/protocol.ts";
import { applyDelta, type State } from "#libs/contracts/stream/state.ts";

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
  stop(): void;
}

/** One channel that a client follows, over as many connections as it takes. */
export class Followed {
  readonly ch: string;
  readonly #channel: Channel;
  readonly listeners = new Set<(update: ChannelUpdate<never>) => void>();
  #current: ChannelUpdate<State> | null = null;
  /** Of the server, that `#current` came from: in another one sequences mean nothing. */
  #run: string | null = null;

  constructor(ch: string, channel: Channel) {
    this.ch = ch;
    this.#channel = channel;
  }

  get current(): ChannelUpdate<State> | null {
    return this.#current;
  }

  /** The last sequence that came in a run of the server; null: none, so that there is nothing to go on from. */
  seqIn(run: string): number | null {
    return this.#run === run ? (this.#current?.seq ?? null) : null;
  }

  /** Takes a frame of a run; false: deltas before it are missing, and a snapshot is needed. One seen before changes nothing. */
  take(frame: DataFrame<State>, run: string): boolean {
    if (frame.type === "snapshot") {
      this.#run = run;
      this.#tell(frame, frame.data, true);
      return true;
    }
    const before = this.#current;
    if (before === null || this.#run !== run) return false;
    if (frame.seq <= before.seq) return true;
    if (frame.prevSeq !== before.seq) return false;
    this.#tell(frame, applyDelta(before.data, frame.data, channelKinds[this.#channel.name]), false);
    return true;
  }

  #tell({ ch, seq, shard, logSeq, t, markAgeMs }: DataFrame<State>, data: State, fresh: boolean): void {
    this.#current = { ch, data, seq, shard, logSeq, t, markAgeMs, fresh };
    for (const listener of this.listeners) listener(this.#current as ChannelUpdate<never>);
  }
}
