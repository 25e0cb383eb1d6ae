import { type AdlQueue, type AdlQueues, adlQueues, type Side } from "#libs/engine/adl-queues.ts";
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
 * where that was a second ago, but one at a time and with pauses in proportion, so that a large book's queues grow older rather than hold
 * everybody up.
 */
export class StandingQueues implements AdlQueues {
  readonly #kept = new Map<number, Kept>();
  readonly #now: () => number;
  #of: LiveShard | null = null;
  /** None is made anew before, monotonic ms. */
  #restsUntil = Number.NEGATIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** What is asked from now on is asked of this book. */
  follow(of: LiveShard): this {
    if (of.engine.machine !== this.#of?.engine.machine) this.#kept.clear();
    this.#of = of;
    return this;
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
    if (known?.logSeq === of.seq) return known;
    const from = this.#now();
    if (known !== undefined && (from < this.#restsUntil || from - known.at < limits.queuesMs)) return known;
    const queues = adlQueues(of.engine.machine, new Set([instrument]));
    const made = { queues, logSeq: of.seq, at: this.#now() };
    this.#restsUntil = made.at + (made.at - from) * limits.queuesPause;
    this.#kept.set(instrument, made);
    return made;
  }
}
