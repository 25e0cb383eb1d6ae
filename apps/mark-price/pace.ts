import { limits } from "./limits.ts";

/**
 * When frames are due: one per `frameMs`, and for a jump as soon as `fastFrameMs` after the one before. Looking for a jump that is none
 * only delays the next such look, so that frames go on however often one source cries. Times are monotonic ms.
 */
export class Pace {
  #framed = Number.NEGATIVE_INFINITY;
  #looked = Number.NEGATIVE_INFINITY;

  framed(now: number): void {
    this.#framed = now;
  }

  looked(now: number): void {
    this.#looked = now;
  }

  /** How long a look for a jump has to wait. */
  lookDueInMs(now: number): number {
    return Math.max(0, Math.max(this.#framed, this.#looked) + limits.fastFrameMs - now);
  }

  /** Asked every `frameMs`: whether an ordinary frame is due, or a jump's has just been made. */
  frameDue(now: number): boolean {
    return now - this.#framed >= limits.frameMs / 2;
  }
}
