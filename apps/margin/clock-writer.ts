import { type Bus, type EntryWriter, lastEntry, openEntryWriter } from "#libs/adapters/nats/index.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { Engine } from "#libs/engine/index.ts";
import type { Clock } from "#libs/process/clock.ts";
import { limits } from "./limits.ts";
import type { Vitals } from "./vitals.ts";

interface Place {
  readonly bus: Bus;
  readonly shard: string;
  readonly clock: Clock;
}

/** The log's clock: an entry every 100 ms drives expiry and staleness where nothing else happens, and tells how its writer is. */
export class ClockWriter {
  readonly #writer: EntryWriter;
  readonly #timer: NodeJS.Timeout;

  private constructor(writer: EntryWriter, tick: () => void) {
    this.#writer = writer;
    this.#timer = setInterval(tick, limits.clockMs);
  }

  static async open(
    { bus, shard, clock }: Place,
    { engine, vitals }: { readonly engine: Engine; readonly vitals: Vitals },
    leadership: { readonly holds: boolean },
  ): Promise<ClockWriter> {
    const last = await lastEntry(bus, shard, "time");
    const inStream = (last?.entry as { sourceSeq?: number } | undefined)?.sourceSeq ?? 0;
    const known = engine.machine.sourceSeqs.get(sources.clock) ?? 0;
    const writer = openEntryWriter(bus, { shard, source: sources.clock, lastSeq: Math.max(known, inStream) });
    return new ClockWriter(writer, () => {
      if (!leadership.holds || writer.pending >= limits.clockOutstanding) return;
      // Rejected only when the writer is closed; a tick that is lost is followed by the next.
      writer.write({ k: "time", ...vitals.read() }, clock.now()).stored.catch(() => {});
    });
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writer.close();
  }
}
