import { openEntryWriter } from "#libs/adapters/nats/index.ts";
import type { Bus, EntryWriter } from "#libs/adapters/nats/index.ts";
import { lastOutboxSeq, markPublished, pendingEntries } from "#libs/adapters/postgres/index.ts";
import type { Database, OutboxEntry } from "#libs/adapters/postgres/index.ts";
import { Relay } from "#libs/process/relay.ts";

export interface EntryRelay {
  kick(): void;
  stop(): Promise<void>;
}

export interface EntryRelayOptions {
  readonly db: Database;
  readonly bus: Bus;
  readonly source: string;
  readonly shard: string;
  readonly mayWrite: () => boolean;
  readonly onError: (error: unknown) => void;
}

/** Publishes one source's entries of one shard from the database into the log, in order of their numbers. */
export async function startEntryRelay(options: EntryRelayOptions): Promise<EntryRelay> {
  const { db, bus, source, shard } = options;
  const writer: EntryWriter = openEntryWriter(bus, { shard, source, lastSeq: await lastOutboxSeq(db, source, shard) });
  const positions = new Map<number, number>();
  const relay = new Relay<OutboxEntry>({
    outbox: {
      pending: (limit) => pendingEntries(db, { source, shard, limit }),
      async markPublished(items) {
        for (const { sourceSeq } of items) {
          await markPublished(db, { source, shard, sourceSeq, logSeq: positions.get(sourceSeq) ?? null });
          positions.delete(sourceSeq);
        }
      },
    },
    async write(items) {
      const written = items.map(({ entry }) => writer.writeNumbered(entry));
      for (const { sourceSeq, stored } of written) positions.set(sourceSeq, await stored);
    },
    mayWrite: options.mayWrite,
    onError: options.onError,
  });
  return {
    kick: () => relay.kick(),
    async stop() {
      await writer.close();
      await relay.stop();
    },
  };
}
