import type { Bus, Subscription } from "#libs/adapters/nats/index.ts";
import { readLiveEntry } from "#libs/contracts/live/door.ts";
import type { ExchangeReply } from "#libs/contracts/live/margin.ts";
import { Rational } from "#libs/decimal/index.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import { limits } from "./limits.ts";

/**
 * The newest indices, from the frames of one shard: all are given the same. A frame has what changed, so what has not changed since this process
 * began is asked of the shard's engine.
 */
export class Prices {
  readonly #bus: Bus;
  readonly #shard: string;
  readonly #index = new Map<string, string>();
  readonly #frames: Subscription;
  #seen: number | null = null;

  constructor(bus: Bus, shard: string) {
    this.#bus = bus;
    this.#shard = shard;
    this.#frames = bus.subscribe(bus.names.subjects.entry(shard, "frame"), ({ data, subject }) => {
      const reading = readLiveEntry(data, subject);
      if (!reading.ok || reading.entry.k !== "frame") return;
      this.#seen = monotonicMs();
      for (const [id, price] of Object.entries(reading.entry.index ?? {})) this.#index.set(id, price);
    });
  }

  /** USD for one of the asset; null: there is none. Throws where the engine has to be asked and does not answer. */
  async index(asset: string): Promise<Rational | null> {
    if (!this.#index.has(asset)) await this.#ask();
    const price = this.#index.get(asset);
    return price === undefined ? null : Rational.parse(price);
  }

  async #ask(): Promise<void> {
    const subject = this.#bus.names.subjects.rpc(this.#shard, "exchange");
    const { index } = await this.#bus.request<ExchangeReply>(subject, {}, { timeoutMs: limits.rpcMs });
    // What a frame has said meanwhile is newer.
    for (const [id, price] of Object.entries(index)) if (!this.#index.has(id)) this.#index.set(id, price);
  }

  /** How long ago the last frame came, ms; null: none has. */
  get ageMs(): number | null {
    return this.#seen === null ? null : Math.round(monotonicMs() - this.#seen);
  }

  stop(): void {
    this.#frames.stop();
  }
}
