import { AckPolicy, DeliverPolicy, DiscardPolicy, nanos, NatsError, ReplayPolicy } from "nats";
import { RetentionPolicy, StorageType } from "nats";
import type { StreamConfig, StreamInfo } from "nats";
import { wait } from "#libs/process/backoff.ts";
import { natsOf, translated } from "./bus.ts";
import type { Bus, NatsBus } from "./bus.ts";
import { BusError } from "./errors.ts";

const dayMs = 86_400_000;
const gibibyte = 1024 ** 3;
const mebibyte = 1024 ** 2;

/** The server forgets a consumer that nobody asks for so long. */
const consumerIdleMs = 5_000;

/** A message id that comes again within this time is not stored again. */
export const dedupeWindowMs = 120_000;

/** How long a process waits for streams that it may not create itself. */
const createdWithinMs = 15_000;
const lookMs = 200;

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

export interface StreamOptions {
  readonly limits?: StreamLimits;
  /** On how many servers of a cluster each stream is kept. A stream that is kept on more stays there. */
  readonly replicas?: number;
}

/** Creates the streams that are missing and sets the limits of those that are there. Another one's stream is an error. */
export async function ensureStreams(
  bus: Bus,
  shards: readonly string[],
  { limits = streamLimits, replicas = 1 }: StreamOptions = {},
): Promise<void> {
  const nats = natsOf(bus);
  const { streams, subjects } = bus.names;
  const wanted = [
    ...shards.map((shard) => config(streams.log(shard), [subjects.entries(shard)], limits.log, DiscardPolicy.New)),
    config(streams.facts, [subjects.allFacts], limits.facts, DiscardPolicy.Old),
    config(streams.deadLetters, [subjects.allDeadLetters], limits.deadLetters, DiscardPolicy.Old),
    config(streams.notices, [subjects.allNotices, subjects.allAlarms], limits.notices, DiscardPolicy.Old),
  ];
  for (const stream of wanted) await ensureStream(nats, { ...stream, num_replicas: replicas });
}

/** Removes the streams of a deployment whose data nobody wants any more: a demonstration's, on a server of others. */
export async function removeStreams(bus: Bus, shards: readonly string[]): Promise<void> {
  const { streams } = bus.names;
  for (const name of [
    ...shards.map((shard) => streams.log(shard)),
    streams.facts,
    streams.deadLetters,
    streams.notices,
  ])
    await natsOf(bus)
      .manager.streams.delete(name)
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw translated(error, `stream ${name}`);
      });
}

function config(
  name: string,
  subjects: string[],
  limit: { readonly bytes: number; readonly ageMs: number },
  discard: DiscardPolicy,
): Partial<StreamConfig> & { name: string } {
  return {
    name,
    subjects,
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard,
    max_bytes: limit.bytes,
    max_age: nanos(limit.ageMs),
    duplicate_window: nanos(dedupeWindowMs),
  };
}

type Wanted = Partial<StreamConfig> & { readonly name: string; readonly num_replicas: number };

async function ensureStream(nats: NatsBus, wanted: Wanted): Promise<void> {
  const { streams } = nats.manager;
  const existing = await infoOf(nats, wanted.name);
  if (existing === null) {
    // Two processes may create it at once: with the same configuration both succeed. One that may not create streams waits.
    const failure: unknown = await streams.add(wanted).then(
      () => null,
      (error: unknown) => error,
    );
    if (failure === null || (await appears(nats, wanted.name))) return;
    throw new BusError(`stream ${wanted.name}: ${failure instanceof Error ? failure.message : ""}`, { cause: failure });
  }
  const { config: found } = existing;
  if (found.storage !== wanted.storage || found.subjects.join() !== wanted.subjects?.join()) {
    throw new BusError(`stream ${wanted.name} exists with other subjects or storage: ${found.subjects.join()}`);
  }
  const same = (["max_bytes", "max_age", "discard", "duplicate_window"] as const).every(
    (key) => found[key] === wanted[key],
  );
  const replicas = Math.max(found.num_replicas, wanted.num_replicas);
  if (!same || replicas > found.num_replicas)
    await streams.update(wanted.name, { ...found, ...wanted, num_replicas: replicas });
}

