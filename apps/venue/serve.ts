import { connectBus, deadLetter, ensureStreams, openEntryWriter } from "#libs/adapters/nats/index.ts";
import type { Bus, EntryWriter } from "#libs/adapters/nats/index.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { wait } from "#libs/process/backoff.ts";
import { clockFrom } from "#libs/process/clock.ts";
import type { App } from "#libs/process/lifecycle.ts";
import type { Settings } from "#libs/process/settings.ts";
import { startHealthServer } from "#libs/telemetry/health-server.ts";
import { createLogger, type Logger } from "#libs/telemetry/logger.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";
import { Journal } from "./journal/journal.ts";
import { readRulesFile } from "./rules-file.ts";
import { attestInTurn } from "./service/attesting.ts";
import { publishMiddles } from "./service/books.ts";
import { FactReader } from "./service/fact-reader.ts";
import { Marks } from "./service/marks.ts";
import { Risk } from "./service/risk.ts";
import { Trading } from "./service/trading.ts";
import { Venue } from "./service/venue.ts";

const saveEveryMs = 250;
/** How long a stopping venue waits for the log to take what it has; the rest is published at the next start. */
const drainWithinMs = 2_000;

/** The matching engine as a process: the journal first, then the log, then the doors. */
export async function serveVenue(app: App, settings: Settings): Promise<void> {
  const logger = createLogger("venue", settings.logLevel);
  app.logTo(logger);
  if (settings.dataFolder === null) throw new Error("PLIMSOLL_DATA must name a folder for the venue's journal");
  const folder = `${settings.dataFolder}/venue`;
  const journal = Journal.open(folder, settings.shards, () => readRulesFile(settings.rulesFile));
  app.onStop(() => journal.close());
  for (const damaged of journal.passedOver)
    logger.error({ error: damaged }, "a snapshot is damaged and is passed over");
  const metrics = createMetrics("venue");
  const bus = await connectBus({
    url: settings.natsUrl,
    user: settings.natsUser,
    password: settings.natsPassword,
    name: "venue",
    namespace: settings.namespace,
    logger,
    metrics,
  });
  app.onStop(() => bus.close());
  void bus.closed.then((error) => {
    if (!app.signal.aborted) app.fail(error ?? new Error("the connection to NATS is closed"));
  });
  await ensureStreams(bus, settings.shards, { replicas: settings.streamReplicas });
  const venue = open(app, settings, journal, bus, folder);
  await startDoors(app, settings, venue, bus, logger, metrics);
}

function open(app: App, settings: Settings, journal: Journal, bus: Bus, folder: string): Venue {
  const writers = new Map<string, EntryWriter>();
  for (const shard of settings.shards) {
    const { lastSeq } = journal.floor.shard(shard);
    const writer = openEntryWriter(bus, { shard, source: sources.venue, lastSeq });
    writers.set(shard, writer);
    app.onStop(() => writer.close());
  }
  const venue = new Venue({
    journal,
    folder,
    bus,
    clock: clockFrom(settings.clock),
    writers,
    deadLetter: (border, reason, payload) => void deadLetter(bus, border, { reason, payload }),
    fail: (error) => {
      if (!app.signal.aborted) app.fail(error);
    },
  });
  const timer = setInterval(() => venue.acknowledged.save(), saveEveryMs);
  app.onStop(async () => {
    clearInterval(timer);
    await Promise.race([Promise.all(venue.publishers.map((one) => one.drained())), wait(drainWithinMs)]);
    venue.acknowledged.save();
  });
  return venue;
}

async function startDoors(
  app: App,
  settings: Settings,
  venue: Venue,
  bus: Bus,
  logger: Logger,
  metrics: ReturnType<typeof createMetrics>,
): Promise<void> {
  let ready = false;
  const risk = new Risk(venue);
  const health = await startHealthServer({
    port: settings.httpPort,
    host: settings.httpHost,
    logger,
    metrics,
    ready: () => ({ ready: ready && venue.closedFor === null, detail: { ...risk.status(), closed: venue.closedFor } }),
  });
  app.onStop(() => health.close());
  for (const publisher of venue.publishers) publisher.push();
  const marks = new Marks();
  const [firstShard] = settings.shards as readonly [string];
  const parts = [
    marks.listen(bus, firstShard),
    risk.serve(),
    new Trading(venue, marks).serve(),
    publishMiddles(venue),
    attestInTurn(venue),
  ];
  const facts = new FactReader(venue, logger);
  app.onStop(async () => {
    for (const part of parts) part.stop();
    await facts.stop();
  });
  await bus.flush();
  ready = true;
  const { trades, openOrders } = risk.status();
  logger.info({ commands: venue.journal.commands, trades, openOrders }, "ready");
}
