import { type AdlQueue, type AdlQueues, adlQueues, type Side } from "#libs/engine/adl-queues.ts";
import { limits } from "./limits.ts";
import { Ration } from "./ration.ts";
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
  readonly #ration: Ration;
  readonly #of: LiveShard;

  /** `now`: monotonic ms. */
  constructor(of: LiveShard, now: () => number) {
    this.#of = of;
    this.#now = now;
    this.#ration = new Ration(now, limits.queuesPause);
  }

  of(instrument: number, side: Side): AdlQueue | null {
    return this.#standing(instrument).queues.of(instrument, side);
  }

  /** Position in the log that the queues of an instrument are as of. */
  logSeq(instrument: number): number {
    return this.#kept.get(instrument)?.logSeq ?? 0;
  }

  #standing(instrument: number): Kept {
    const of = this.#of;
    const known = this.#kept.get(instrument);
    if (known?.logSeq === of.seq) return known;
    if (known !== undefined && (this.#now() - known.at < limits.queuesMs || !this.#ration.open)) return known;
    const queues = this.#ration.spend(() => adlQueues(of.engine.machine, new Set([instrument])));
    const made = { queues, logSeq: of.seq, at: this.#now() };
    this.#kept.set(instrument, made);
    return made;
  }
}
