import type { FrameEntry } from "#libs/contracts/log.ts";
import type { PriceFrame } from "#libs/domain/collateral/price-frames.ts";
import { newTrace } from "#libs/telemetry/trace.ts";
import { merged } from "./merge.ts";

/** Writes one entry; `stored` resolves to its log position and rejects when the writer is closed. */
export interface FrameWriter {
  write(body: FrameEntry, t: number, trace?: string): { readonly sourceSeq: number; readonly stored: Promise<number> };
}

export interface StoredFrame {
  readonly frame: PriceFrame;
  /** UTC ms, the market's clock. */
  readonly t: number;
  readonly sourceSeq: number;
  readonly logSeq: number;
  /** Monotonic ms: arrival of the oldest quote behind it; null: nothing but time. */
  readonly arrived: number | null;
}

interface Waiting {
  readonly frame: PriceFrame;
  readonly t: number;
  readonly arrived: number | null;
}

/**
 * The frames of one shard's log, in order: one under way at a time, and what comes meanwhile becomes one frame, so that while the log
 * cannot be written only the newest prices wait.
 */
export class FrameLog {
  readonly #writer: FrameWriter;
  readonly #mayWrite: () => boolean;
  readonly #onStored: (stored: StoredFrame) => void;
  readonly #onError: (error: unknown) => void;
  #waiting: Waiting | null = null;
  #underWay: Promise<void> | null = null;

  constructor(
    writer: FrameWriter,
    handlers: {
      readonly mayWrite: () => boolean;
      readonly onStored: (stored: StoredFrame) => void;
      readonly onError: (error: unknown) => void;
    },
  ) {
    this.#writer = writer;
    this.#mayWrite = handlers.mayWrite;
    this.#onStored = handlers.onStored;
    this.#onError = handlers.onError;
  }

  /** Whether a frame waits behind one that is not stored yet. */
  get behind(): boolean {
    return this.#waiting !== null;
  }

  offer(frame: PriceFrame, t: number, arrived: number | null): void {
    const before = this.#waiting;
    const first = before?.arrived ?? arrived;
    this.#waiting = before === null ? { frame, t, arrived } : { frame: merged(before.frame, frame), t, arrived: first };
    this.flush();
  }

  /** Sends what waits, if nothing is under way and it may be sent. */
  flush(): void {
    if (this.#underWay !== null || this.#waiting === null || !this.#mayWrite()) return;
    const sent = this.#waiting;
    this.#waiting = null;
    this.#underWay = this.#send(sent).finally(() => {
      this.#underWay = null;
      this.flush();
    });
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#underWay !== null) await this.#underWay;
  }

  async #send(sent: Waiting): Promise<void> {
    try {
      const { sourceSeq, stored } = this.#writer.write({ k: "frame", ...sent.frame }, sent.t, newTrace());
      const logSeq = await stored;
      this.#onStored({ ...sent, sourceSeq, logSeq });
    } catch (error) {
      this.#onError(error);
      // The writer has given up for good, so nothing is sent any more; a successor begins with all there is.
      this.#waiting = null;
    }
  }
}
