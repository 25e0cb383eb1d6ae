import type { Bus } from "#libs/adapters/nats/index.ts";
import { type Database, type OpenEffect, openEffects } from "#libs/adapters/postgres/index.ts";
import type { EffectBatch } from "#libs/contracts/live/margin.ts";
import type { Clock } from "#libs/process/clock.ts";
import type { Lease } from "#libs/process/lease-holder.ts";
import type { Settings } from "#libs/process/settings.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { carryOut } from "./carry-out.ts";
import { type Dispatched, Dispatcher } from "./dispatcher.ts";
import { limits } from "./limits.ts";
import { runNotices } from "./notices.ts";
import { openRelay } from "./relays.ts";
import { Watchdog } from "./watchdog.ts";

export interface LeaderParts {
  readonly bus: Bus;
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly settings: Settings;
}

const ratiosMax = 50_000;

/** Carries out effects for as long as it holds the lease. */
export async function leadLiquidation(parts: LeaderParts, lease: Lease, stop: AbortSignal): Promise<void> {
  const { bus, db, logger, metrics, settings } = parts;
  const signal = AbortSignal.any([stop, lease.signal]);
  const mayAct = (): boolean => lease.holds() && !signal.aborted;
  const warn = limited((fields, message) => logger.warn(fields, message));
  const onError = (error: unknown): void => warn({ error }, "the outbox waits");
  const relays = new Map<string, Awaited<ReturnType<typeof openRelay>>>();
  for (const shard of settings.shards)
    relays.set(shard, await openRelay({ bus, db, mayWrite: mayAct, onError }, shard));

  const ratios = new Map<string, string>();
  const dispatcher: Dispatcher = new Dispatcher(async (one) =>
    carryOut(
      {
        ...parts,
        mayAct,
        onQueued: () => relays.get(one.shard)?.relay.kick(),
        onAttempt: (sent) => watchdog.plan(sent),
      },
      one,
    ),
  );
  const watchdog: Watchdog = new Watchdog({
    ...parts,
    redisUrl: settings.redisUrl,
    namespace: settings.namespace,
    signal,
    mayAct,
    resend: (one: Dispatched) => dispatcher.offer(one),
    ratioOf: (saga) => ratios.get(saga) ?? null,
    escalate: (one: OpenEffect) => {
      metrics.effectAttempts.with(one.effect.effect, "escalated").inc();
      logger.error({ shard: one.shard, effect: one.effect, attempts: one.attempts }, "an effect stays open");
    },
  });
  const onRatio = (saga: string, ratio: string): void => {
    const oldest = ratios.size >= ratiosMax ? ratios.keys().next().value : undefined;
    if (oldest !== undefined) ratios.delete(oldest);
    ratios.set(saga, ratio);
  };
  const notices = runNotices({ bus, db, logger, shards: settings.shards, signal, mayAct, onRatio });
  // From now on nothing is missed: what was committed before stands in PostgreSQL, what comes is pushed.
  const pushed = bus.subscribe(bus.names.subjects.allEffects, ({ data }) => take(dispatcher, settings.shards, data));
  await takeOpen(db, dispatcher).catch((error: unknown) => warn({ error }, "open effects could not be read"));
  logger.info({ epoch: lease.epoch }, "leading");
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  pushed.stop();
  await Promise.all([watchdog.stopped(), notices, dispatcher.settled()]);
  // A batch that cannot be stored ends with its writer.
  for (const { relay, writer } of relays.values()) await Promise.all([relay.stop(), writer.close()]);
}

function take(dispatcher: Dispatcher, shards: readonly string[], data: Uint8Array): void {
  const batch = JSON.parse(new TextDecoder().decode(data)) as EffectBatch;
  const { shard, epoch, effects, trace } = batch;
  if (!shards.includes(shard)) return;
  for (const effect of effects) {
    dispatcher.offer({ shard, epoch, effect, attempt: 1, ...(trace === undefined ? {} : { trace }) });
  }
}

/** What a predecessor may not have got round to; sent again it changes nothing. */
async function takeOpen(db: Database, dispatcher: Dispatcher): Promise<void> {
  for (const { shard, epoch, effect, attempts } of await openEffects(db))
    if (attempts < limits.attemptsMax) dispatcher.offer({ shard, epoch, effect, attempt: attempts + 1 });
}
