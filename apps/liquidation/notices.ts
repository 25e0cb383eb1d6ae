import type { Bus } from "#libs/adapters/nats/index.ts";
import {
  type Database,
  factCursor,
  type FactNotice,
  factsOfNames,
  moveFactCursor,
  openProviderCall,
  type ProviderCall,
  recordNotices,
} from "#libs/adapters/postgres/index.ts";
import type { Fact } from "#libs/contracts/log.ts";
import { wait } from "#libs/process/backoff.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import { limits } from "./limits.ts";
import { providerCallOf } from "./provider-calls.ts";
import type { Ratios } from "./ratios.ts";

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

/** Of the reader in `fact_cursor`. */
const reader = "notices";

/** Who is told of a fact, and by which channel; a step of stage 4 also tells the provider that took over. */
export function noticesOf(shard: string, fact: Fact): FactNotice[] {
  const of = (channel: FactNotice["channel"], account: unknown): FactNotice[] =>
    typeof account === "string" ? [{ shard, factSeq: fact.seq, channel, account, body: fact }] : [];
  if (fact.fact === "liquidation.step")
    return providerCallOf(shard, fact) === null ? [] : of("takeover", fact["counterparty"]);
  if (fact.fact === "adl.filled") return [...of("account", fact["account"]), ...of("counterparty", fact["against"])];
  return of("account", fact["account"]);
}

export interface NoticesParts {
  readonly bus: Bus;
  readonly db: Database;
  readonly logger: Logger;
  readonly shards: readonly string[];
  readonly signal: AbortSignal;
  readonly mayAct: () => boolean;
  readonly ratios: Ratios;
  /** They are recorded, and may be delivered. */
  readonly onRecorded: (notices: readonly FactNotice[], calls: readonly ProviderCall[]) => void;
}

/**
 * Committed facts become notices and calls of providers, recorded once in PostgreSQL with the place that the facts were read up to. The
 * facts are read from PostgreSQL, where none can be missing; their stream only says when to look.
 */
export async function runNotices(parts: NoticesParts): Promise<void> {
  const { bus, signal } = parts;
  const warn = limited((fields, message) => parts.logger.warn(fields, message));
  let wake = new AbortController();
  const hint = bus.subscribe(bus.names.subjects.allFacts, () => wake.abort());
  try {
    while (!signal.aborted) {
      wake = new AbortController();
      try {
        if (parts.mayAct() && (await pass(parts))) continue;
      } catch (error) {
        warn({ error }, "notices wait");
      }
      // What is committed meanwhile is recorded together: a closing order must not wait for news of it.
      await wait(limits.soonMs, signal);
      await wait(limits.noticesPollMs, AbortSignal.any([signal, wake.signal]));
    }
  } finally {
    hint.stop();
  }
}

/** True when there is more to do at once. */
async function pass(parts: NoticesParts): Promise<boolean> {
  let more = false;
  for (const shard of parts.shards) more = (await record(parts, shard)) || more;
  return more;
}

async function record({ db, ratios, onRecorded }: NoticesParts, shard: string): Promise<boolean> {
  const after = await factCursor(db, reader, shard);
  const { facts, upTo, full } = await factsOfNames(db, shard, after, told, limits.factsAtOnce);
  if (upTo === after) return false;
  for (const fact of facts)
    if (fact.fact === "liquidation.started" && typeof fact["saga"] === "string")
      ratios.set(shard, fact["saga"], typeof fact["ratio"] === "string" ? fact["ratio"] : null);
  const notices = facts.flatMap((fact) => noticesOf(shard, fact));
  const calls = facts.flatMap((fact) => providerCallOf(shard, fact) ?? []);
  await db.transaction(async (client) => {
    await recordNotices(client, notices);
    for (const call of calls) await openProviderCall(client, call);
    await moveFactCursor(client, reader, shard, upTo);
  });
  onRecorded(notices, calls);
  return full;
}
