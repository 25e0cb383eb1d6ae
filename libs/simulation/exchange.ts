import type { Effect, Entry, Fact, FrameEntry } from "#libs/contracts/log.ts";
import { PriceFrames } from "#libs/domain/collateral/price-frames.ts";
import type { Engine } from "#libs/engine/index.ts";
import { type Liquidity, SimulatedVenue } from "./venue.ts";

/** Effects answered for one entry; more means that a saga does not end, which is a defect. */
const answersMax = 1_000_000;

/**
 * A small exchange around the real engine: the real mark-price stage in front of it, and a venue behind it that answers every
 * effect at once. Sagas are carried through one after the other, worst pool first, before the next entry.
 */
export class SimulatedExchange {
  readonly engine: Engine;
  readonly pricing = new PriceFrames();
  readonly #venue: SimulatedVenue;
  /** UTC ms of the last entry. */
  #t = 0;

  constructor(engine: Engine, options: { readonly liquidity?: Liquidity } = {}) {
    this.engine = engine;
    this.#venue = new SimulatedVenue(engine, options.liquidity ?? null);
  }

  /** Applies one entry and whatever follows from it; returns all facts in order. */
  apply(entry: Entry): Fact[] {
    this.#t = Math.max(this.#t, entry.t);
    const applied = this.engine.apply(entry);
    const facts = [...applied.facts];
    // A stack: what an answer brings about comes before what was waiting, so a saga is finished before the next one begins.
    const open: Effect[] = [...applied.effects].reverse();
    for (let answers = 0; ; answers += 1) {
      const effect = open.pop();
      if (effect === undefined) return facts;
      if (answers === answersMax) throw new Error(`more than ${answersMax} effects follow from one entry`);
      const outcome = this.#venue.answer(effect);
      if (outcome === null) continue;
      const after = this.engine.apply({ ...outcome, t: this.#t });
      facts.push(...after.facts);
      for (const one of [...after.effects].reverse()) open.push(one);
    }
  }

  /** What stands on a book from now on: `[price, contracts]`, best first; consumed by fills until the next one. */
  setDepth(
    instrument: string,
    bids: readonly (readonly [string, string])[],
    asks: readonly (readonly [string, string])[],
  ): void {
    this.#venue.setDepth(instrument, bids, asks);
  }

  quote(said: { asset: string; source: string; price: string; t: number }): void {
    this.pricing.quote(said);
  }

  bookPrice(said: { instrument: string; price: string; t: number }): void {
    this.pricing.bookPrice(said);
  }

  /** One frame with all that the quotes so far have changed; no entry when nothing did. */
  frame(t: number): Fact[] {
    const made = this.pricing.frame(this.engine.machine.rules, t);
    return made === null ? [] : this.apply({ k: "frame", ...made, t });
  }

  /** A frame of prices that are given outright, good by themselves. */
  given({ depth, ...prices }: Pick<FrameEntry, "index" | "mark" | "depth">, t: number): Fact[] {
    const made = this.pricing.given(prices, this.engine.machine.rules, t);
    return this.apply({ k: "frame", ...made, ...(depth === undefined ? {} : { depth }), t });
  }
}
