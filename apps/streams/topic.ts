import type { ChannelKind } from "#libs/contracts/stream/channels.ts";
import { EncodedState, type Shown } from "./encoded-state.ts";
import { limits } from "./limits.ts";
import type { KeptFrame, ReplayRing } from "./replay-ring.ts";

/** What the data of a channel were read from. */
export interface Place {
  /** null: several shards. */
  readonly shard: string | null;
  readonly logSeq: number | null;
  /** UTC ms of the log. */
  readonly t: number;
}

export interface View extends Shown {
  readonly place: Place;
}

/** Whoever is subscribed to a topic. `frame` is shared by all of them. */
export interface Reader {
  send(topic: Topic, frame: Buffer): void;
}

/** A channel that is, or was not long ago, subscribed: its state, its sequence, its last deltas, its readers. */
export class Topic {
  readonly ch: string;
  readonly readers = new Set<Reader>();
  readonly #state: EncodedState;
  readonly #ring: ReplayRing;
  /** Of the last deltas, the newest last; null: it was too large to be kept. */
  readonly #kept: (KeptFrame | null)[] = [];
  #seq: number;
  #place: Place;
  /** Monotonic ms of the last frame, and since when nobody reads. */
  publishedAt: number;
  idleSince: number | null = null;

  /** `seq`: above every one that the channel has had in this run, so that none is given twice. */
  constructor(ch: string, kind: ChannelKind, ring: ReplayRing, first: View, now: number, seq: number) {
    this.ch = ch;
    this.#seq = seq;
    this.#ring = ring;
    this.#state = new EncodedState(kind);
    this.#state.update(first);
    this.#place = first.place;
    this.publishedAt = now;
  }

  get seq(): number {
    return this.#seq;
  }
  get place(): Place {
    return this.#place;
  }

  /** Tells every reader what has changed. `anyway`: also where nothing has, so that they know how old it is. */
  publish(view: View, markAgeMs: number | null, now: number, anyway: boolean): void {
    const delta = this.#state.update(view);
    if (delta === "{}" && !anyway) return;
    const before = this.#seq;
    this.#seq += 1;
    this.#place = view.place;
    this.publishedAt = now;
    const frame = this.#frame(`"type":"delta","seq":${this.#seq},"prevSeq":${before}`, markAgeMs, delta);
    this.#kept.push(this.#ring.put(frame));
    if (this.#kept.length > limits.replayFrames) this.#kept.shift();
    for (const reader of this.readers) reader.send(this, frame);
  }

  snapshot(markAgeMs: number | null): Buffer {
    return this.#frame(`"type":"snapshot","seq":${this.#seq}`, markAgeMs, this.#state.whole());
  }

  /** The deltas after a sequence; null: they are not all kept, or there never was such a sequence. */
  after(seq: number): readonly Buffer[] | null {
    const missed = this.#seq - seq;
    if (missed < 0 || missed > this.#kept.length) return null;
    const frames: Buffer[] = [];
    for (const one of missed === 0 ? [] : this.#kept.slice(-missed)) {
      const frame = one === null ? null : this.#ring.get(one);
      if (frame === null) return null;
      frames.push(frame);
    }
    return frames;
  }

  #frame(what: string, markAgeMs: number | null, data: string): Buffer {
    const { shard, logSeq, t } = this.#place;
    const place = `"shard":${JSON.stringify(shard)},"logSeq":${String(logSeq)},"t":${t},"markAgeMs":${String(markAgeMs)}`;
    return Buffer.from(`{"ch":"${this.ch}",${what},${place},"data":${data}}`, "utf8");
  }
}
