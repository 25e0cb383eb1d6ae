import { hostname } from "node:os";
import { type Bus, connectBus, deadLetter, ensureStreams } from "#libs/adapters/nats/index.ts";
import { acquireLease, openDatabase, releaseLease, renewLease } from "#libs/adapters/postgres/index.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { wait } from "#libs/process/backoff.ts";
import { clockFrom, monotonicMs } from "#libs/process/clock.ts";
import { type LeaseStore, waitForLease } from "#libs/process/lease-holder.ts";
import type { App } from "#libs/process/lifecycle.ts";
import { readSettings } from "#libs/process/settings.ts";
import { startHealthServer } from "#libs/telemetry/health-server.ts";
import { createLogger, limited, type Logger } from "#libs/telemetry/logger.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";
import { Inbox, type Refusal } from "./inbox.ts";
import { Leader, type LeaderParts } from "./leader.ts";
import { leaseName, limits } from "./limits.ts";
import { newerRules, rulesOfFile } from "./rules.ts";

/** Wires the process together; returns when it is set up, the rest runs until the process stops. */
export async function startMarkPrice(app: App): Promise<void> {
  const settings = readSettings(undefined, ["nats", "database"]);
  const logger = createLogger(app.name, settings.logLevel);
  app.logTo(logger);
  const metrics = createMetrics(app.name);
  const clock = clockFrom(settings.clock);
  const owner = `${hostname()}-${process.pid}`;
  let rules: RuleSet | null = settings.rulesFile === null ? null : await rulesOfFile(settings.rulesFile);
  let leader: Leader | null = null;
  const server = await startHealthServer({
    port: settings.httpPort,
    host: settings.httpHost,
    logger,
    metrics,
    ready: () => ({
      ready: rules !== null,
      detail: { role: leader === null ? "standby" : "leader", rules: rules?.version ?? null },
    }),
  });
  app.onStop(async () => server.close());
  const idle = limited((fields, message) => logger.warn(fields, message));
  const db = openDatabase({
    url: settings.databaseUrl,
    name: app.name,
    onIdleError: (error) => idle({ error }, "a database connection broke"),
  });
  app.onStop(async () => db.close());
  const { natsUrl: url, natsUser: user, natsPassword: password, namespace, shards } = settings;
  const bus = await connectBus({ url, user, password, name: app.name, namespace, logger, metrics });
  app.onStop(async () => bus.close());
  void bus.closed.then((error) => (app.signal.aborted ? undefined : app.fail(error ?? new Error("NATS closed"))));
  await ensureStreams(bus, shards, { replicas: settings.streamReplicas });

  const refuse = refusals((refusal) => keepRefusal(bus, logger, refusal), metrics);
  const inbox = new Inbox({
    rules: () => rules,
    now: () => clock.now(),
    monotonic: monotonicMs,
    refuse,
    onJump: (asset) => leader?.jump(asset),
    indexNear: (asset) => leader?.indexNear(asset) ?? Number.NaN,
  });
  bus.subscribe(bus.names.subjects.quotes, ({ subject, data }) => inbox.quote(subject, data));
  bus.subscribe(bus.names.subjects.books, ({ subject, data }) => inbox.book(subject, data));

  await followRules(
    app,
    { db, logger, shards },
    () => rules,
    (now) => {
      rules = now;
    },
  );
  const parts = { bus, db, clock, logger, metrics, inbox, shards, owner, rules: () => rules as RuleSet };
  const leading = lead(
    app,
    parts,
    () => rules !== null,
    (now) => {
      leader = now;
    },
  ).catch((error: unknown) => app.fail(error));
  app.onStop(async () => leading);
}

/** Looks the rules up now, and once a second from then on. */
async function followRules(
  app: App,
  { db, logger, shards }: Pick<LeaderParts, "db" | "logger" | "shards">,
  known: () => RuleSet | null,
  tell: (rules: RuleSet) => void,
): Promise<void> {
  const warn = limited((fields, message) => logger.warn(fields, message));
  const refresh = async (): Promise<void> => {
    try {
      const newer = await newerRules(db, shards, known()?.version ?? null);
      if (newer !== null) tell(newer);
    } catch (error) {
      warn({ error }, "the rules could not be looked up");
    }
  };
  await refresh();
  const running = (async () => {
    while (!app.signal.aborted) {
      await wait(limits.rulesPollMs, app.signal);
      await refresh();
    }
  })();
  app.onStop(async () => running);
}

/** Standby, leader, standby again, until the process stops. */
async function lead(
  app: App,
  parts: LeaderParts,
  hasRules: () => boolean,
  tell: (leader: Leader | null) => void,
): Promise<void> {
  const { db, logger, owner } = parts;
  const store: LeaseStore = {
    acquire: async (ttlMs) => acquireLease(db, leaseName, owner, ttlMs),
    renew: async (epoch, ttlMs) => renewLease(db, leaseName, epoch, ttlMs),
    release: async (epoch) => releaseLease(db, leaseName, epoch),
  };
  const warn = limited((fields, message) => logger.warn(fields, message));
  while (!hasRules() && !app.signal.aborted) await wait(limits.frameMs, app.signal);
  logger.info({ role: "standby" }, "ready");
  while (!app.signal.aborted) {
    const lease = await waitForLease(store, app.signal, { onError: (error) => warn({ error }, "no lease") });
    if (lease === null) return;
    try {
      const leader = new Leader(parts, lease);
      await leader.start();
      tell(leader);
      await leader.run(app.signal);
    } catch (error) {
      logger.error({ error }, "cannot lead");
      await wait(limits.heartbeatMs, app.signal);
    } finally {
      tell(null);
      await lease.release();
    }
    logger.info({ epoch: lease.epoch }, "not leading any more");
  }
}

function keepRefusal(bus: Bus, logger: Logger, refusal: Refusal): void {
  const { border, reason, subject, payload } = refusal;
  logger.debug({ ...refusal, payload: payload.length }, "refused");
  void deadLetter(bus, border, { reason, subject, payload }).catch(() => {});
}

/** Counts every refusal, and keeps only so many of them per second as dead letters. */
function refusals(keep: (refusal: Refusal) => void, metrics: ReturnType<typeof createMetrics>): (one: Refusal) => void {
  let second = 0;
  let kept = 0;
  return (refusal) => {
    const now = Math.floor(monotonicMs() / 1_000);
    if (now !== second) {
      second = now;
      kept = 0;
    }
    kept += 1;
    // A dead letter is counted where it is written.
    if (kept <= limits.deadLettersPerSecond && refusal.reason === "unreadable") keep(refusal);
    else metrics.deadLetters.with(refusal.border, refusal.reason).inc();
  };
}
