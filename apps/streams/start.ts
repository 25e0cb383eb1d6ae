import { randomUUID } from "node:crypto";
import { createAccess } from "#libs/access/index.ts";
import { type Bus, connectBus } from "#libs/adapters/nats/index.ts";
import { type Database, directoryOf, openDatabase, readAlerts } from "#libs/adapters/postgres/index.ts";
import { clockFrom } from "#libs/process/clock.ts";
import type { App } from "#libs/process/lifecycle.ts";
import { readSettings, type Settings } from "#libs/process/settings.ts";
import { watchEventLoop } from "#libs/telemetry/event-loop.ts";
import { startHealthServer } from "#libs/telemetry/health-server.ts";
import { createLogger, type Logger, limited } from "#libs/telemetry/logger.ts";
import { createMetrics, type Metrics } from "#libs/telemetry/metrics.ts";
import { Alerts } from "./alerts.ts";
import { Hub } from "./hub.ts";
import { startStreamServer } from "./server.ts";
import { World } from "./world.ts";

const gaugesMs = 1_000;

interface Parts {
  readonly app: App;
  readonly settings: Settings;
  readonly db: Database;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Wires the process together; returns when clients can connect. They are answered `recovering` until the books are there. */
export async function startStreams(app: App): Promise<void> {
  const settings = readSettings(undefined, ["nats", "database"]);
  const logger = createLogger(app.name, settings.logLevel);
  app.logTo(logger);
  const metrics = createMetrics(app.name);
  const lag = watchEventLoop(metrics);
  app.onStop(() => lag.stop());
  const idle = limited((fields, message) => logger.warn(fields, message));
  const db = openDatabase({
    url: settings.databaseUrl,
    name: app.name,
    onIdleError: (error) => idle({ error }, "a connection to the database broke"),
  });
  app.onStop(async () => db.close());
  const parts = { app, settings, db, logger, metrics };
  const bus = await busOf(parts);
  const alerts = await alertsOf(db, bus);
  const now = (): number => performance.now();
  const world = new World({
    db,
    shards: settings.shards,
    clock: clockFrom(settings.clock),
    signal: app.signal,
    logger,
    onAdvanced: () => hub.wake(),
  });
  const hub = new Hub({ world, alerts, logger, now });
  follow(parts, bus, world);
  const telling = hub.run(app.signal).catch((error: unknown) => app.fail(error));
  app.onStop(async () => telling);
  const server = await startStreamServer({
    hub,
    world,
    access: accessOf(settings, db),
    run: randomUUID(),
    host: settings.httpHost,
    port: settings.streamPort,
    logger,
    metrics,
    now,
  });
  app.onStop(async () => server.close());
  watch(parts, world, hub);
  const { httpPort: port, httpHost: host } = settings;
  const health = await startHealthServer({ port, host, logger, metrics, ready: () => readiness(world) });
  app.onStop(async () => health.close());
  logger.info({ streamPort: server.port }, "ready");
}

async function busOf({ app, settings, logger, metrics }: Parts): Promise<Bus> {
  const { natsUrl: url, natsUser: user, natsPassword: password, namespace } = settings;
  const bus = await connectBus({ url, user, password, name: app.name, namespace, logger, metrics });
  app.onStop(async () => bus.close());
  void bus.closed.then((error) => (app.signal.aborted ? undefined : app.fail(error ?? new Error("NATS closed"))));
  return bus;
}

/** Alerts as they are kept, the newest last, and from now on what is said of them. */
async function alertsOf(db: Database, bus: Bus): Promise<Alerts> {
  const alerts = new Alerts();
  const heard: Uint8Array[] = [];
  let take = (data: Uint8Array): void => void heard.push(data);
  bus.subscribe(bus.names.subjects.allAlarms, ({ data }) => take(data));
  for (const { told: _told, ...alert } of (await readAlerts(db)).reverse()) alerts.put(alert);
  // What was said meanwhile is newer than what was kept.
  take = (data) => void alerts.hear(data);
  heard.forEach(take);
  return alerts;
}

/** A replica that cannot be trusted ends the process: the next one begins with a snapshot. */
function follow({ app }: Parts, bus: Bus, world: World): void {
  const { committed } = bus.names.subjects;
  for (const replica of world.replicas) {
    bus.subscribe(committed(replica.shard), () => replica.wake());
    const running = replica.run().catch((error: unknown) => app.fail(error));
    app.onStop(async () => running);
  }
}

function accessOf({ jwks, keySecret }: Settings, db: Database): ReturnType<typeof createAccess> {
  return createAccess({ jwks, keySecret, directory: directoryOf(db) });
}

function readiness(world: World): { readonly ready: boolean; readonly detail: unknown } {
  const shards = world.replicas.map(({ shard, seq, entries, engine }) => ({
    shard,
    seq,
    entries,
    current: engine !== null,
  }));
  return { ready: world.live() !== null, detail: { shards } };
}

function watch({ app, metrics }: Parts, world: World, hub: Hub): void {
  const timer = setInterval(() => {
    const { topics, accounts, replayBytes } = hub.size;
    metrics.streamTopics.set(topics);
    metrics.streamAccounts.set(accounts);
    metrics.streamReplayBytes.set(replayBytes);
    for (const { shard, seq } of world.replicas) metrics.streamLogSeq.with(shard).set(seq);
    const age = world.markAge(world.live() ?? []);
    if (age !== null) metrics.streamMarkAge.set(age / 1_000);
  }, gaugesMs);
  app.onStop(() => clearInterval(timer));
}
