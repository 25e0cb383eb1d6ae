import type { Bus } from "#libs/adapters/nats/index.ts";
import { type Database, openEffects } from "#libs/adapters/postgres/index.ts";
import type { EffectBatch } from "#libs/contracts/live/margin.ts";
import type { Clock } from "#libs/process/clock.ts";
import type { Lease } from "#libs/process/lease-holder.ts";
import type { Settings } from "#libs/process/settings.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { escalateEffect } from "./alarms.ts";
import { Attempts } from "./attempts.ts";
import { carryOut } from "./carry-out.ts";
import { Delivery, noticeQueue } from "./delivery.ts";
import { dispatchedAgain, Dispatcher } from "./dispatcher.ts";
import { limits } from "./limits.ts";
import { runNotices } from "./notices.ts";
import { providerCalls, providerQueue } from "./provider-calls.ts";
import { Ratios } from "./ratios.ts";
import { openRelay } from "./relays.ts";
import { WakeQueues } from "./wake-queues.ts";
import { dutyOf, watchdog, watchdogQueue } from "./watchdog.ts";

export interface LeaderParts {
  readonly bus: Bus;
  readonly db: Database;
  /** For notices and calls of providers. */
  readonly records: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly settings: Settings;
}

/** Carries out effects, tells providers and publishes notices for as long as it holds the lease. */
export async function leadLiquidation(parts: LeaderParts, lease: Lease, stop: AbortSignal): Promise<void> {
  const { bus, db, logger, settings } = parts;
  const signal = AbortSignal.any([stop, lease.signal]);
  const mayAct = (): boolean => lease.holds() && !signal.aborted;
  const warn = limited((fields, message) => logger.warn(fields, message));
  const onError = (error: unknown): void => warn({ error }, "the outbox waits");
  const relays = new Map<string, Awaited<ReturnType<typeof openRelay>>>();
  for (const shard of settings.shards)
    relays.set(shard, await openRelay({ bus, db, mayWrite: mayAct, onError }, shard));

  const ratios = new Ratios();
  const attempts = new Attempts(parts.records, logger);
  const own = { ...parts, signal, mayAct, ratios };
  const dispatcher: Dispatcher = new Dispatcher(async (one) =>
    carryOut(
      {
        ...own,
        attempts,
        onQueued: () => relays.get(one.shard)?.relay.kick(),
        onAttempt: () => effects.soon(),
      },
      one,
    ),
  );
  const effects = watchdog({
    ...own,
    resend: (one) => dispatcher.offer(one),
    escalate: async (one) => escalateEffect(parts, one),
  });
  // From now on nothing is missed: what was committed before stands in PostgreSQL, what comes is pushed.
  const pushed = bus.subscribe(bus.names.subjects.allEffects, ({ data }) => take(dispatcher, settings.shards, data));
  await takeOpen(db, dispatcher, ratios).catch((error: unknown) => warn({ error }, "open effects could not be read"));
  const watched = overseeAll(own, effects);
  logger.info({ epoch: lease.epoch }, "leading");
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  pushed.stop();
  await Promise.all([watched, dispatcher.settled()]);
  await attempts.settled();
  // A batch that cannot be stored ends with its writer.
  for (const { relay, writer } of relays.values()) await Promise.all([relay.stop(), writer.close()]);
}

/** Everything that is looked after by wake-ups, until the signal aborts. */
async function overseeAll(
  parts: LeaderParts & {
    readonly signal: AbortSignal;
    readonly mayAct: () => boolean;
    readonly ratios: Ratios;
  },
  effects: ReturnType<typeof watchdog>,
): Promise<void> {
  const { redisUrl, namespace, shards } = parts.settings;
  const told = { ...parts, db: parts.records };
  const calls = providerCalls(told);
  const delivery = new Delivery(told);
  const notices = runNotices({
    ...told,
    shards,
    onRecorded(recorded, opened) {
      delivery.soon(recorded);
      if (opened.length > 0) calls.soon();
    },
  });
  const queues = new WakeQueues(
    { ...parts, redisUrl, namespace },
    new Map([
      [watchdogQueue, effects.handler],
      [providerQueue, calls.handler],
      ...[...delivery.overseers].map(([channel, { handler }]) => [noticeQueue(channel), handler] as const),
    ]),
  );
  const looked = [effects, calls, ...delivery.overseers.values()].map(async (one) => one.run(queues));
  await Promise.all([...looked, notices, delivery.measure(), queues.stopped()]);
}

function take(dispatcher: Dispatcher, shards: readonly string[], data: Uint8Array): void {
  const batch = JSON.parse(new TextDecoder().decode(data)) as EffectBatch;
  const { shard, epoch, effects, trace } = batch;
  if (!shards.includes(shard)) return;
  for (const effect of effects) {
    dispatcher.offer({ shard, epoch, effect, attempt: 1, ...(trace === undefined ? {} : { trace }) });
  }
}

/** What a predecessor may not have got round to, the worst account first; sent again it changes nothing. */
async function takeOpen(db: Database, dispatcher: Dispatcher, ratios: Ratios): Promise<void> {
  const open = (await openEffects(db)).filter(({ attempts }) => attempts < limits.attemptsMax);
  await ratios.learn(db, open);
  const offered = open.map(dispatchedAgain);
  const urgent = offered.map((one) => ({ one, priority: dutyOf(ratios, one).priority }));
  for (const { one } of urgent.toSorted((left, right) => left.priority - right.priority)) dispatcher.offer(one);
}
