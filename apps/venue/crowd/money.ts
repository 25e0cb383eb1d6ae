import { type Database, enqueueEntry } from "#libs/adapters/postgres/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { Clock } from "#libs/process/clock.ts";

/** The operator's desk of the demonstration: deposits go into the database's outbox, which the scheduler publishes. */
export class Desk {
  readonly #db: Database;
  readonly #clock: Clock;

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** The same key again is the same entry. */
  async enter(shard: string, key: string, body: EntryBody): Promise<void> {
    await enqueueEntry(this.#db, { source: sources.operator, shard, key, body, t: this.#clock.now() });
  }

  /** One after the other: an outbox numbers them in this order. */
  async enterAll(
    entries: readonly { readonly shard: string; readonly key: string; readonly body: EntryBody }[],
  ): Promise<void> {
    for (const { shard, key, body } of entries) await this.enter(shard, key, body);
  }
}
