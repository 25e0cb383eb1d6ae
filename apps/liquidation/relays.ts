import { type Bus, type EntryWriter, openEntryWriter } from "#libs/adapters/nats/index.ts";
import {
  type Database,
  lastOutboxSeq,
  markPublished,
  type OutboxEntry,
  pendingEntries,
} from "#libs/adapters/postgres/index.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { Relay } from "#libs/process/relay.ts";
import { limits } from "./limits.ts";

interface Stored {
  readonly entry: OutboxEntry;
  logSeq: number | null;
}

/** From the entry outbox into one shard's log, in order. */
export async function openRelay(
  parts: {
    readonly bus: Bus;
    readonly db: Database;
    readonly mayWrite: () => boolean;
    readonly onError: (e: unknown) => void;
  },
  shard: string,
): Promise<{ readonly relay: Relay<Stored>; readonly writer: EntryWriter }> {
  const { bus, db, mayWrite, onError } = parts;
  const source = sources.liquidation;
  const writer = openEntryWriter(bus, { shard, source, lastSeq: await lastOutboxSeq(db, source, shard) });
  const relay = new Relay<Stored>({
    outbox: {
      pending: async (limit) =>
        (await pendingEntries(db, { source, shard, limit })).map((entry) => ({ entry, logSeq: null })),
      markPublished: async (items) => {
        for (const { entry, logSeq } of items) await markPublished(db, { ...entry, logSeq });
      },
    },
    write: async (items) => {
      const written = items.map((item) => ({ item, stored: writer.writeNumbered(item.entry.entry).stored }));
      for (const { item, stored } of written) item.logSeq = await stored;
    },
    mayWrite,
    onError,
    pollMs: limits.outboxPollMs,
  });
  return { relay, writer };
}
