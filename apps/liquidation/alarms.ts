import {
  type Alarm,
  type OpenEffect,
  type OpenProviderCall,
  type Queryable,
  raiseAlarm,
} from "#libs/adapters/postgres/index.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";

export interface AlarmParts {
  readonly db: Queryable;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** An effect that has been sent so often that waiting alone will not help; once for each. */
export async function escalateEffect({ db, logger, metrics }: AlarmParts, one: OpenEffect): Promise<void> {
  const { shard, effect, attempts, openForMs } = one;
  metrics.effectAttempts.with(effect.effect, "escalated").inc();
  logger.error({ shard, effect, attempts }, "an effect stays open");
  const alarm: Alarm = {
    id: `effect-${shard}-${effect.id}`,
    shard,
    code: "effect_stuck",
    text: `the matching engine has not carried out ${effect.effect} ${effect.id} after ${attempts} attempts`,
    detail: { effect, attempts, openForMs },
  };
  if (await raiseAlarm(db, alarm)) metrics.alarms.with(alarm.code).inc();
}

/** A provider that disputes a take-over, or does not answer: the position is its own all the same. */
export function providerAlarm(
  { id, shard, provider, saga, attempts, body }: OpenProviderCall,
  outcome: "refused" | "timeout",
  reason: string | null,
): Alarm {
  const text =
    outcome === "refused"
      ? `provider ${provider} disputes a take-over that is booked on its account`
      : `provider ${provider} has not answered for a take-over after ${attempts} attempts`;
  return { id, shard, code: `provider_${outcome}`, text, detail: { provider, saga, attempts, reason, takeover: body } };
}
