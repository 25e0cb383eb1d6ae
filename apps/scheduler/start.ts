import { randomUUID } from "node:crypto";
import { connectBus, ensureStreams } from "#libs/adapters/nats/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import { acquireLease, countPending, openDatabase, releaseLease, renewLease } from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import { readLiveEntry } from "#libs/contracts/live/door.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { clockFrom } from "#libs/process/clock.ts";
import { waitForLease } from "#libs/process/lease-holder.ts";
import type { Lease } from "#libs/process/lease-holder.ts";
import type { App } from "#libs/process/lifecycle.ts";
import { readSettings } from "#libs/process/settings.ts";
import type { Settings } from "#libs/process/settings.ts";
import { startHealthServer } from "#libs/telemetry/health-server.ts";
import { createLogger } from "#libs/telemetry/logger.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { channelsOf } from "./alerts/channels.ts";
import { Deliveries } from "./alerts/delivery.ts";
import { AlertWatch } from "./alerts/watch.ts";
import { startEntryRelay } from "./entry-relay.ts";
import type { EntryRelay } from "./entry-relay.ts";
import { Findings } from "./findings.ts";
import {
  compareConservation,
  compareLedger,
  compareMemory,
  compareVenue,
  everyShard,
  lookAtPartitions,
  lookAtSnapshots,
} from "./looks.ts";
import { Positions } from "./positions.ts";
import { rulesInForce } from "./rules-in-force.ts";
import { scheduleName } from "./schedule-store.ts";
import { Scheduler } from "./scheduler.ts";
import { Ticks } from "./ticks.ts";
import { upkeep } from "./upkeep.ts";

/** All that one term of the lease works with. */
interface Work {
  readonly app: App;
  readonly settings: Settings;
  readonly db: Database;
  readonly bus: Bus;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly lease: Lease;
}

async function startRelays({ settings, db, bus, lease, logger, app }: Work): Promise<EntryRelay[]> {
  const relays: EntryRelay[] = [];
  for (const shard of settings.shards) {
    for (const source of [sources.scheduler, sources.operator]) {
      const onError = (error: unknown): void => logger.error({ error, source, shard }, "entries were not published");
      const relay = await startEntryRelay({ db, bus, source, shard, mayWrite: () => lease.holds(), onError });
      app.onStop(() => relay.stop());
      const kicks = bus.subscribe(bus.names.subjects.outbox(source), () => relay.kick());
      app.onStop(() => kicks.stop());
      relays.push(relay);
    }
  }
  return relays;
}

async function startScheduling(work: Work): Promise<Scheduler> {
  const { settings, db, bus, lease } = work;
  const [first = "0"] = settings.shards;
  const scheduler = await Scheduler.open({
    db,
    epoch: lease.epoch,
    shards: settings.shards,
    clock: clockFrom(settings.clock),
    rules: rulesInForce(db, first),
  });
  const frames = bus.subscribe(bus.names.subjects.entry(first, "frame"), ({ data, subject }) => {
    const reading = readLiveEntry(data, subject);
    if (reading.ok && reading.entry.k === "frame") scheduler.take(reading.entry.t, reading.entry);
  });
  work.app.onStop(() => frames.stop());
  return scheduler;
}

/** Every 10 s: how far the matching engine's sequence is ahead, and what waits to be published. */
async function lookAtStaleness({ settings, db, bus, metrics }: Work, findings: Findings): Promise<void> {
  const now = clockFrom(settings.clock).now();
  for (const shard of settings.shards)
    await findings.look("venue", shard, async () => {
      const { lagMs, ...run } = await compareVenue(bus, db, shard, now);
      metrics.venueSequenceLag.with(shard).set(lagMs / 1_000);
      return run;
    });
  const pending = await countPending(db);
  for (const source of Object.values(sources)) metrics.outboxPending.with(source).set(pending.get(source) ?? 0);
}

