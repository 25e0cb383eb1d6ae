import { type Bus, BusTimeout, NoResponders } from "#libs/adapters/nats/index.ts";
import { type Database, enqueueEntry } from "#libs/adapters/postgres/index.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { VenueCommand, VenueReply } from "#libs/contracts/live/venue.ts";
import type { Clock } from "#libs/process/clock.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import type { Attempts } from "./attempts.ts";
import type { Dispatched } from "./dispatcher.ts";
import { limits } from "./limits.ts";

export interface CarryOutParts {
  readonly bus: Bus;
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** false: another process does this by now. */
  readonly mayAct: () => boolean;
  /** An entry was put into the outbox. */
  readonly onQueued: () => void;
  /** An attempt was made; its outcome is in the log sooner or later, or it is to be looked after again. */
  readonly onAttempt: () => void;
  readonly attempts: Attempts;
}

/**
 * One attempt at one effect. Whatever comes of it here, the effect is open until the engine has applied its outcome: no answer says
 * nothing, and an answer only that the outcome is under way.
 */
export async function carryOut(parts: CarryOutParts, one: Dispatched): Promise<void> {
  if (!parts.mayAct()) return;
  const { effect } = one;
  parts.attempts.add({ shard: one.shard, id: effect.id });
  const result = effect.effect === "resume" ? await resume(parts, one) : await command(parts, one);
  parts.metrics.effectAttempts.with(effect.effect, result).inc();
  parts.onAttempt();
}

async function resume(parts: CarryOutParts, { shard, effect, trace }: Dispatched): Promise<string> {
  const body = { k: "resumed", effect: effect.id } as const;
  try {
    const t = parts.clock.now();
    await enqueueEntry(parts.db, { source: sources.liquidation, shard, key: effect.id, body, t, trace });
    parts.onQueued();
    return "queued";
  } catch (error) {
    parts.logger.warn({ error, effect: effect.id }, "an entry was not queued");
    return "failed";
  }
}

async function command(parts: CarryOutParts, one: Dispatched): Promise<string> {
  const { shard, epoch, attempt, effect, trace } = one;
  const said = { shard, epoch, attempt, effect, ...(trace === undefined ? {} : { trace }) } as VenueCommand;
  try {
    const reply = await parts.bus.request<VenueReply>(parts.bus.names.subjects.venue("command"), said, {
      timeoutMs: limits.commandMs,
    });
    if (reply.state === "refused" || reply.state === "stale_epoch")
      parts.logger.warn({ shard, effect: effect.id, reply }, "the matching engine refused a command");
    return reply.state;
  } catch (error) {
    if (error instanceof BusTimeout) return "timeout";
    if (error instanceof NoResponders) return "no_responders";
    parts.logger.warn({ error, shard, effect: effect.id }, "a command failed");
    return "failed";
  }
}
