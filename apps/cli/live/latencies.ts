import type { Effect, Fact } from "#libs/contracts/log.ts";

const framesKept = 2_000;
const sagasKept = 50_000;
const samplesKept = 100_000;

/** Times of one kind, ms. */
export interface Measured {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What a stopwatch beside the bus can see: a price's frame, the first closing order that it led to, its booking. */
export const latencyNames = {
  close: "mark → first closing order",
  settled: "mark → settled in PostgreSQL",
} as const;
export type LatencyName = keyof typeof latencyNames;

interface Started {
  readonly at: number;
  closed: boolean;
  settled: boolean;
}

/**
 * From the moment at which a frame stands on the bus to that of the closing order's command, and of the first facts about its
 * fills, which leave only after their commit. Frames and the sagas they start carry the same time of the market.
 */
export class Latencies {
  /** `shard t` → when that frame was seen. */
  readonly #frames = new Map<string, number>();
  readonly #sagas = new Map<string, Started>();
  readonly #samples: Record<LatencyName, number[]> = { close: [], settled: [] };
  /** Commands that came before the fact of their saga's start, which is published behind its effects. */
  readonly #early = new Map<string, number>();

  frame(shard: string, t: number, at: number): void {
    keep(this.#frames, `${shard} ${t}`, at, framesKept);
  }

  fact(shard: string, fact: Fact, at: number): void {
    const saga = `${shard} ${String(fact["saga"])}`;
    if (fact.fact === "liquidation.started") this.#began(shard, fact, saga);
    else if (fact.fact === "liquidation.step") this.#took("settled", saga, at);
  }

  command(shard: string, effect: Effect, at: number): void {
    if (effect.effect !== "close") return;
    const saga = `${shard} ${effect.saga}`;
    if (this.#sagas.has(saga)) this.#took("close", saga, at);
    else if (!this.#early.has(saga)) keep(this.#early, saga, at, framesKept);
  }

  #began(shard: string, fact: Fact, saga: string): void {
    const at = this.#frames.get(`${shard} ${fact.t}`);
    // Some liquidations begin with a fill or a funding payment, not with a price.
    if (at === undefined) return;
    keep(this.#sagas, saga, { at, closed: false, settled: false }, sagasKept);
    const early = this.#early.get(saga);
    if (early !== undefined) this.#took("close", saga, early);
  }

  #took(name: LatencyName, saga: string, at: number): void {
    const started = this.#sagas.get(saga);
    if (started === undefined) return;
    const flag = name === "close" ? "closed" : "settled";
    if (started[flag]) return;
    started[flag] = true;
    const samples = this.#samples[name];
    if (samples.length < samplesKept) samples.push(at - started.at);
  }

  /** Begins anew: what has been measured so far does not count. */
  forget(): void {
    for (const samples of Object.values(this.#samples)) samples.length = 0;
  }

  get(name: LatencyName): Measured | null {
    const sorted = this.#samples[name].toSorted((left, right) => left - right);
    if (sorted.length === 0) return null;
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
    return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: sorted.at(-1) as number };
  }
}

function keep<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value as string);
}
