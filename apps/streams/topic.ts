import type { ChannelKind } from "#libs/contracts/stream/channels.ts";
import { EncodedState, type Shown } from "./encoded-state.ts";
import { limits } from "./limits.ts";

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

/** One delta as it was sent. */
interface Kept {
  readonly seq: number;
  readonly frame: Buffer;
}

/** Bytes of deltas that all topics keep together. Where there is no room, who publishes makes it of its own. */
export interface ReplayRoom {
  bytes: number;
}

/** A channel that is, or was not long ago, subscribed: its state, its sequence, its last deltas, its readers. */
export class Topic {
  readonly ch: string;
  readonly readers = new Set<Reader>();
  readonly #state: EncodedState;
  readonly #room: ReplayRoom;
  readonly #kept: Kept[] = [];
  #seq: number;
  #place: Place;
  /** Monotonic ms of the last frame, and since when nobody reads. */
  publishedAt: number;
  idleSince: number | null = null;

  /** `seq`: above every one that the channel has had in this run, so that none is given twice. */
  constructor(ch: string, kind: ChannelKind, room: ReplayRoom, first: View, now: number, seq: number) {
    this.ch = ch;
    this.#seq = seq;
    this.#room = room;
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
    this.#keep({ seq: this.#seq, frame });
    for (const reader of this.readers) reader.send(this, frame);
  }

  snapshot(markAgeMs: number | null): Buffer {
    return this.#frame(`"type":"snapshot","seq":${this.#seq}`, markAgeMs, this.#state.whole());
  }

  /** The deltas after a sequence; null: they are not all kept, or there never was such a sequence. */
  after(seq: number): readonly Buffer[] | null {
    if (seq === this.#seq) return [];
    const first = this.#kept.findIndex((one) => one.seq === seq + 1);
    return first < 0 ? null : this.#kept.slice(first).map(({ frame }) => frame);
  }

  forgetAll(): void {
    while (this.#kept.length > 0) this.#forgetOldest();
  }

  #keep(one: Kept): void {
    this.#kept.push(one);
    this.#room.bytes += one.frame.length;
    if (this.#kept.length > limits.replayFrames) this.#forgetOldest();
    while (this.#room.bytes > limits.replayBytes && this.#kept.length > 0) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const gone = this.#kept.shift();
    if (gone !== undefined) this.#room.bytes -= gone.frame.length;
  }

  #frame(what: string, markAgeMs: number | null, data: string): Buffer {
    const { shard, logSeq, t } = this.#place;
    const place = `"shard":${JSON.stringify(shard)},"logSeq":${String(logSeq)},"t":${t},"markAgeMs":${String(markAgeMs)}`;
    return Buffer.from(`{"ch":"${this.ch}",${what},${place},"data":${data}}`, "utf8");
  }
}
