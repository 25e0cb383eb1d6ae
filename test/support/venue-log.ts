import { type Bus, openLogReader } from "#libs/adapters/nats/index.ts";
import { type LiveEntry, readLiveEntry } from "#libs/contracts/live/door.ts";

const silentMax = 50;

/** The venue's entries in the shard's log up to a number, as margin reads them: duplicates by number are dropped. */
export async function loggedEntries(bus: Bus, to: number): Promise<LiveEntry[]> {
  const reader = await openLogReader(bus, "0", { from: 1 });
  const entries = new Map<number, LiveEntry>();
  try {
    // A message may come alone, so that only silence says that there are no more.
    for (let silent = 0; silent < silentMax && entries.size < to;) {
      const messages = await reader.next(1_000, 100);
      silent = messages.length === 0 ? silent + 1 : 0;
      for (const { data, subject } of messages) {
        const read = readLiveEntry(data, subject);
        if (!read.ok) throw new Error(JSON.stringify(read.problems));
        entries.set(read.entry.sourceSeq, read.entry);
      }
    }
  } finally {
    await reader.stop();
  }
  return [...entries.values()];
}
