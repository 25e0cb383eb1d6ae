import type { FactBatch } from "#libs/contracts/live/margin.ts";
import { retry } from "#libs/process/backoff.ts";
import { jetStreamTimeoutMs, natsOf } from "./bus.ts";
import type { Bus } from "./bus.ts";
import { BusError } from "./errors.ts";
import { stored } from "./streams.ts";

const retryFirstMs = 20;
const retryMaxMs = 1_000;
/** What the header adds to a payload, bytes. */
const headerRoom = 512;

/** As `FactBatch`, with each fact as it is written already: its JSON. */
export interface FactTexts extends Omit<FactBatch, "facts"> {
  readonly facts: readonly string[];
}

/**
 * Stores a batch of facts, in several messages when it is too large for one, and returns once the server has it. The outcome of
 * an attempt without answer is unknown, so it is made again under the same id: readers pass over numbers that they have.
 */
export async function publishFacts(bus: Bus, batch: FactTexts, signal?: AbortSignal): Promise<void> {
  const nats = natsOf(bus);
  const { facts, ...head } = batch;
  const data = new TextEncoder().encode(`${JSON.stringify(head).slice(0, -1)},"facts":[${facts.join(",")}]}`);
  if (data.length + headerRoom > nats.payloadMax) {
    for (const part of halves(batch)) await publishFacts(bus, part, signal);
    return;
  }
  const subject = bus.names.subjects.facts(batch.shard);
  const msgID = `${batch.shard}:${batch.from}`;
  await retry(async () => nats.jetStream.publish(subject, data, { msgID, timeout: jetStreamTimeoutMs }), {
    attempts: Number.POSITIVE_INFINITY,
    firstMs: retryFirstMs,
    maxMs: retryMaxMs,
    ...(signal === undefined ? {} : { signal }),
    retryIf: () => !nats.connection.isClosed(),
    onRetry: (error, attempt) => nats.logger.warn({ error, attempt, from: batch.from }, "facts were not acknowledged"),
  });
}

function halves(batch: FactTexts): FactTexts[] {
  const { facts, from } = batch;
  if (facts.length < 2) throw new BusError(`fact ${from} is larger than a message may be`);
  const middle = facts.length >> 1;
  return [
    { ...batch, to: from + middle - 1, facts: facts.slice(0, middle) },
    { ...batch, from: from + middle, facts: facts.slice(middle) },
  ];
}

/** Number of the last fact that the stream holds; 0: none. */
export async function lastPublishedFact(bus: Bus, shard: string): Promise<number> {
  const found = await stored(bus, bus.names.streams.facts, { last_by_subj: bus.names.subjects.facts(shard) });
  return found === null ? 0 : (JSON.parse(new TextDecoder().decode(found.data)) as FactBatch).to;
}
