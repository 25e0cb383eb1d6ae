import type { FactRow } from "#libs/adapters/postgres/index.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { monotonic } from "./waiting.ts";

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** A liquidation's stage, and since when it has been in it, monotonic ms. */
interface InStage {
  readonly stage: number;
  readonly since: number;
}

/** Counts what committed facts say has happened. */
export class FactMetrics {
  readonly #metrics: Metrics;
  /** Liquidations that are under way. Of those that an earlier leader began, the stage they are in is not timed. */
  readonly #stages = new Map<string, InStage>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  count(facts: readonly FactRow[]): void {
    const metrics = this.#metrics;
    for (const { fact, body } of facts) {
      const said = body as Readonly<Record<string, unknown>>;
      if (fact === "adl.filled") metrics.adlFills.inc();
      else if (fact === "liquidation.started") this.#enter(text(said["saga"]), 1);
      else if (fact === "liquidation.stage") this.#enter(text(said["saga"]), Number(said["stage"]));
      else if (fact === "liquidation.ended") {
        this.#leave(text(said["saga"]));
        metrics.liquidations.with(text(said["outcome"])).inc();
      } else if (fact === "halt.set") metrics.circuitBreakerTrips.with(text(said["scope"]), text(said["reason"])).inc();
    }
  }

  #enter(saga: string, stage: number): void {
    this.#leave(saga);
    this.#stages.set(saga, { stage, since: monotonic() });
  }

  #leave(saga: string): void {
    const left = this.#stages.get(saga);
    if (left === undefined) return;
    this.#stages.delete(saga);
    this.#metrics.liquidationStage.with(String(left.stage)).observe((monotonic() - left.since) / 1000);
  }
}
