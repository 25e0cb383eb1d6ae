import { hostname } from "node:os";
import { connectBus, ensureStreams } from "#libs/adapters/nats/index.ts";
import { acquireLease, type Database, openDatabase, releaseLease, renewLease } from "#libs/adapters/postgres/index.ts";
import { wait } from "#libs/process/backoff.ts";
import { clockFrom } from "#libs/process/clock.ts";
import { type LeaseStore, waitForLease } from "#libs/process/lease-holder.ts";
import type { App } from "#libs/process/lifecycle.ts";
import { readSettings } from "#libs/process/settings.ts";
import { startHealthServer } from "#libs/telemetry/health-server.ts";
import { createLogger, limited } from "#libs/telemetry/logger.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";
import { leadLiquidation, type LeaderParts } from "./leader.ts";
import { leaseName } from "./limits.ts";

/** Effects have connections of their own: a flood of notices must not hold a closing order up. */
const connections = { effects: 8, records: 8 } as const;
const pauseMs = 500;

/** Wires the process together; returns when it is set up, the rest runs until the process stops. */
export async function startLiquidation(app: App): Promise<void> {
  const settings = readSettings();
  const logger = createLogger(app.name, settings.logLevel);
  app.logTo(logger);
  const metrics = createMetrics(app.name);
  let role = "starting";
  const server = await startHealthServer({
    port: settings.httpPort,
    host: settings.httpHost,
    logger,
    metrics,
    ready: () => ({ ready: role !== "starting", detail: { role } }),
  });
  app.onStop(async () => server.close());
  const idle = limited((fields, message) => logger.warn(fields, message));
  const open = (max: number, durable: boolean): Database => {
    const onIdleError = (error: unknown): void => idle({ error }, "a database connection broke");
    const opened = openDatabase({ url: settings.databaseUrl, name: app.name, max, durable, onIdleError });
    app.onStop(async () => opened.close());
    return opened;
  };
  const db = open(connections.effects, true);
  // Notices are made again from the facts after their cursor, and before they are sent they are confirmed; an attempt that goes missing is
  // made again. None of it may queue for the disk before the commit that a closing order waits for.
  const records = open(connections.records, false);
  const { natsUrl: url, natsUser: user, natsPassword: password, namespace } = settings;
  const bus = await connectBus({ url, user, password, name: app.name, namespace, logger, metrics });
  app.onStop(async () => bus.close());
  void bus.closed.then((error) => (app.signal.aborted ? undefined : app.fail(error ?? new Error("NATS closed"))));
  await ensureStreams(bus, settings.shards, { replicas: settings.streamReplicas });
  const parts = { bus, db, records, clock: clockFrom(settings.clock), logger, metrics, settings };
  const leading = lead(app, parts, (now) => {
    role = now;
  }).catch((error: unknown) => app.fail(error));
  app.onStop(async () => leading);
  logger.info({ role }, "ready");
}

/** Standby, leader, standby again, until the process stops. */
async function lead(app: App, parts: LeaderParts, tell: (role: string) => void): Promise<void> {
  const { db, logger } = parts;
  const owner = `${hostname()}-${process.pid}`;
  const store: LeaseStore = {
    acquire: async (ttlMs) => acquireLease(db, leaseName, owner, ttlMs),
    renew: async (epoch, ttlMs) => renewLease(db, leaseName, epoch, ttlMs),
    release: async (epoch) => releaseLease(db, leaseName, epoch),
  };
  const warn = limited((fields, message) => logger.warn(fields, message));
  while (!app.signal.aborted) {
    tell("standby");
    const lease = await waitForLease(store, app.signal, { onError: (error) => warn({ error }, "no lease") });
    if (lease === null) return;
    tell("leader");
    try {
      await leadLiquidation(parts, lease, app.signal);
    } catch (error) {
      logger.error({ error }, "cannot lead");
      await wait(pauseMs, app.signal);
    } finally {
      await lease.release();
    }
    logger.info({ epoch: lease.epoch }, "not leading any more");
  }
}
