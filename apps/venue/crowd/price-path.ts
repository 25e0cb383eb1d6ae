import type { Bus } from "#libs/adapters/nats/index.ts";
import { wait } from "#libs/process/backoff.ts";
import type { MarketClock } from "#libs/process/clock.ts";
import type { ReplayStep } from "#libs/simulation/market-replay.ts";
import { parSource } from "./plan.ts";

/** Wall ms between two quotes of a source: about as often as frames leave. */
const quoteEveryMs = 100;
const quotesPerStepMax = 200;

interface Point {
  readonly asset: string;
  readonly source: string;
  readonly price: string;
}

/**
 * Prices between the recorded points, on a straight line from each to the next: real prices do not stand still for a quarter of a minute
 * and then leap. The last quote of a step is the recorded price itself.
 */
export class PricePath {
  readonly #bus: Bus;
  readonly #clock: MarketClock;
  readonly #last = new Map<string, Point>();

  constructor(bus: Bus, clock: MarketClock) {
    this.#bus = bus;
    this.#clock = clock;
  }

  /** Walks from where prices stand to this step, within so many wall ms. */
  async walk(step: ReplayStep, withinMs: number, signal: AbortSignal): Promise<void> {
    const parts = Math.min(quotesPerStepMax, Math.max(1, Math.floor(withinMs / quoteEveryMs)));
    const from = new Map(this.#last);
    for (let part = 1; part <= parts && !signal.aborted; part += 1) {
      for (const to of step.quotes) {
        const key = `${to.source} ${to.asset}`;
        const before = from.get(key) ?? to;
        this.#tell({ ...to, price: between(before.price, to.price, part / parts) });
        this.#last.set(key, to);
      }
      this.#tell({ asset: "USDT", source: parSource, price: "1" });
      if (part < parts) await wait(withinMs / parts, signal);
    }
  }

  #tell({ asset, source, price }: Point): void {
    this.#bus.publish(this.#bus.names.subjects.quote(source, asset), { price, t: this.#clock.now() });
  }
}

const decimalsOf = (text: string): number =>
  text.length - 1 - (text.includes(".") ? text.indexOf(".") : text.length - 1);

/** A share of the way from one price to another; at the end of it the other price to the letter. */
export function between(from: string, to: string, share: number): string {
  if (share >= 1 || from === to) return to;
  const decimals = Math.max(decimalsOf(from), decimalsOf(to));
  return (Number(from) + (Number(to) - Number(from)) * share).toFixed(decimals);
}
