import { readLiveEntry } from "#libs/contracts/live/door.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { VenueBus } from "./bus.ts";
import type { RulesAt } from "./facts.ts";
import { storedNext } from "./stored.ts";

/**
 * Finds the document that a fact about new rules stands for: the entry of the shard's log with its producer's number. Rules are
 * few and a stream knows its messages by subject, so it is looked for from one to the next.
 */
export class RulesFinder {
  readonly #bus: VenueBus;
  /** By shard: position behind the last entry that was found. */
  readonly #from = new Map<string, number>();

  constructor(bus: VenueBus) {
    this.#bus = bus;
  }

  /** null: the log does not have it (any longer). */
  async find(shard: string, { source, sourceSeq }: RulesAt): Promise<RuleDocument | null> {
    const { streams, subjects } = this.#bus.names;
    const subject = subjects.entry(shard, "rules");
    for (let from = this.#from.get(shard) ?? 1; ;) {
      const stored = await storedNext(this.#bus, streams.log(shard), subject, from);
      if (stored === null) return null;
      from = stored.seq + 1;
      const read = readLiveEntry(stored.text, subject);
      if (!read.ok || read.entry.k !== "rules") continue;
      if (read.entry.source !== source || read.entry.sourceSeq !== sourceSeq) continue;
      this.#from.set(shard, from);
      return read.entry.document;
    }
  }
}
