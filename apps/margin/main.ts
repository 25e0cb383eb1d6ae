import { type Bus, connectBus, ensureStreams } from "#libs/adapters/nats/index.ts";
import { type Database, migrate, openDatabase } from "#libs/adapters/postgres/index.ts";
import { clockFrom } from "#libs/process/clock.ts";
import { type App, runApp } from "#libs/process/lifecycle.ts";
import { readSettings, type Settings } from "#libs/process/settings.ts";
import { watchEventLoop } from "#libs/telemetry/event-loop.ts";
import { type Readiness, startHealthServer } from "#libs/telemetry/health-server.ts";
import { createLogger, type Logger } from "#libs/telemetry/logger.ts";
import { createMetrics, type Metrics } from "#libs/telemetry/metrics.ts";
import { Follower } from "./follower.ts";
import { DryRuns } from "./dry-runs.ts";
import { answerDryRuns, answerLimits } from "./follower-answers.ts";
import { Leader } from "./leader.ts";
import { deposedExit, limits } from "./limits.ts";
import { LogTrimmer } from "./log-trimmer.ts";
import { Writer } from "./writer.ts";

interface Parts {
  readonly app: App;
  readonly settings: Settings;
  readonly db: Database;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** `margin leader` (the default) leads a shard; `margin follower` checks its journal, writes snapshots, trims its log and makes dry runs. */
async function main(app: App): Promise<void> {
  const follower = process.argv[2] === "follower";
  const settings = readSettings(undefined, ["nats", "database"]);
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
  const parts = { app, settings, db, logger, metrics };
  if (follower) await follow(parts);
  else await lead(parts);
}

async function follow(parts: Parts): Promise<void> {
  const { app, settings, db, logger, metrics } = parts;
  const { shard } = settings;
  const bus = await busOf(parts, `margin-follower-${shard}`);
  const trimmer = new LogTrimmer({ bus, db, shard, logger, keptMs: settings.logKeptMs ?? limits.logKeptMs });
  const snapshotMs = settings.snapshotMs ?? limits.snapshotMs;
  const follower = new Follower({ db, shard, trimmer, snapshotMs, logger, metrics });
  app.onStop(() => follower.stop());
  const runs = new DryRuns(() => follower.copy());
  app.onStop(() => runs.stop());
  const answers = answerDryRuns(bus, shard, runs);
  app.onStop(() => answers.stop());
  const looks = answerLimits(bus, shard, () => follower.book);
  app.onStop(() => looks.stop());
  await serve(parts, () => follower.ready);
  follower.start();
}

async function lead(parts: Parts): Promise<void> {
  const { app, settings, db, logger, metrics } = parts;
  const writer = new Writer({ url: settings.databaseUrl, name: `${app.name}-writer` }, logger);
  app.onStop(() => writer.close());
  await migrate(settings.databaseUrl);
  const bus = await busOf(parts, `margin-${settings.shard}`);
  await ensureStreams(bus, settings.shards, { replicas: settings.streamReplicas });
  const leader = new Leader({
    bus,
    db,
    writer,
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
  await serve(parts, () => leader.ready);
  void leader.start();
}

async function busOf({ app, settings, logger, metrics }: Parts, name: string): Promise<Bus> {
  const { natsUrl: url, natsUser: user, natsPassword: password, namespace } = settings;
  const bus = await connectBus({ url, user, password, name, namespace, logger, metrics });
  app.onStop(() => bus.close());
  return bus;
}

async function serve({ app, settings, logger, metrics }: Parts, ready: () => Readiness): Promise<void> {
  const { httpPort: port, httpHost: host } = settings;
  const health = await startHealthServer({ port, host, logger, metrics, ready });
  app.onStop(() => health.close());
}

await runApp("margin", main);
