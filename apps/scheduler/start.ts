import { randomUUID } from "node:crypto";
import { openQueue, openWorker } from "#libs/adapters/bullmq/index.ts";
import { connectBus, ensureStreams } from "#libs/adapters/nats/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import {
  acquireLease,
  openDatabase,
  readRuleVersion,
  releaseLease,
  renewLease,
} from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import { connectRedis } from "#libs/adapters/redis/index.ts";
import { readLiveEntry } from "#libs/contracts/live/door.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
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
import { startEntryRelay } from "./entry-relay.ts";
import type { EntryRelay } from "./entry-relay.ts";
import { compareClearing, compareLedger, compareMemory, compareVenue, reconcile } from "./reconcile.ts";
import { scheduleName } from "./schedule-store.ts";
import { Scheduler } from "./scheduler.ts";
import { upkeep } from "./upkeep.ts";

/** Wall time between ticks; a tick only looks, what is due is decided by the market's clock. */
export const ticks = { look: 250, reconcile: 10_000, upkeep: 60_000 } as const;
type Job = keyof typeof ticks;

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

/** Of the first shard, which has the same rules as all; none yet: nothing is due. */
async function rulesInForce(db: Database, shard: string): Promise<RuleDocument> {
  const found = await readRuleVersion(db, shard, null);
  return found === null ? { assets: [], instruments: [] } : (found.document as RuleDocument);
}

async function startRelays({ settings, db, bus, lease, logger, app }: Work): Promise<EntryRelay[]> {
  const relays: EntryRelay[] = [];
  for (const shard of settings.shards) {
    for (const source of [sources.scheduler, sources.operator]) {
      const onError = (error: unknown): void => logger.error({ error, source, shard }, "entries were not published");
      const relay = await startEntryRelay({ db, bus, source, shard, mayWrite: () => lease.holds(), onError });
      app.onStop(() => relay.stop());
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
    rules: () => rulesInForce(db, first),
  });
  const frames = bus.subscribe(bus.names.subjects.entry(first, "frame"), ({ data, subject }) => {
    const reading = readLiveEntry(data, subject);
    if (reading.ok && reading.entry.k === "frame") scheduler.take(reading.entry.t, reading.entry);
  });
  work.app.onStop(() => frames.stop());
  return scheduler;
}

async function compareAll({ settings, db, bus, metrics, logger }: Work, standing: Set<string>): Promise<void> {
  const now = clockFrom(settings.clock).now();
  const comparisons = settings.shards.flatMap((shard) => [
    () => compareMemory(bus, shard),
    () => compareLedger(db, shard),
    async () => {
      const { lagMs, ...run } = await compareVenue(bus, shard, now);
      metrics.venueSequenceLag.set(lagMs / 1_000);
      return run;
    },
  ]);
  await reconcile(db, [...comparisons, () => compareClearing(db, standing)], (run) => {
    if ("error" in run) return logger.warn({ error: run.error }, "a comparison could not be made");
    metrics.reconciliationDifferences.with(run.kind).set(run.differences.length);
    if (run.differences.length > 0) logger.error({ ...run }, "a comparison found differences");
  });
}

/** Ticks come from BullMQ, so that they survive the process; running one twice changes nothing. */
async function startTicks(work: Work, jobs: Readonly<Record<Job, () => Promise<void>>>): Promise<void> {
  const { app, settings, logger, metrics } = work;
  const redis = { url: settings.redisUrl, namespace: settings.namespace, name: "scheduler", logger };
  const producer = await connectRedis({ ...redis, role: "producer" });
  app.onStop(() => producer.close());
  const consumer = await connectRedis({ ...redis, role: "worker" });
  app.onStop(() => consumer.close());
  for (const name of Object.keys(ticks) as Job[]) {
    const queue = await openQueue<null>(`scheduler-${name}`, producer, { logger, metrics });
    app.onStop(() => queue.close());
    await queue.upsertSchedule(name, ticks[name], null);
    const run = async (): Promise<void> => {
      if (work.lease.holds()) await jobs[name]();
    };
    const worker = await openWorker<null>(queue.name, run, consumer, { logger, metrics, concurrency: 1 });
    app.onStop(() => worker.close());
  }
}

async function serve(work: Work): Promise<void> {
  const relays = await startRelays(work);
  const scheduler = await startScheduling(work);
  const standing = new Set<string>();
  await startTicks(work, {
    async look() {
      if ((await scheduler.look()) > 0) for (const relay of relays) relay.kick();
    },
    reconcile: () => compareAll(work, standing),
    async upkeep() {
      work.logger.debug(await upkeep(work.db), "upkeep");
    },
  });
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
  await ensureStreams(bus, settings.shards);
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