/** Whether somebody else creates it within some time. */
async function appears(nats: NatsBus, stream: string): Promise<boolean> {
  const until = performance.now() + createdWithinMs;
  while (performance.now() < until) {
    if ((await infoOf(nats, stream)) !== null) return true;
    await wait(lookMs);
  }
  return false;
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
  /** Stored, and the most that may be; -1: no bound. */
  readonly bytes: number;
  readonly bytesMax: number;
}

/** Throws when there is no such stream, or no answer. */
export async function streamState(bus: Bus, shard: string): Promise<StreamState> {
  return stateOf(bus, bus.names.streams.log(shard));
}

/** The same of any stream, by its name. */
export async function stateOf(bus: Bus, stream: string): Promise<StreamState> {
  const info = await infoOf(natsOf(bus), stream);
  if (info === null) throw new BusError(`there is no stream ${stream}`);
  const { first_seq, last_seq, messages, bytes } = info.state;
  const range = { firstSeq: first_seq, lastSeq: last_seq };
  return { created: info.created, ...range, messages, bytes, bytesMax: info.config.max_bytes };
}

/** Where a stream is kept. */
export interface StreamPlace {
  readonly stream: string;
  /** On how many servers it is to be. */
  readonly replicas: number;
  /** Names of the servers; null: none has been elected. Followers are those that have everything. */
  readonly leader: string | null;
  readonly followers: readonly string[];
}

/** Of every stream of a deployment that exists. */
export async function streamPlaces(bus: Bus, shards: readonly string[]): Promise<StreamPlace[]> {
  const { streams } = bus.names;
  const names = [...shards.map((shard) => streams.log(shard)), streams.facts, streams.deadLetters, streams.notices];
  const found = await Promise.all(names.map((name) => infoOf(natsOf(bus), name)));
  return found.flatMap((info) => (info === null ? [] : [placeOf(info)]));
}

function placeOf({ config: { name, num_replicas }, cluster }: StreamInfo): StreamPlace {
  const followers = (cluster?.replicas ?? []).filter(({ current, offline }) => current && !offline);
  return {
    stream: name,
    replicas: num_replicas,
    leader: cluster?.leader ?? null,
    followers: followers.map((one) => one.name),
  };
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

/** The first entry of a kind at a position or behind it; null: there is none. Needs no consumer, which not everybody may make. */
export async function nextEntry(
  bus: Bus,
  shard: string,
  kind: string,
  seq: number,
): Promise<{ seq: number; entry: unknown } | null> {
  const { names } = bus;
  const query = { seq, next_by_subj: names.subjects.entry(shard, kind) };
  const found = await stored(bus, names.streams.log(shard), query);
  return found === null ? null : { seq: found.seq, entry: JSON.parse(new TextDecoder().decode(found.data)) };
}

export async function stored(
  bus: Bus,
  stream: string,
  query: { seq: number } | { last_by_subj: string } | { seq: number; next_by_subj: string },
): Promise<{ seq: number; data: Uint8Array } | null> {
  try {
    const { seq, data } = await natsOf(bus).manager.streams.getMessage(stream, query);
    return { seq, data };
  } catch (error) {
    if (isNotFound(error) && !(error instanceof Error && error.message.includes("stream not found"))) return null;
    throw translated(error, `stream ${stream}`);
  }
}

/** The first position stored within the last `ageMs`, or the one after the last. */
export async function firstSince(bus: Bus, shard: string, ageMs: number): Promise<number> {
  const { consumers } = natsOf(bus).manager;
  const stream = bus.names.streams.log(shard);
  // There is no question for it, but a consumer that begins at a time knows its place, and is forgotten.
  const { name, delivered } = await consumers.add(stream, {
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: new Date(Date.now() - ageMs).toISOString(),
    ack_policy: AckPolicy.None,
    replay_policy: ReplayPolicy.Instant,
    inactive_threshold: nanos(consumerIdleMs),
    mem_storage: true,
    num_replicas: 1,
  });
  void consumers.delete(stream, name).catch(() => {});
  return delivered.stream_seq + 1;
}

/** Removes the entries before `seq`: they must be committed, and in a journal that is backed up. Gives how many went. */
export async function trimLog(bus: Bus, shard: string, seq: number): Promise<number> {
  const { purged } = await natsOf(bus).manager.streams.purge(bus.names.streams.log(shard), { seq });
  return purged;
}
