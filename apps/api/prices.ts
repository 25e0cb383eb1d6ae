import type { Bus, Subscription } from "#libs/adapters/nats/index.ts";
import { readLiveEntry } from "#libs/contracts/live/door.ts";
import { Rational } from "#libs/decimal/index.ts";
import { monotonicMs } from "#libs/process/clock.ts";

/** The newest indices, from the frames of one shard: all are given the same. */
export class Prices {
  readonly #index = new Map<string, string>();
  readonly #frames: Subscription;
  #seen: number | null = null;

  constructor(bus: Bus, shard: string) {
    this.#frames = bus.subscribe(bus.names.subjects.entry(shard, "frame"), ({ data, subject }) => {
      const reading = readLiveEntry(data, subject);
      if (!reading.ok || reading.entry.k !== "frame") return;
      this.#seen = monotonicMs();
      for (const [id, price] of Object.entries(reading.entry.index ?? {})) this.#index.set(id, price);
    });
  }

  /** USD for one of the asset; null: never heard of. */
  index(asset: string): Rational | null {
    const price = this.#index.get(asset);
    return price === undefined ? null : Rational.parse(price);
  }

  /** How long ago the last frame came, ms; null: none has. */
  get ageMs(): number | null {
    return this.#seen === null ? null : Math.round(monotonicMs() - this.#seen);
  }

  stop(): void {
    this.#frames.stop();
  }
}
