import { type Bus, storeMessage } from "#libs/adapters/nats/index.ts";
import {
  type Alarm,
  type Database,
  type FactNotice,
  markNoticesSent,
  markNoticeTried,
  noticeChannels,
  type NoticeChannel,
  noticesWaiting,
  type UnsentNotice,
  unsentNotices,
} from "#libs/adapters/postgres/index.ts";
import { wait } from "#libs/process/backoff.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { limits, retryAfterMs } from "./limits.ts";
import { type Duty, Overseer, type OverseerParts } from "./overseer.ts";

export const noticeQueue = (channel: NoticeChannel): string => `notices-${channel}`;

export interface DeliveryParts extends OverseerParts {
  readonly bus: Bus;
  readonly db: Database;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What must be known first goes first: a warning can wait for a liquidation. */
const priorities: Readonly<Record<string, number>> = { warning: 300, "liquidation.stage": 200 };
const priorityDefault = 100;

const priorityOf = (body: unknown): number =>
  priorities[(body as { readonly fact?: string } | null)?.fact ?? ""] ?? priorityDefault;

/** All that a channel has to send. */
interface Load {
  readonly channel: NoticeChannel;
  /** Oldest first; never empty. */
  readonly notices: readonly UnsentNotice[];
}

/**
 * A queue of its own for each channel, so that one which cannot be delivered keeps no other waiting; a job delivers all that its channel
 * has to send.
 */
export class Delivery {
  readonly overseers: ReadonlyMap<NoticeChannel, Overseer<Load>>;
  readonly #parts: DeliveryParts;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    this.overseers = new Map(noticeChannels.map((channel) => [channel, overseerOf(parts, channel)]));
  }

  /** These have been recorded. */
  soon(notices: readonly FactNotice[]): void {
    for (const channel of new Set(notices.map((one) => one.channel))) this.overseers.get(channel)?.soon();
  }

  /** Until the signal aborts. */
  async measure(): Promise<void> {
    const { db, metrics, signal, logger } = this.#parts;
    const warn = limited((fields, message) => logger.warn(fields, message));
    while (!signal.aborted) {
      try {
        const waiting = new Map((await noticesWaiting(db)).map((one) => [one.channel, one]));
        for (const channel of noticeChannels) {
          metrics.noticesWaiting.with(channel).set(waiting.get(channel)?.waiting ?? 0);
          metrics.noticesOldest.with(channel).set((waiting.get(channel)?.oldestMs ?? 0) / 1_000);
        }
      } catch (error) {
        warn({ error }, "waiting notices could not be counted");
      }
      await wait(limits.measureMs, signal);
    }
  }
}

function overseerOf(parts: DeliveryParts, channel: NoticeChannel): Overseer<Load> {
  const { db } = parts;
  const find = async (): Promise<Load | null> => {
    const notices = await unsentNotices(db, channel);
    return notices.length === 0 ? null : { channel, notices };
  };
  return new Overseer<Load>(
    {
      name: noticeQueue(channel),
      concurrency: 1,
      atOnceMax: 1,
      async open() {
        const load = await find();
        return load === null ? [] : [load];
      },
      find: async () => find(),
      duty: ({ notices }) => dutyOf(channel, notices),
      attend: async (load) => deliverAll(parts, load),
      wakeAfterMs: () => 0,
    },
    parts,
  );
}

/** When the first of them is due; `attempts` tells one job of the channel from the next. */
function dutyOf(channel: NoticeChannel, notices: readonly UnsentNotice[]): Duty {
  const due = notices.map((one) => (one.triedAgoMs ?? one.openForMs) - retryAfterMs(one.attempts));
  const attempts = notices.reduce((most, one) => Math.max(most, one.attempts), 0);
  const priority = notices.reduce((least, one) => Math.min(least, priorityOf(one.body)), priorityDefault);
  return { row: channel, attempts, idleMs: Math.max(...due), priority };
}

/** Those that are due, what must be known first before the others; how many attempts there have been where some stay unsent. */
async function deliverAll(parts: DeliveryParts, { channel, notices }: Load): Promise<number | null> {
  const due = notices
    .filter((one) => (one.triedAgoMs ?? one.openForMs) >= retryAfterMs(one.attempts))
    .toSorted((left, right) => priorityOf(left.body) - priorityOf(right.body));
  let failed = 0;
  for (let at = 0; at < due.length && parts.mayAct(); at += limits.noticeConcurrency) {
    const some = due.slice(at, at + limits.noticeConcurrency);
    const stored = await Promise.all(some.map(async (one) => deliver(parts, one)));
    const sent = some.filter((_, which) => stored[which]).map(({ id }) => id);
    await markNoticesSent(parts.db, sent);
    failed += some.length - sent.length;
  }
  return failed === 0 && due.length === notices.length ? null : dutyOf(channel, notices).attempts + 1;
}

/** Published until the stream has acknowledged it: what has been sent and not noted is sent again under the same id. */
async function deliver({ bus, db, logger, metrics }: DeliveryParts, notice: UnsentNotice): Promise<boolean> {
  const { id, channel } = notice;
  const { subject, body } = messageOf(bus, notice);
  try {
    const stored = await storeMessage(bus, subject, body, { id, timeoutMs: limits.noticeAckMs });
    metrics.notices.with(channel, stored ? "sent" : "duplicate").inc();
    return true;
  } catch (error) {
    metrics.notices.with(channel, "failed").inc();
    const attempts = notice.attempts + 1;
    const fields = { error, id, channel, attempts };
    if (attempts >= limits.attemptsMax) logger.error(fields, "a notice cannot be delivered");
    else logger.debug(fields, "a notice was not acknowledged");
    await markNoticeTried(db, id);
    return false;
  }
}

function messageOf(bus: Bus, { id, shard, channel, account, body, recordedAt }: UnsentNotice) {
  const { subjects } = bus.names;
  if (account !== null) return { subject: subjects.notice(account), body: { id, shard, channel, fact: body } };
  const { code, text, detail = null } = body as Omit<Alarm, "id" | "shard">;
  return { subject: subjects.alarm(code), body: { id, shard, code, text, detail, at: recordedAt } };
}
