import { type Bus, type EntryWriter, lastEntry, openEntryWriter } from "#libs/adapters/nats/index.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { Clock } from "#libs/process/clock.ts";
import { limits } from "./limits.ts";

/** The log's clock: an entry every 100 ms drives expiry and staleness where nothing else happens. */
export class ClockWriter {
  readonly #writer: EntryWriter;
  readonly #timer: NodeJS.Timeout;

  private constructor(writer: EntryWriter, clock: Clock, holds: () => boolean) {
    this.#writer = writer;
    this.#timer = setInterval(() => {
      if (!holds() || writer.pending >= limits.clockOutstanding) return;
      // Rejected only when the writer is closed; a tick that is lost is followed by the next.
      writer.write({ k: "time" }, clock.now()).stored.catch(() => {});
    }, limits.clockMs);
  }

  /** `known`: the last number that the engine has seen of it. */
  static async open(bus: Bus, shard: string, known: number, clock: Clock, holds: () => boolean): Promise<ClockWriter> {
    const last = await lastEntry(bus, shard, "time");
    const inStream = (last?.entry as { sourceSeq?: number } | undefined)?.sourceSeq ?? 0;
    const writer = openEntryWriter(bus, { shard, source: sources.clock, lastSeq: Math.max(known, inStream) });
    return new ClockWriter(writer, clock, holds);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writer.close();
  }
}
