import { type Bus, BusTimeout, deadLetter, NoResponders } from "#libs/adapters/nats/index.ts";
import {
  type Database,
  endProviderCall,
  markProviderCalled,
  noticeId,
  openProviderCallOf,
  type OpenProviderCall,
  openProviderCalls,
  type ProviderCall,
  type ProviderOutcome,
} from "#libs/adapters/postgres/index.ts";
import { readTakeoverReply } from "#libs/contracts/live/door.ts";
import type { Takeover } from "#libs/contracts/live/provider.ts";
import type { Fact } from "#libs/contracts/log.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { providerAlarm } from "./alarms.ts";
import { limits, retryAfterMs } from "./limits.ts";
import { Overseer, type OverseerParts } from "./overseer.ts";

export const providerQueue = "provider-calls";
const providerStage = 4;
export const providerPriority = 100;

export interface ProviderCallParts extends OverseerParts {
  readonly bus: Bus;
  readonly db: Database;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const texts = ["saga", "counterparty", "instrument", "side", "qty", "price", "mark"] as const;
type Step = Readonly<Record<(typeof texts)[number], string>> & { readonly step: number };

const isStep = (fact: Fact): fact is Fact & Step =>
  fact.fact === "liquidation.step" &&
  fact["stage"] === providerStage &&
  typeof fact["step"] === "number" &&
  texts.every((name) => typeof fact[name] === "string");

/** LIQ-14: the call that a fact asks for; null: none. The engine has booked the take-over in the entry that the fact tells of. */
export function providerCallOf(shard: string, fact: Fact): ProviderCall | null {
  if (!isStep(fact)) return null;
  const { seq: factSeq, t, saga, step, counterparty: provider, instrument, side, qty, price, mark } = fact;
  const id = noticeId({ shard, factSeq, channel: "takeover" });
  const body: Omit<Takeover, "attempt"> = {
    id,
    shard,
    saga,
    step,
    account: provider,
    instrument,
    side: side === "sell" ? "buy" : "sell",
    qty,
    price,
    mark,
    t,
    factSeq,
  };
  return { id, shard, factSeq, provider, saga, step, body };
}

/** Tells providers of what they have taken over until they answer, or the attempts are used up. */
export function providerCalls(parts: ProviderCallParts): Overseer<OpenProviderCall> {
  const { db, metrics } = parts;
  return new Overseer<OpenProviderCall>(
    {
      name: providerQueue,
      concurrency: limits.providerConcurrency,
      atOnceMax: limits.providerConcurrency,
      async open() {
        const open = await openProviderCalls(db);
        metrics.providerCallsOpen.set(open.length);
        return open;
      },
      find: async (row) => openProviderCallOf(db, row),
      duty: (call) => ({
        row: call.id,
        attempts: call.attempts,
        idleMs: call.triedAgoMs ?? call.openForMs,
        priority: providerPriority,
      }),
      attend: async (call) => attend(parts, call),
      wakeAfterMs: retryAfterMs,
    },
    parts,
  );
}

async function attend(parts: ProviderCallParts, call: OpenProviderCall): Promise<number | null> {
  // One that was killed during its last attempt has used it up as well.
  if (call.attempts >= limits.providerAttemptsMax) return end(parts, call, "timeout", null);
  const attempts = await markProviderCalled(parts.db, call.id);
  if (attempts === null) return null;
  const answer = await ask(parts, call, attempts);
  parts.metrics.providerCalls.with(answer.result).inc();
  const asked = { ...call, attempts };
  if (answer.result === "accepted" || answer.result === "refused")
    return end(parts, asked, answer.result, answer.reason);
  return attempts >= limits.providerAttemptsMax ? end(parts, asked, "timeout", answer.result) : attempts;
}

type Answer =
  | { readonly result: "accepted" | "refused"; readonly reason: string | null }
  | { readonly result: "timeout" | "no_responders" | "unreadable" | "failed" };

async function ask({ bus, logger }: ProviderCallParts, call: OpenProviderCall, attempt: number): Promise<Answer> {
  const subject = bus.names.subjects.takeover(call.provider);
  try {
    const said = await bus.request<unknown>(
      subject,
      { ...(call.body as object), attempt },
      { timeoutMs: limits.providerMs },
    );
    const text = JSON.stringify(said);
    const reply = readTakeoverReply(text);
    if (reply.ok && reply.value.id === call.id)
      return { result: reply.value.state, reason: reply.value.reason ?? null };
    const path = reply.ok ? "$.id" : (reply.problems[0]?.path ?? "$");
    await deadLetter(bus, "provider", { reason: "unreadable", path, subject, payload: text });
    return { result: "unreadable" };
  } catch (error) {
    if (error instanceof BusTimeout) return { result: "timeout" };
    if (error instanceof NoResponders) return { result: "no_responders" };
    logger.warn({ error, call: call.id }, "a provider could not be asked");
    return { result: "failed" };
  }
}

async function end(
  { db, logger, metrics }: ProviderCallParts,
  call: OpenProviderCall,
  outcome: ProviderOutcome,
  reason: string | null,
): Promise<null> {
  const alarm = outcome === "accepted" ? undefined : providerAlarm(call, outcome, reason);
  const ended = await endProviderCall(db, call, { outcome, reason, ...(alarm === undefined ? {} : { alarm }) });
  if (!ended) return null;
  if (alarm !== undefined) metrics.alarms.with(alarm.code).inc();
  logger.info(
    { call: call.id, provider: call.provider, outcome, reason, attempts: call.attempts },
    "a provider's word",
  );
  return null;
}
