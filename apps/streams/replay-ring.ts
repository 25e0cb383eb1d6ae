/** Where a frame stands: its first byte, counted over all that were ever kept. */
export interface KeptFrame {
  readonly at: number;
  readonly length: number;
}

/** The last frames of all channels in one piece of memory: the oldest make room for the newest, and nothing is left for the collector. */
export class ReplayRing {
  readonly #bytes: Buffer;
  #written = 0;

  constructor(bytes: number) {
    this.#bytes = Buffer.allocUnsafe(bytes);
  }

  /** Bytes that are kept. */
  get size(): number {
    return Math.min(this.#written, this.#bytes.length);
  }

  /** Null: it is larger than everything that can be kept. */
  put(frame: Buffer): KeptFrame | null {
    const { length } = frame;
    const room = this.#bytes.length;
    if (length > room) return null;
    // A frame is never cut in two: what is left of the end is passed over.
    const start = this.#written % room;
    if (start + length > room) this.#written += room - start;
    const at = this.#written;
    frame.copy(this.#bytes, at % room);
    this.#written += length;
    return { at, length };
  }

  /** A copy; null: others have taken its place. */
  get({ at, length }: KeptFrame): Buffer | null {
    const room = this.#bytes.length;
    if (this.#written - at > room) return null;
    const start = at % room;
    return Buffer.from(this.#bytes.subarray(start, start + length));
  }
}
