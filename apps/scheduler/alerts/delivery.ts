import { KeptQueues } from "#libs/adapters/bullmq/index.ts";
import {
  type AlertChannel,
  type AlertDelivery,
  alertChannels,
  type Database,
  deliveriesWaiting,
  markDeliveries,
  openDeliveries,
} from "#libs/adapters/postgres/index.ts";
import { connectRedis } from "#libs/adapters/redis/index.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { type Channel, ChannelRefused } from "./channels.ts";
import { limits, retryAfterMs } from "./limits.ts";

export interface AlertDeliveryParts {
  readonly db: Database;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly redisUrl: string;
  readonly namespace: string;
  readonly signal: AbortSignal;
  readonly mayAct: () => boolean;
  readonly channels: readonly Channel[];
}

const queueOf = (channel: AlertChannel): string => `alerts-${channel}`;
const jobOf = (channel: AlertChannel): string => `${channel}-due`;

/**
 * Tells each channel what is recorded for it, at least once, one channel by itself: a job of BullMQ says that something is due, what it is
 * stands in PostgreSQL. Without Redis this process does it itself. Nobody waits for a channel.
 */
export class Deliveries {
  readonly #parts: AlertDeliveryParts;
  readonly #warn: Logger["warn"];
  readonly #queues: KeptQueues<null>;
  readonly #running = new Map<AlertChannel, Promise<void>>();
  /** Channel → when it may be asked again, monotonic ms. */
  readonly #notBefore = new Map<AlertChannel, number>();

  constructor(parts: AlertDeliveryParts) {
    this.#parts = parts;
    this.#warn = limited((fields, message) => parts.logger.warn(fields, message));
    const { redisUrl: url, namespace, logger } = parts;
    this.#queues = new KeptQueues<null>(
      {
        ...parts,
        connect: async (role) =>
          connectRedis({ url, name: "alerts", namespace, role, logger, connectWithinMs: limits.redisRetryMs }),
        away: "alerts are told without Redis",
        retryMs: limits.redisRetryMs,
        measureMs: limits.measureMs,
      },
      new Map(
        parts.channels.map((channel) => [
          queueOf(channel.name),
          { concurrency: 1, run: async () => this.#run(channel) },
        ]),
      ),
    );
  }

  /** Those to whom something has to be told. */
  get names(): readonly AlertChannel[] {
    return this.#parts.channels.map(({ name }) => name);
  }

  /** After the signal has aborted: when nothing runs any more. */
  async stopped(): Promise<void> {
    await this.#queues.stopped();
    await Promise.all(this.#running.values());
  }

  /** Sees to it that what is due is told; returns at once. */
  async kick(): Promise<void> {
    for (const channel of this.#parts.channels) {
      if ((await this.#due(channel)).length === 0) continue;
      const queue = this.#queues.get(queueOf(channel.name));
      const asked = await queue?.add(jobOf(channel.name), null, { attempts: 1 }).catch(() => undefined);
      if (asked === undefined) void this.#run(channel);
    }
  }

  async measure(): Promise<void> {
    const { db, metrics } = this.#parts;
    const waiting = await deliveriesWaiting(db);
    for (const channel of alertChannels) {
      metrics.alertsWaiting.with(channel).set(waiting.get(channel)?.waiting ?? 0);
      metrics.alertsOldest.with(channel).set((waiting.get(channel)?.oldestMs ?? 0) / 1_000);
    }
  }

  async #due({ name }: Channel): Promise<AlertDelivery[]> {
    if (monotonicMs() < (this.#notBefore.get(name) ?? 0)) return [];
    const open = await openDeliveries(this.#parts.db, name, limits.alertsPerMessage);
    return open.filter(({ attempts, idleMs }) => idleMs >= retryAfterMs(attempts));
  }

  /** One run of a channel at a time. */
  async #run(channel: Channel): Promise<void> {
    const { name } = channel;
    if (this.#running.has(name)) return;
    const run = this.#tell(channel)
      .catch((error: unknown) => this.#warn({ error, channel: name }, "alerts wait"))
      .finally(() => this.#running.delete(name));
    this.#running.set(name, run);
    await run;
  }

  async #tell(channel: Channel): Promise<void> {
    const { db, mayAct, signal } = this.#parts;
    for (let message = 0; message < limits.messagesPerRun && mayAct() && !signal.aborted; message += 1) {
      const due = await this.#due(channel);
      if (due.length === 0) return;
      const sent = await this.#send(channel, due);
      const ids = due.map(({ id }) => id);
      const dropped = await markDeliveries(db, ids, sent ? "sent" : "failed", limits.attemptsMax);
      if (dropped > 0) this.#parts.logger.error({ channel: channel.name, dropped }, "alerts were given up");
      if (!sent) return;
    }
  }

  async #send(channel: Channel, due: readonly AlertDelivery[]): Promise<boolean> {
    const { metrics } = this.#parts;
    const { name } = channel;
    try {
      // The first of them names the message: told again, it begins with the same.
      await channel.send(
        `${name}-${due[0]?.id ?? 0}`,
        due.map(({ alert }) => alert),
      );
      metrics.alertMessages.with(name, "sent").inc();
      return true;
    } catch (error) {
      metrics.alertMessages.with(name, "failed").inc();
      this.#warn({ error, channel: name }, "a channel has not taken an alert");
      const asked = error instanceof ChannelRefused ? error.retryAfterMs : null;
      if (asked !== null) this.#notBefore.set(name, monotonicMs() + Math.min(asked, limits.retryAfterMostMs));
      return false;
    }
  }
}
