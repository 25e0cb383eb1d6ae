import { type Database, openEffect, type OpenEffect, openEffects } from "#libs/adapters/postgres/index.ts";
import { effectsByKind } from "#libs/contracts/log.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { type Dispatched, dispatchedAgain } from "./dispatcher.ts";
import { limits, priorityOf, wakeAfterMs } from "./limits.ts";
import { type Duty, Overseer, type OverseerParts } from "./overseer.ts";
import type { Ratios } from "./ratios.ts";

export const watchdogQueue = "watchdog";

export interface WatchdogParts extends OverseerParts {
  readonly db: Database;
  readonly metrics: Metrics;
  readonly ratios: Ratios;
  /** False: no room, or it is under way. */
  readonly resend: (one: Dispatched) => boolean;
  readonly escalate: (one: OpenEffect) => Promise<void>;
}

const rowOf = (shard: string, effect: string): string => `${shard}/${effect}`;

const sagaOf = ({ effect }: Pick<OpenEffect, "effect">): string | null => ("saga" in effect ? effect.saga : null);

/** What an attempt at an effect leaves to be looked after. */
export function dutyOf(ratios: Ratios, { shard, effect, attempt }: Dispatched): Omit<Duty, "idleMs"> {
  const saga = sagaOf({ effect });
  return { row: rowOf(shard, effect.id), attempts: attempt, priority: priorityOf(ratios.of(shard, saga)) };
}

/** Looks after effects that stay open: the engine has not applied their outcome, whatever the matching engine may have said. */
export function watchdog(parts: WatchdogParts): Overseer<OpenEffect> {
  const { db, metrics, ratios, resend, escalate } = parts;
  return new Overseer<OpenEffect>(
    {
      name: watchdogQueue,
      concurrency: limits.wakeConcurrency,
      atOnceMax: limits.waitingMax,
      async open() {
        const open = await openEffects(db);
        count(metrics, open);
        await ratios.learn(db, open);
        return open;
      },
      async find(row) {
        const [shard = "", effect = ""] = row.split("/");
        metrics.watchdogWakeups.inc();
        return openEffect(db, shard, effect);
      },
      duty: (one) => ({
        row: rowOf(one.shard, one.effect.id),
        attempts: one.attempts,
        idleMs: one.sentAgoMs ?? one.openForMs,
        priority: priorityOf(ratios.of(one.shard, sagaOf(one))),
      }),
      async attend(one) {
        resend(dispatchedAgain(one));
        if (one.attempts >= limits.attemptsMax) await escalate(one);
        // The attempt itself plans the wake-up that follows it.
        return null;
      },
      wakeAfterMs,
    },
    parts,
  );
}

function count(metrics: Metrics, open: readonly OpenEffect[]): void {
  const kinds = effectsByKind(open.map(({ effect }) => effect));
  for (const [kind, many] of Object.entries(kinds)) metrics.effectsOpen.with(kind).set(many);
}
