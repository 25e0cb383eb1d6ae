import { Fifo } from "#libs/engine/gate/fifo.ts";

/** Why somebody is to be told; the higher, the sooner. */
export const urgency = { none: 0, late: 1, moved: 2, happened: 3 } as const;
export type Urgency = (typeof urgency)[keyof typeof urgency];

export interface Owing {
  owed: Urgency;
  /** Its place among those who are owed something. */
  turn: number;
  /** Monotonic ms. */
  toldAt: number;
}

interface Place<One> {
  readonly one: One;
  readonly turn: number;
}

/**
 * Who is to be told next, the most urgent first and of equals the one that has waited longest. Each step costs the same however many
 * there are: a place that somebody who was told, or became more urgent, has left behind is passed over.
 */
export class Owed<One extends Owing> {
  /** In the order in which they were told. */
  readonly #told = new Fifo<{ readonly one: One; readonly at: number }>();
  readonly #lines = { 3: new Fifo<Place<One>>(), 2: new Fifo<Place<One>>(), 1: new Fifo<Place<One>>() };
  #turns = 0;

  owe(one: One, why: 1 | 2 | 3): void {
    if (one.owed >= why) return;
    one.owed = why;
    one.turn = this.#turns += 1;
    this.#lines[why].push({ one, turn: one.turn });
  }

  /** It is told at a time that is no earlier than any before. */
  tell(one: One, now: number): void {
    one.owed = urgency.none;
    one.toldAt = now;
    this.#told.push({ one, at: now });
  }

  /** Whoever was told at `before` or earlier is late; of them those that have waited longest, where there are more than `most`. */
  oweLate(before: number, most: number = Number.POSITIVE_INFINITY): void {
    let left = most;
    for (let next = this.#told.first; next !== undefined && next.at <= before && left > 0; next = this.#told.first) {
      this.#told.shift();
      if (next.one.toldAt !== next.at || next.one.owed !== urgency.none) continue;
      this.owe(next.one, urgency.late);
      left -= 1;
    }
  }

  /** Null: nobody is owed anything. It is given again until it is told. */
  get next(): One | null {
    for (const why of [urgency.happened, urgency.moved, urgency.late] as const) {
      const line = this.#lines[why];
      for (let place = line.first; place !== undefined; place = line.first) {
        const { one, turn } = place;
        if (one.turn === turn && one.owed === why) return one;
        line.shift();
      }
    }
    return null;
  }
}
