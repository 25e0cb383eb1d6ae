import type { Bus } from "#libs/adapters/nats/index.ts";
import {
  count,
  type Database,
  markNoticeSent,
  type Notice,
  recordNotice,
  unsentNotices,
} from "#libs/adapters/postgres/index.ts";
import type { Fact } from "#libs/contracts/log.ts";
import { wait } from "#libs/process/backoff.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import { limits } from "./limits.ts";

/** Facts that somebody outside is told about. */
const told = [
  "warning",
  "liquidation.started",
  "liquidation.stage",
  "liquidation.step",
  "liquidation.ended",
  "adl.filled",
  "loss.shared",
] as const;
const providerStage = 4;

/** Who is told of a fact, and by which channel; a step of stage 4 also tells the provider that took over. */
export function noticesOf(shard: string, fact: Fact): Notice[] {
  const of = (channel: string, account: unknown): Notice[] =>
    typeof account === "string" ? [{ shard, factSeq: fact.seq, channel, account, body: fact }] : [];
  if (fact.fact === "liquidation.step")
    return fact["stage"] === providerStage ? of("takeover", fact["counterparty"]) : [];
  if (fact.fact === "adl.filled") return [...of("account", fact["account"]), ...of("counterparty", fact["against"])];
  return of("account", fact["account"]);
}

/** The same wherever the notice is sent again: what receivers tell copies by. */
export const noticeId = ({ shard, factSeq, channel }: Pick<Notice, "shard" | "factSeq" | "channel">): string =>
  `${shard}-${factSeq}-${channel}`;

export interface NoticesParts {
  readonly bus: Bus;
  readonly db: Database;
  readonly logger: Logger;
  readonly shards: readonly string[];
  readonly signal: AbortSignal;
  readonly mayAct: () => boolean;
  /** Told of each saga's ratio as facts say it. */
  readonly onRatio: (saga: string, ratio: string) => void;
}

/**
 * Committed facts become notices: recorded once in PostgreSQL, then published until the stream has acknowledged them. The facts are
 * read from PostgreSQL, where none can be missing; their stream only says when to look.
 */
export async function runNotices(parts: NoticesParts): Promise<void> {
  const { bus, signal } = parts;
  const warn = limited((fields, message) => parts.logger.warn(fields, message));
  let wake = new AbortController();
  const hint = bus.subscribe(bus.names.subjects.allFacts, () => wake.abort());
  const cursors = new Map<string, number>();
  try {
    while (!signal.aborted) {
      wake = new AbortController();
      try {
        if (parts.mayAct() && (await pass(parts, cursors))) continue;
      } catch (error) {
        warn({ error }, "notices wait");
      }
      await wait(limits.noticesPollMs, AbortSignal.any([signal, wake.signal]));
    }
  } finally {
    hint.stop();
  }
}

/** True when there is more to do at once. */
async function pass(parts: NoticesParts, cursors: Map<string, number>): Promise<boolean> {
  let more = false;
  for (const shard of parts.shards) {
    const after = cursors.get(shard) ?? (await lastRecorded(parts.db, shard));
    const facts = await factsAfter(parts.db, shard, after);
    for (const fact of facts) {
      if (typeof fact["saga"] === "string" && typeof fact["ratio"] === "string")
        parts.onRatio(fact["saga"], fact["ratio"]);
      for (const notice of noticesOf(shard, fact)) await recordNotice(parts.db, notice);
    }
    cursors.set(shard, facts.at(-1)?.seq ?? after);
    more ||= facts.length === limits.noticesAtOnce;
  }
  const unsent = await unsentNotices(parts.db, limits.noticesAtOnce);
  for (const notice of unsent) await send(parts, notice);
  return more || unsent.length === limits.noticesAtOnce;
}

async function send({ bus, db }: NoticesParts, notice: Notice): Promise<void> {
  const body = { id: noticeId(notice), shard: notice.shard, channel: notice.channel, fact: notice.body };
  // The stream's acknowledgement is the answer to the request; without one the notice is sent again.
  await bus.request(bus.names.subjects.notice(notice.account), body, { timeoutMs: limits.noticeAckMs });
  await markNoticeSent(db, notice);
}

/** The remembered place: a fact is only passed over once its notices are recorded, and recording again changes nothing. */
async function lastRecorded(db: Database, shard: string): Promise<number> {
  const { rows } = await db.query<{ last: string | null }>({
    text: "SELECT max(fact_seq) AS last FROM notice WHERE shard = $1",
    values: [shard],
  });
  return Math.max(0, count(rows[0]?.last ?? 0) - 1);
}

async function factsAfter(db: Database, shard: string, after: number): Promise<Fact[]> {
  const { rows } = await db.query<{ body: Fact }>({
    name: "liquidation_facts",
    text: "SELECT body FROM fact WHERE shard = $1 AND seq > $2 AND fact = ANY($3) ORDER BY seq LIMIT $4",
    values: [shard, after, [...told], limits.noticesAtOnce],
  });
  return rows.map(({ body }) => body);
}
