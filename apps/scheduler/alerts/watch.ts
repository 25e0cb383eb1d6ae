import { type Bus, storeMessage } from "#libs/adapters/nats/index.ts";
import {
  type AlertLevel,
  type Database,
  type HaltRow,
  keepAlerts,
  markAlertPublished,
  pruneAlerts,
  readAlerts,
  readHalts,
  recentAlarms,
  recordDeliveries,
  unpublishedAlerts,
} from "#libs/adapters/postgres/index.ts";
import type { LimitsReply } from "#libs/contracts/live/limits.ts";
import type { ShardStatus } from "#libs/contracts/live/margin.ts";
import { alertLevels } from "#libs/contracts/stream/alerts.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { AlertBook } from "./book.ts";
import { conditionsOf, type LimitsSeen, type Seen } from "./conditions.ts";
import type { Deliveries } from "./delivery.ts";
import { limits } from "./limits.ts";
import { type KnownSeries, measureRisk, measureSums } from "./risk-metrics.ts";

export interface AlertWatchParts {
  readonly db: Database;
  readonly bus: Bus;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly shards: readonly string[];
  readonly deliveries: Deliveries;
}

/** What a follower has said, page by page of its accounts. */
interface Pages {
  readonly accounts: Map<number, LimitsReply["accounts"]>;
  readonly sums: Map<number, LimitsReply["sums"]>;
  exchange: LimitsReply["exchange"];
  /** Where the next page begins, and when somebody answered last, monotonic ms. */
  next: number;
  answeredAt: number;
}

/**
 * Looks at halts, alarms, shards and how far limits are used, and carries alerts on: kept in PostgreSQL with what is to be told of them, in one
 * transaction, then told to the streams. What could not be looked at stays as it was seen last.
 */
export class AlertWatch {
  readonly #parts: AlertWatchParts;
  readonly #warn: Logger["warn"];
  readonly #book = new AlertBook();
  readonly #series: KnownSeries = { halts: new Set(), limits: new Set() };
  readonly #pages = new Map<string, Pages>();
  /** Shard → since when it has not been ready (monotonic ms), and why. */
  readonly #silent = new Map<string, { readonly since: number; readonly why: string }>();
  #halts: ReadonlyMap<string, readonly HaltRow[]> = new Map();

  constructor(parts: AlertWatchParts) {
    this.#parts = parts;
    this.#warn = limited((fields, message) => parts.logger.warn(fields, message));
    const now = monotonicMs();
    for (const shard of parts.shards)
      this.#pages.set(shard, { accounts: new Map(), sums: new Map(), exchange: [], next: 0, answeredAt: now });
  }

  async look(): Promise<void> {
    const { db, shards, deliveries, metrics } = this.#parts;
    await Promise.all(shards.flatMap((shard) => [this.#askShard(shard), this.#askFollower(shard)]));
    const halts = new Map<string, readonly HaltRow[]>();
    for (const shard of shards) halts.set(shard, await readHalts(db, shard));
    this.#halts = halts;
    const seen = await this.#seen();
    measureRisk(metrics, seen, this.#series);
    for (const [shard, { sums }] of this.#pages) measureSums(metrics, shard, [...sums.values()]);
    const conditions = conditionsOf(seen);
    const dropped = await db.transaction(async (client) => {
      const { keep, tell } = this.#book.step(await readAlerts(client), conditions, Date.now());
      await keepAlerts(client, keep);
      return recordDeliveries(
        client,
        deliveries.names,
        tell.map(({ told: _told, ...alert }) => alert),
      );
    });
    if (dropped > 0) this.#warn({ dropped }, "alerts were given up: too many wait");
    await pruneAlerts(db, limits.keptSeenMs, limits.keptUnseenMs);
    await this.#publish();
    await deliveries.kick();
    await deliveries.measure();
    const open = (await readAlerts(db)).filter(({ until }) => until === null);
    for (const level of alertLevels) metrics.alertsOpen.with(level).set(countOf(open, level));
  }

  async #seen(): Promise<Seen> {
    const now = monotonicMs();
    const seen = new Map<string, LimitsSeen>();
    const unwatched: string[] = [];
    for (const [shard, { accounts, exchange, answeredAt }] of this.#pages) {
      seen.set(shard, { accounts: [...accounts.values()].flat(), exchange });
      if (now - answeredAt >= limits.followerSilentMs) unwatched.push(shard);
    }
    const silent = new Map<string, string>();
    for (const [shard, { since, why }] of this.#silent) if (now - since >= limits.shardSilentMs) silent.set(shard, why);
    const alarms = await recentAlarms(this.#parts.db, limits.alarmsSinceMs, limits.alarmsMost);
    return { halts: this.#halts, alarms, limits: seen, silent, unwatched };
  }

  async #askShard(shard: string): Promise<void> {
    const { bus } = this.#parts;
    const why = await bus
      .request<ShardStatus>(bus.names.subjects.rpc(shard, "status"), {}, { timeoutMs: limits.askMs })
      .then(
        ({ state, auditFailure }) =>
          auditFailure === null ? (state === "ready" ? null : state) : "its audit has failed",
        () => "it does not answer",
      );
    if (why === null) this.#silent.delete(shard);
    else this.#silent.set(shard, { since: this.#silent.get(shard)?.since ?? monotonicMs(), why });
  }

  /** The next accounts, a few pages at a time: a follower has to keep up. */
  async #askFollower(shard: string): Promise<void> {
    const pages = this.#pages.get(shard) as Pages;
    const until = monotonicMs() + limits.followerBudgetMs;
    while ((await this.#askPage(shard, pages)) && pages.next > 0 && monotonicMs() < until);
  }

  /** A page takes the place of what was said of its accounts before; false: nobody has answered. */
  async #askPage(shard: string, pages: Pages): Promise<boolean> {
    const { bus } = this.#parts;
    try {
      const asked = { from: pages.next };
      const subject = bus.names.subjects.rpc(shard, "limits");
      const { accounts, sums, next, exchange } = await bus.request<LimitsReply>(subject, asked, {
        timeoutMs: limits.askMs,
      });
      pages.accounts.set(pages.next, accounts);
      pages.sums.set(pages.next, sums);
      if (next === null)
        for (const from of pages.accounts.keys())
          if (from > pages.next) for (const kept of [pages.accounts, pages.sums]) kept.delete(from);
      pages.exchange = exchange;
      pages.next = next ?? 0;
      pages.answeredAt = monotonicMs();
      return true;
    } catch (error) {
      this.#parts.logger.debug({ error, shard }, "no follower says how far limits are used");
      return false;
    }
  }

  /** Each change of an alert, an acknowledgement too, until the stream has it. */
  async #publish(): Promise<void> {
    const { db, bus } = this.#parts;
    for (const { alert, revision } of await unpublishedAlerts(db, limits.publishedAtOnce))
      try {
        const id = `${alert.id}:${revision}`;
        await storeMessage(bus, bus.names.subjects.alarm(alert.code), alert, { id, timeoutMs: limits.publishMs });
        await markAlertPublished(db, alert.id, revision);
      } catch (error) {
        this.#warn({ error }, "alerts could not be told to the streams");
        return;
      }
  }
}

const countOf = (alerts: readonly { readonly level: AlertLevel }[], level: AlertLevel): number =>
  alerts.filter((one) => one.level === level).length;
