import { DiscardPolicy, nanos, NatsError, RetentionPolicy, StorageType } from "nats";
import type { StreamConfig, StreamInfo } from "nats";
import { natsOf, translated } from "./bus.ts";
import type { Bus, NatsBus } from "./bus.ts";
import { BusError } from "./errors.ts";

const dayMs = 86_400_000;
const gibibyte = 1024 ** 3;
const mebibyte = 1024 ** 2;

/** A message id that comes again within this time is not stored again. */
export const dedupeWindowMs = 120_000;

/** Largest size and age of what each stream keeps. A full log refuses new entries; the others lose their oldest. */
export const streamLimits = {
  log: { bytes: 4 * gibibyte, ageMs: 7 * dayMs },
  facts: { bytes: gibibyte, ageMs: dayMs },
  deadLetters: { bytes: 64 * mebibyte, ageMs: 30 * dayMs },
  notices: { bytes: 256 * mebibyte, ageMs: dayMs },
} as const;

export type StreamLimits = {
  readonly [S in keyof typeof streamLimits]: { readonly bytes: number; readonly ageMs: number };
};

/** Creates the streams that are missing and sets the limits of those that are there. Another one's stream is an error. */
export async function ensureStreams(
  bus: Bus,
  shards: readonly string[],
  limits: StreamLimits = streamLimits,
): Promise<void> {
  const nats = natsOf(bus);
  const { streams, subjects } = bus.names;
  const wanted = [
    ...shards.map((shard) => config(streams.log(shard), subjects.entries(shard), limits.log, DiscardPolicy.New)),
    config(streams.facts, subjects.allFacts, limits.facts, DiscardPolicy.Old),
    config(streams.deadLetters, subjects.allDeadLetters, limits.deadLetters, DiscardPolicy.Old),
    config(streams.notices, subjects.allNotices, limits.notices, DiscardPolicy.Old),
  ];
  for (const stream of wanted) await ensureStream(nats, stream);
}

function config(
  name: string,
  subject: string,
  limit: { readonly bytes: number; readonly ageMs: number },
  discard: DiscardPolicy,
): Partial<StreamConfig> & { name: string } {
  return {
    name,
    subjects: [subject],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard,
    max_bytes: limit.bytes,
    max_age: nanos(limit.ageMs),
    duplicate_window: nanos(dedupeWindowMs),
    num_replicas: 1,
  };
}

async function ensureStream(nats: NatsBus, wanted: Partial<StreamConfig> & { name: string }): Promise<void> {
  const { streams } = nats.manager;
  const existing = await infoOf(nats, wanted.name);
  if (existing === null) {
    // Two processes may create it at once: with the same configuration both succeed.
    await streams.add(wanted).catch((error: unknown) => {
      throw new BusError(`stream ${wanted.name}: ${error instanceof Error ? error.message : ""}`, { cause: error });
    });
    return;
  }
  const { config: found } = existing;
  if (found.storage !== wanted.storage || found.subjects.join() !== wanted.subjects?.join()) {
    throw new BusError(`stream ${wanted.name} exists with other subjects or storage: ${found.subjects.join()}`);
  }
  const same = (["max_bytes", "max_age", "discard", "duplicate_window"] as const).every(
    (key) => found[key] === wanted[key],
  );
  if (!same) await streams.update(wanted.name, { ...found, ...wanted });
}

async function infoOf(nats: NatsBus, stream: string): Promise<StreamInfo | null> {
  try {
    return await nats.manager.streams.info(stream);
  } catch (error) {
    if (isNotFound(error)) return null;
    throw translated(error, `stream ${stream}`);
  }
}

export const isNotFound = (error: unknown): boolean =>
  error instanceof NatsError && (error.api_error?.code === 404 || error.message.includes("not found"));

export interface StreamState {
  /** ISO, by the server: another value means that the stream is another. */
  readonly created: string;
  /** 0 and 0 while it is empty and never held anything; first is last + 1 once everything has been removed. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly messages: number;
}

/** Throws when there is no such stream, or no answer. */
export async function streamState(bus: Bus, shard: string): Promise<StreamState> {
  return stateOf(bus, bus.names.streams.log(shard));
}

/** The same of any stream, by its name. */
export async function stateOf(bus: Bus, stream: string): Promise<StreamState> {
  const info = await infoOf(natsOf(bus), stream);
  if (info === null) throw new BusError(`there is no stream ${stream}`);
  const { first_seq, last_seq, messages } = info.state;
  return { created: info.created, firstSeq: first_seq, lastSeq: last_seq, messages };
}

/** The message at a position, or null where none is stored (any longer). */
export async function messageAt(bus: Bus, shard: string, seq: number): Promise<Uint8Array | null> {
  const found = await stored(bus, bus.names.streams.log(shard), { seq });
  return found?.data ?? null;
}

/** The last entry of a kind: where its producer, alone on that subject, goes on numbering. */
export async function lastEntry(
  bus: Bus,
  shard: string,
  kind: string,
): Promise<{ seq: number; entry: unknown } | null> {
  const { names } = bus;
  const found = await stored(bus, names.streams.log(shard), { last_by_subj: names.subjects.entry(shard, kind) });
  return found === null ? null : { seq: found.seq, entry: JSON.parse(new TextDecoder().decode(found.data)) };
}

export async function stored(
  bus: Bus,
  stream: string,
  query: { seq: number } | { last_by_subj: string },
): Promise<{ seq: number; data: Uint8Array } | null> {
  try {
    const { seq, data } = await natsOf(bus).manager.streams.getMessage(stream, query);
    return { seq, data };
  } catch (error) {
    if (isNotFound(error) && !(error instanceof Error && error.message.includes("stream not found"))) return null;
    throw translated(error, `stream ${stream}`);
  }
}

/** Removes the entries before `seq`: they must be committed, and in a journal that is backed up. Gives how many went. */
export async function trimLog(bus: Bus, shard: string, seq: number): Promise<number> {
  const { purged } = await natsOf(bus).manager.streams.purge(bus.names.streams.log(shard), { seq });
  return purged;
}
