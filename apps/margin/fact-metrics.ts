import type { FactRow } from "#libs/adapters/postgres/index.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** Counts what committed facts say has happened. Amounts become floats only here, where they are only looked at. */
export function countFacts(metrics: Metrics, facts: readonly FactRow[]): void {
  for (const { fact, body } of facts) {
    const said = body as Readonly<Record<string, unknown>>;
    if (fact === "adl.filled") metrics.adlFills.inc();
    else if (fact === "liquidation.ended") metrics.liquidations.with(text(said["outcome"])).inc();
    else if (fact === "halt.set") metrics.circuitBreakerTrips.with(text(said["scope"]), text(said["reason"])).inc();
    else if (fact === "fund.changed" || fact === "insurance.paid")
      metrics.insuranceFundBalance.with(text(said["asset"])).set(Number(text(said["balance"])));
  }
}
