import { type Alarm, type Database, raiseAlarm, recordReconciliation } from "#libs/adapters/postgres/index.ts";
import type { Reconciliation } from "#libs/adapters/postgres/index.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";

/** What is looked at, and the alarm when it is not as it should be; a second alarm, `<code>_over`, when it is again. */
const alarms = {
  memory: { code: "memory_differs", text: "memory and tables differ" },
  ledger: { code: "ledger_differs", text: "tables and ledger differ" },
  conservation: { code: "conservation_broken", text: "money or contracts are not conserved over all shards" },
  clearing: { code: "clearing_open", text: "halves of trades have not met" },
  venue: { code: "venue_behind", text: "the matching engine's entries are not committed" },
  positions: { code: "positions_differ", text: "the matching engine attests other positions" },
  snapshots: { code: "snapshot_old", text: "a start would have to begin far back" },
  partitions: { code: "partitions_low", text: "partitions are not made ahead" },
  expiry: { code: "expiry_unsettled", text: "an expired instrument has no price to settle on" },
} as const;
export type Kind = keyof typeof alarms;
export const kinds = Object.keys(alarms) as Kind[];

export interface FindingsParts {
  readonly db: Database;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** A look that fails for so long is an alarm of its own. */
export const blindAfterMs = 60_000;

/** Records what looks find, and raises an alarm where something begins to differ, ends, or cannot be looked at. */
export class Findings {
  readonly #parts: FindingsParts;
  readonly #warn: Logger["warn"];
  readonly #monotonic: () => number;
  /** Kind → shard → differences of the latest look. */
  readonly #latest = new Map<Kind, Map<string, number>>();
  /** Look → since when it has failed, monotonic ms; null: the alarm has been raised. */
  readonly #failing = new Map<string, { readonly since: number; told: boolean }>();

  constructor(parts: FindingsParts, monotonic: () => number = monotonicMs) {
    this.#parts = parts;
    this.#monotonic = monotonic;
    this.#warn = limited((fields, message) => parts.logger.warn(fields, message));
  }

  /** One look, which may tell of several kinds; one that cannot be made does not keep others out. */
  async look(
    kind: Kind,
    shard: string,
    make: () => Promise<Reconciliation | readonly Reconciliation[]>,
  ): Promise<void> {
    const { metrics } = this.#parts;
    try {
      const found = await make();
      for (const run of Array.isArray(found) ? (found as readonly Reconciliation[]) : [found as Reconciliation])
        await this.#record(run);
      this.#failing.delete(`${kind}-${shard}`);
      metrics.reconciliations.with(kind, "made").inc();
      metrics.reconciliationMade.with(kind).set(Date.now() / 1_000);
    } catch (error) {
      metrics.reconciliations.with(kind, "failed").inc();
      this.#warn({ error, kind, shard }, "a comparison could not be made");
      await this.#failed(kind, shard).catch((failure: unknown) =>
        this.#warn({ error: failure }, "no alarm was raised"),
      );
    }
  }

  async #record(run: Reconciliation): Promise<void> {
    const { db, logger, metrics } = this.#parts;
    const kind = run.kind as Kind;
    const raised = await db.transaction(async (client) => {
      const { run: number, before } = await recordReconciliation(client, run);
      const alarm = alarmOf(run, number, before ?? 0);
      return alarm !== null && (await raiseAlarm(client, alarm)) ? alarm : null;
    });
    if (raised !== null) metrics.alarms.with(raised.code).inc();
    const latest = this.#latest.get(kind) ?? new Map<string, number>();
    this.#latest.set(kind, latest.set(run.shard, run.differences.length));
    metrics.reconciliationDifferences.with(kind).set([...latest.values()].reduce((sum, many) => sum + many, 0));
    if (run.differences.length > 0) logger.error({ ...run }, "a comparison found differences");
  }

  async #failed(kind: Kind, shard: string): Promise<void> {
    const key = `${kind}-${shard}`;
    const now = this.#monotonic();
    const failing = this.#failing.get(key) ?? { since: now, told: false };
    this.#failing.set(key, failing);
    if (failing.told || now - failing.since < blindAfterMs) return;
    const id = `blind-${key}-${Date.now()}`;
    const text = `for ${Math.round((now - failing.since) / 1_000)} s nobody could look whether ${alarms[kind].text}`;
    await raiseAlarm(this.#parts.db, { id, shard, code: "comparison_blind", text, detail: { kind } });
    failing.told = true;
    this.#parts.metrics.alarms.with("comparison_blind").inc();
  }
}

function alarmOf(run: Reconciliation, number: number, before: number): Alarm | null {
  const begins = run.differences.length > 0 && before === 0;
  const ends = run.differences.length === 0 && before > 0;
  if (!begins && !ends) return null;
  const { code, text } = alarms[run.kind as Kind];
  const { shard, kind, appliedSeq, compared, differences } = run;
  return {
    id: `${kind}-${shard}-${number}`,
    shard,
    code: begins ? code : `${code}_over`,
    text: begins ? text : `no longer: ${text}`,
    detail: { run: number, kind, appliedSeq, compared, differences },
  };
}
