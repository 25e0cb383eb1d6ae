import { sources } from "#libs/contracts/live/subjects.ts";
import { effectsByKind } from "#libs/contracts/log.ts";
import type { Engine } from "#libs/engine/index.ts";
import type { Clock } from "#libs/process/clock.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { limits } from "./limits.ts";
import type { Missing } from "./missing.ts";

interface GaugesParts {
  readonly shard: string;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Market time of the oldest entry of the matching engine that is applied and not committed; null: there is none. */
  readonly venueSince: () => number | null;
}

/** How the shard stands, as it is looked at: right after the start and twice a second, also while nothing can be applied. */
export class ShardGauges {
  readonly #parts: GaugesParts;
  readonly #timer: NodeJS.Timeout;
  /** Market time at which the matching engine's entries were seen to be missing; null: none are. */
  #missingSince: number | null = null;

  constructor(parts: GaugesParts) {
    this.#parts = parts;
    this.#look();
    this.#timer = setInterval(() => this.#look(), limits.gaugesMs);
  }

  gap(missing: Missing | null): void {
    const venue = missing?.source === sources.venue;
    this.#missingSince = venue ? (this.#missingSince ?? this.#parts.clock.now()) : null;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { shard, engine, clock, metrics, venueSince } = this.#parts;
    const open = effectsByKind(engine.machine.openEffects.values());
    for (const [kind, many] of Object.entries(open)) metrics.effectsOpen.with(kind).set(many);
    // Amounts become floats only here, where they are only looked at.
    for (const [asset, balance] of Object.entries(engine.fund()))
      metrics.insuranceFundBalance.with(asset).set(Number(balance));
    const since = venueSince() ?? this.#missingSince;
    metrics.venueSequenceLag.with(shard).set(since === null ? 0 : lagSeconds(clock.now(), since));
  }
}

/** Clocks of two machines differ a little: nothing is ever early. */
export const lagSeconds = (now: number, then: number): number => Math.max(0, now - then) / 1000;
