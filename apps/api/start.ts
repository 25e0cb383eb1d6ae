import { connectBus } from "#libs/adapters/nats/index.ts";
import {
  appendAudit,
  type AuditRecord,
  type Database,
  directoryOf,
  openDatabase,
  readApiKey,
} from "#libs/adapters/postgres/index.ts";
import { type Access, createAccess } from "#libs/access/index.ts";
import { retry } from "#libs/process/backoff.ts";
import { clockFrom } from "#libs/process/clock.ts";
import type { App } from "#libs/process/lifecycle.ts";
import { readSettings, type Settings } from "#libs/process/settings.ts";
import { startHealthServer } from "#libs/telemetry/health-server.ts";
import { createLogger, limited } from "#libs/telemetry/logger.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";
import { Attempts } from "./attempts.ts";
import { serveConsole } from "./console-files.ts";
import { Commands } from "./commands/commands.ts";
import { commandHandlers } from "./commands/handlers.ts";
import { Outcomes } from "./commands/outcomes.ts";
import { sweep } from "./commands/sweeper.ts";
import { createHttp } from "./http/app.ts";
import { limits } from "./limits.ts";
import type { Parts } from "./parts.ts";
import { Prices } from "./prices.ts";
import { accountHandlers } from "./reading/accounts.ts";
import { entityHandlers, EntityProposals } from "./reading/entities.ts";
import { operatorHandlers } from "./reading/operators.ts";
import { peopleHandlers } from "./reading/people.ts";
import { recordHandlers } from "./reading/records.ts";
import { replayHandlers } from "./reading/replays.ts";
import { ruleHandlers } from "./reading/rules.ts";
import { sagaHandlers } from "./reading/sagas.ts";
import { RulesInForce } from "./rules-in-force.ts";
import { serveDocumentation } from "./static.ts";

function accessOf({ jwks, keySecret }: Settings, db: Database): Access {
  return createAccess({ jwks, keySecret, directory: directoryOf(db) });
}

function attemptsOf({ db, logger, metrics }: Parts): Attempts {
  const append = async (record: AuditRecord) => appendAudit(db, record);
  const keyExists = async (id: string) => (await readApiKey(db, id)) !== null;
  return new Attempts({ append, keyExists, logger, metrics });
}

async function serve(app: App, parts: Parts): Promise<void> {
  const { settings, logger } = parts;
  const attempts = attemptsOf(parts);
  app.onStop(async () => attempts.stop());
  const proposals = new EntityProposals(parts);
  const outcomes = new Outcomes(parts.bus);
  app.onStop(() => outcomes.stop());
  const http = await createHttp({
    ...parts,
    attempts,
    streamsUrl: settings.streamsUrl,
    ownerOf: async (account) => parts.rules.ownerOf(account),
    handlers: {
      ...peopleHandlers(parts),
      ...accountHandlers(parts),
      ...replayHandlers(parts),
      ...operatorHandlers(parts),
      ...sagaHandlers(parts),
      ...recordHandlers(parts),
      ...ruleHandlers(parts),
      ...entityHandlers(proposals),
      ...commandHandlers(parts, new Commands(parts, outcomes, proposals)),
    },
  });
  await serveDocumentation(http);
  if (settings.streamsUrl !== null) await serveConsole(http, { streamsUrl: settings.streamsUrl });
  const url = await http.listen({ host: settings.httpHost, port: settings.apiPort });
  app.onStop(async () => http.close());
  logger.info({ url, port: Number(new URL(url).port) }, "serving");
}

/** A cap of an asset that the rules do not list binds nothing: most likely its name is mistyped. Throws where no shard has run yet. */
async function tellUnlistedCaps({ settings, rules, logger }: Parts): Promise<void> {
  const capped = new Set([...settings.commandAssetMax.keys(), ...settings.dayAssetMax.keys()]);
  if (capped.size === 0) return;
  const { assets } = (await rules.now()).document;
  const unlisted = [...capped].filter((asset) => !assets.some(({ id }) => id === asset));
  if (unlisted.length > 0) logger.warn({ assets: unlisted }, "caps of assets that the rules do not list");
}

/** Wires the process together; returns when it serves. Several may run at once: what they share is in the database. */
export async function startApi(app: App): Promise<void> {
  const settings = readSettings(undefined, ["nats", "database"]);
  const logger = createLogger(app.name, settings.logLevel);
  app.logTo(logger);
  const metrics = createMetrics(app.name);
  let ready = false;
  const health = await startHealthServer({
    port: settings.httpPort,
    host: settings.httpHost,
    logger,
    metrics,
    ready: () => ({ ready, detail: { serving: ready } }),
  });
  app.onStop(async () => health.close());
  const idle = limited((fields, message) => logger.warn(fields, message));
  const onIdleError = (error: unknown): void => idle({ error }, "a database connection broke");
  const db = openDatabase({ url: settings.databaseUrl, name: app.name, max: limits.databaseConnections, onIdleError });
  app.onStop(async () => db.close());
  const access = accessOf(settings, db);
  const { natsUrl: url, natsUser: user, natsPassword: password, namespace } = settings;
  const bus = await connectBus({ url, user, password, name: app.name, namespace, logger, metrics });
  app.onStop(async () => bus.close());
  void bus.closed.then((error) => (app.signal.aborted ? undefined : app.fail(error ?? new Error("NATS closed"))));
  const [first = "0"] = settings.shards;
  const prices = new Prices(bus, first);
  app.onStop(() => prices.stop());
  const rules = new RulesInForce(db, first);
  const parts = { settings, db, bus, access, clock: clockFrom(settings.clock), rules, prices, logger, metrics };
  await serve(app, parts);
  void retry(async () => tellUnlistedCaps(parts), { ...limits.capsRetry, signal: app.signal }).catch((error: unknown) =>
    logger.warn({ error }, "caps were not compared with the rules"),
  );
  const sweeping = sweep(db, logger, app.signal);
  app.onStop(async () => sweeping);
  ready = true;
  logger.info({}, "ready");
}