function reconciling({ settings, db, bus, metrics }: Work, scheduler: Scheduler, findings: Findings) {
  const { shards } = settings;
  const standing = new Set<string>();
  const positions = new Positions();
  return async (): Promise<void> => {
    for (const shard of shards) {
      await findings.look("memory", shard, async () => compareMemory(bus, shard));
      await findings.look("ledger", shard, async () => compareLedger(db, shard));
      await findings.look("positions", shard, async () => positions.look(db, shard));
    }
    await findings.look("conservation", everyShard, async () => compareConservation(db, shards, standing));
    await findings.look("snapshots", everyShard, async () => {
      const runs = await lookAtSnapshots(db, shards);
      for (const { shard, ageMs, behind } of runs) {
        if (ageMs !== null) metrics.snapshotAge.with(shard).set(ageMs / 1_000);
        metrics.snapshotBehind.with(shard).set(behind);
      }
      return runs;
    });
    await findings.look("expiry", everyShard, async () => {
      const { unsettled } = scheduler;
      const run = { shard: everyShard, kind: "expiry", appliedSeq: 0, compared: 1 };
      return Promise.resolve({ ...run, differences: unsettled.map((id) => `${id} has no price to settle on`) });
    });
  };
}

/** Partitions and old rows; what it finds is looked at even where it fails. */
async function keepUp({ db, logger, metrics }: Work, findings: Findings): Promise<void> {
  try {
    logger.debug(await upkeep(db), "upkeep");
  } catch (error) {
    logger.warn({ error }, "upkeep failed");
  }
  await findings.look("partitions", everyShard, async () => {
    const { rooms, ...run } = await lookAtPartitions(db);
    for (const [table, room] of rooms) metrics.partitionRoom.with(table).set(room);
    return run;
  });
}

function alerting(work: Work, signal: AbortSignal): AlertWatch {
  const { app, settings, lease } = work;
  const { redisUrl, namespace, shards } = settings;
  const channels = channelsOf(settings);
  const deliveries = new Deliveries({ ...work, redisUrl, namespace, signal, channels, mayAct: () => lease.holds() });
  app.onStop(async () => deliveries.stopped());
  return new AlertWatch({ ...work, shards, deliveries });
}

async function serve(work: Work): Promise<void> {
  const { app, settings, lease } = work;
  const relays = await startRelays(work);
  const scheduler = await startScheduling(work);
  const findings = new Findings(work);
  const signal = AbortSignal.any([app.signal, lease.signal]);
  const { redisUrl, namespace } = settings;
  const alerts = alerting(work, signal);
  const ticks = new Ticks(
    { ...work, redisUrl, namespace, signal, mayAct: () => lease.holds() },
    {
      async look() {
        if ((await scheduler.look()) > 0) for (const relay of relays) relay.kick();
      },
      alerts: async () => alerts.look(),
      staleness: async () => lookAtStaleness(work, findings),
      reconcile: reconciling(work, scheduler, findings),
      upkeep: async () => keepUp(work, findings),
    },
  );
  app.onStop(async () => ticks.stopped());
}

export async function startScheduler(app: App): Promise<void> {
  const settings = readSettings();
  const logger = createLogger("scheduler", settings.logLevel);
  app.logTo(logger);
  const metrics = createMetrics("scheduler");
  let ready = false;
  const health = await startHealthServer({
    port: settings.httpPort,
    host: settings.httpHost,
    logger,
    metrics,
    ready: () => ({ ready, detail: { lease: ready } }),
  });
  app.onStop(() => health.close());
  const db = openDatabase({ url: settings.databaseUrl, name: "scheduler" });
  app.onStop(() => db.close());
  const { natsUrl: url, natsUser: user, natsPassword: password, namespace } = settings;
  const bus = await connectBus({ url, user, password, namespace, name: "scheduler", logger, metrics });
  app.onStop(() => bus.close());
  await ensureStreams(bus, settings.shards, { replicas: settings.streamReplicas });
  const owner = `scheduler-${randomUUID()}`;
  const store = {
    acquire: (ttlMs: number) => acquireLease(db, scheduleName, owner, ttlMs),
    renew: (epoch: number, ttlMs: number) => renewLease(db, scheduleName, epoch, ttlMs),
    release: (epoch: number) => releaseLease(db, scheduleName, epoch),
  };
  const lease = await waitForLease(store, app.signal, { onError: (error) => logger.warn({ error }, "the lease") });
  if (lease === null) return;
  app.onStop(() => lease.release());
  // A supervisor starts it again: as a standby, while another holds the lease.
  lease.signal.addEventListener("abort", () => {
    if (!app.signal.aborted) app.fail(new Error("another scheduler has taken the lease"));
  });
  await serve({ app, settings, db, bus, logger, metrics, lease });
  ready = true;
  logger.info({ epoch: lease.epoch }, "ready");
}
