import { connectBus, ensureStreams } from "#libs/adapters/nats/index.ts";
import { migrate, openDatabase } from "#libs/adapters/postgres/index.ts";
import { clockFrom } from "#libs/process/clock.ts";
import { type App, runApp } from "#libs/process/lifecycle.ts";
import { readSettings } from "#libs/process/settings.ts";
import { watchEventLoop } from "#libs/telemetry/event-loop.ts";
import { startHealthServer } from "#libs/telemetry/health-server.ts";
import { createLogger } from "#libs/telemetry/logger.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";
import { Follower } from "./follower.ts";
import { Leader } from "./leader.ts";
import { deposedExit } from "./limits.ts";

/** `margin leader` (the default) leads a shard; `margin follower` checks its journal and writes snapshots. */
async function main(app: App): Promise<void> {
  const follower = process.argv[2] === "follower";
  const settings = readSettings(undefined, follower ? ["database"] : ["nats", "database"]);
  const logger = createLogger(follower ? "margin-follower" : "margin", settings.logLevel).child({
    shard: settings.shard,
  });
  app.logTo(logger);
  const metrics = createMetrics(app.name);
  const db = openDatabase({
    url: settings.databaseUrl,
    name: app.name,
    onIdleError: (error) => logger.warn({ error }, "a connection to the database broke"),
  });
  app.onStop(() => db.close());
  const lag = watchEventLoop(metrics);
  app.onStop(() => lag.stop());
  const serve = async (ready: () => { ready: boolean; detail: unknown }): Promise<void> => {
    const { httpPort: port, httpHost: host } = settings;
    const health = await startHealthServer({ port, host, logger, metrics, ready });
    app.onStop(() => health.close());
  };
  if (follower) {
    const own = new Follower({ db, shard: settings.shard, logger, metrics });
    app.onStop(() => own.stop());
    await serve(() => own.ready);
    own.start();
    return;
  }
  await migrate(settings.databaseUrl);
  const bus = await connectBus({
    url: settings.natsUrl,
    user: settings.natsUser,
    password: settings.natsPassword,
    name: `margin-${settings.shard}`,
    namespace: settings.namespace,
    logger,
    metrics,
  });
  app.onStop(() => bus.close());
  await ensureStreams(bus, settings.shards);
  const leader = new Leader({
    bus,
    db,
    shard: settings.shard,
    rulesFile: settings.rulesFile,
    clock: clockFrom(settings.clock),
    logger,
    metrics,
    deposed: (why) => {
      logger.fatal({ why }, "deposed");
      // At once: every further answer would be another leader's to give.
      process.exit(deposedExit);
    },
    failed: (error) => app.fail(error),
  });
  app.onStop(() => leader.stop());
  await serve(() => leader.ready);
  void leader.start();
}

await runApp("margin", main);
