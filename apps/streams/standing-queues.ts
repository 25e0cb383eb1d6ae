import { type AdlQueue, type AdlQueues, adlQueues, noQueues, type Side } from "#libs/engine/adl-queues.ts";
import { limits } from "./limits.ts";
import type { LiveShard } from "./world.ts";

interface Kept {
  readonly queues: AdlQueues;
  readonly logSeq: number;
  /** Monotonic ms. */
  readonly at: number;
}

/**
 * The queues of deleveraging of a shard, by instrument, each as of its own place in the log: made when they are first asked for, and anew
 * where that was a second ago, but only for so long in one pass, because a book's worth of them at once would hold up everybody.
 */
export class StandingQueues implements AdlQueues {
  readonly #kept = new Map<number, Kept>();
  readonly #now: () => number;
  #of: LiveShard | null = null;
  /** What of this pass is left for it, ms. */
  #leftMs = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** What is asked from now on is asked of this book. */
  follow(of: LiveShard): this {
    if (of.engine.machine !== this.#of?.engine.machine) this.#kept.clear();
    this.#of = of;
    return this;
  }

  passBegins(): void {
    this.#leftMs = limits.queuesPassMs;
  }

  of(instrument: number, side: Side): AdlQueue | null {
    return this.#of === null ? null : this.#standing(instrument, this.#of).queues.of(instrument, side);
  }

  /** Position in the log that the queues of an instrument are as of. */
  logSeq(instrument: number): number {
    return this.#kept.get(instrument)?.logSeq ?? 0;
  }

  #standing(instrument: number, of: LiveShard): Kept {
    const known = this.#kept.get(instrument);
    if (known !== undefined && (known.logSeq === of.seq || this.#leftMs <= 0)) return known;
    const from = this.#now();
    if (known !== undefined && from - known.at < limits.queuesMs) return known;
    const queues = instrument < 0 ? noQueues : adlQueues(of.engine.machine, new Set([instrument]));
    const made = { queues, logSeq: of.seq, at: this.#now() };
    this.#leftMs -= made.at - from;
    this.#kept.set(instrument, made);
    return made;
  }
}
