import type { OpenEffect } from "#libs/adapters/postgres/index.ts";
import type { Effect } from "#libs/contracts/log.ts";
import { limits } from "./limits.ts";

export interface Dispatched {
  readonly shard: string;
  readonly epoch: number;
  readonly effect: Effect;
  /** From 1. */
  readonly attempt: number;
  readonly trace?: string;
}

/** The next attempt at an effect that is still open. */
export function dispatchedAgain({ shard, epoch, effect, attempts, trace }: OpenEffect): Dispatched {
  return { shard, epoch, effect, attempt: attempts + 1, ...(trace === undefined ? {} : { trace }) };
}

/**
 * Carries out effects in the order in which they come: of one account one after the other, so that a cancel cannot overtake its
 * order, and over all accounts a bounded number at once. What is refused for want of room stays open in PostgreSQL.
 */
export class Dispatcher {
  readonly #carryOut: (one: Dispatched) => Promise<void>;
  readonly #lanes = new Map<string, Dispatched[]>();
  readonly #ready: string[] = [];
  readonly #held = new Set<string>();
  /** Effect id → its account, while it waits here or is under way: what a cancel is ordered by. */
  readonly #accounts = new Map<string, string>();
  #running = 0;
  #idle: (() => void)[] = [];

  constructor(carryOut: (one: Dispatched) => Promise<void>) {
    this.#carryOut = carryOut;
  }

  /** false: it is here already, or there is no room. */
  offer(one: Dispatched): boolean {
    const key = `${one.shard}/${one.effect.id}`;
    if (this.#held.has(key) || this.#held.size >= limits.waitingMax) return false;
    this.#held.add(key);
    const lane = this.#laneOf(one);
    this.#accounts.set(key, lane);
    const waiting = this.#lanes.get(lane);
    if (waiting === undefined) {
      this.#lanes.set(lane, [one]);
      this.#ready.push(lane);
    } else waiting.push(one);
    this.#next();
    return true;
  }

  /** Resolves when nothing is under way or waiting. */
  async settled(): Promise<void> {
    if (this.#held.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
    });
  }

  #laneOf({ shard, effect }: Dispatched): string {
    if ("account" in effect) return `${shard}/account/${effect.account}`;
    if (effect.effect === "cancel_all") return `${shard}/halts`;
    if (effect.effect === "cancel")
      return this.#accounts.get(`${shard}/${effect.of}`) ?? `${shard}/saga/${effect.saga}`;
    return `${shard}/saga/${effect.saga}`;
  }

  #next(): void {
    while (this.#running < limits.concurrency) {
      const lane = this.#ready.shift();
      if (lane === undefined) return;
      const one = this.#lanes.get(lane)?.shift();
      if (one === undefined) continue;
      this.#running += 1;
      void this.#carryOut(one)
        .catch(() => {})
        .finally(() => this.#done(lane, one));
    }
  }

  #done(lane: string, one: Dispatched): void {
    this.#running -= 1;
    const key = `${one.shard}/${one.effect.id}`;
    this.#held.delete(key);
    this.#accounts.delete(key);
    if (this.#lanes.get(lane)?.length === 0) this.#lanes.delete(lane);
    else this.#ready.push(lane);
    this.#next();
    if (this.#held.size === 0) for (const wake of this.#idle.splice(0)) wake();
  }
}
