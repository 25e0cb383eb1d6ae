import { createHistogram, performance } from "node:perf_hooks";
import type { Entry } from "#libs/contracts/log.ts";
import type { Engine } from "#libs/engine/index.ts";

/** How fast an engine took its entries. Wall time, so it is part of a report and of no hash. */
export interface Speed {
  readonly entries: number;
  /** Seconds inside `apply`. */
  readonly appliedSeconds: number;
  readonly entriesPerSecond: number;
  /** Frames of the crash, without the warm-up. µs. */
  readonly tickP50: number;
  readonly tickP99: number;
  readonly tickMax: number;
  /** From start to end, prices, books and population included. */
  readonly wallSeconds: number;
}

/** Measures every `apply` of an engine, and those of frames with a population by themselves. */
export class Stopwatch {
  readonly #frames = createHistogram();
  readonly #started = performance.now();
  #entries = 0;
  #appliedMs = 0;
  #populated = false;

  watch(engine: Engine): void {
    const apply = engine.apply.bind(engine);
    engine.apply = (entry: Entry) => {
      const before = performance.now();
      const result = apply(entry);
      const ms = performance.now() - before;
      this.#entries += 1;
      this.#appliedMs += ms;
      if (entry.k === "trade") this.#populated = true;
      if (entry.k === "frame" && this.#populated) this.#frames.record(Math.max(1, Math.round(ms * 1_000_000)));
      return result;
    };
  }

  speed(): Speed {
    const seconds = this.#appliedMs / 1000;
    return {
      entries: this.#entries,
      appliedSeconds: seconds,
      entriesPerSecond: seconds > 0 ? this.#entries / seconds : 0,
      tickP50: this.#frames.percentile(50) / 1000,
      tickP99: this.#frames.percentile(99) / 1000,
      tickMax: this.#frames.max / 1000,
      wallSeconds: (performance.now() - this.#started) / 1000,
    };
  }
}
