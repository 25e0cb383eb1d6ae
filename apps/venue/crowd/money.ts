import {
  type Database,
  enqueueEntry,
  markPublished,
  type OutboxEntry,
  pendingEntries,
} from "#libs/adapters/postgres/index.ts";
import type { EntryWriter } from "#libs/adapters/nats/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { Clock } from "#libs/process/clock.ts";
import { Relay } from "#libs/process/relay.ts";

const keysBatch = 32;

/** The operator's desk of the demonstration: deposits go through the database's outbox like any operator's entry. */
export class Desk {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #relay: Relay<OutboxEntry>;

  constructor(
    db: Database,
    clock: Clock,
    writers: ReadonlyMap<string, EntryWriter>,
    onError: (error: unknown) => void,
  ) {
    this.#db = db;
    this.#clock = clock;
    this.#relay = new Relay<OutboxEntry>({
      outbox: {
        pending: (limit) => pendingEntries(db, { source: sources.operator, limit }),
        markPublished: async (items) => {
          for (const item of items) await markPublished(db, item);
        },
      },
      write: async (items) => {
        const written = items.flatMap((item) => writers.get(item.shard)?.writeNumbered(item.entry).stored ?? []);
        await Promise.all(written);
      },
      onError,
    });
  }

  /** The same key again is the same entry. */
  async enter(shard: string, key: string, body: EntryBody): Promise<void> {
    await enqueueEntry(this.#db, { source: sources.operator, shard, key, body, t: this.#clock.now() });
    this.#relay.kick();
  }

  async enterAll(
    entries: readonly { readonly shard: string; readonly key: string; readonly body: EntryBody }[],
  ): Promise<void> {
    // One after the other: an outbox numbers them in this order.
    for (let at = 0; at < entries.length; at += keysBatch)
      for (const { shard, key, body } of entries.slice(at, at + keysBatch)) await this.enter(shard, key, body);
  }

  stop(): Promise<void> {
    return this.#relay.stop();
  }
}
