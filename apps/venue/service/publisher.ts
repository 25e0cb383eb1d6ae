import type { Numbered } from "../matching/commands.ts";
import type { Journal } from "../journal/journal.ts";
import type { Acknowledged } from "./acknowledged.ts";
import type { NumberedWriter } from "./bus.ts";

/** Entries of a shard under way to its log. */
export const windowMax = 512;
/** Read from the journal at a time: what is no longer in memory costs the reading of a whole segment. */
const chunkMax = 4_096;
/** While the log is this far behind the venue takes no orders: what it would have to keep must not grow without end. */
export const behindMax = 20_000;

/**
 * Brings one shard's entries from the journal into its log, in order, from the last one that the log is known to have. What the
 * log has already it drops; so after a crash the venue simply goes on from what it remembers.
 */
export class Publisher {
  readonly shard: string;
  readonly #journal: Journal;
  readonly #writer: NumberedWriter;
  readonly #acknowledged: Acknowledged;
  readonly #fail: (error: unknown) => void;
  readonly #stored = new Set<number>();
  /** Read and not sent yet, the next one last. */
  #read: Numbered[] = [];
  #next: number;
  #waiting: (() => void)[] = [];

  constructor(
    shard: string,
    journal: Journal,
    writer: NumberedWriter,
    acknowledged: Acknowledged,
    fail: (error: unknown) => void,
  ) {
    this.shard = shard;
    this.#journal = journal;
    this.#writer = writer;
    this.#acknowledged = acknowledged;
    this.#fail = fail;
    this.#next = acknowledged.of(shard) + 1;
  }

  get #lastSeq(): number {
    return this.#journal.floor.shard(this.shard).lastSeq;
  }

  /** Entries that the log does not have yet, as far as is known. */
  get behind(): number {
    return this.#lastSeq - this.#acknowledged.of(this.shard);
  }

  /** Sends what may be sent. Called when there is something new and when something was stored. */
  push(): void {
    const acked = this.#acknowledged.of(this.shard);
    while (this.#next <= this.#lastSeq && this.#next - acked <= windowMax) {
      const entry = this.#following();
      const seq = entry.sourceSeq;
      this.#next = seq + 1;
      this.#writer.writeNumbered(entry).stored.then(
        () => this.#wasStored(seq),
        (error: unknown) => this.#fail(error),
      );
    }
  }

  #following(): Numbered {
    if (this.#read.length === 0)
      this.#read = this.#journal.entries(this.shard, this.#next, this.#lastSeq, chunkMax).toReversed();
    const entry = this.#read.pop();
    if (entry?.sourceSeq !== this.#next) throw new Error(`the journal does not have entry ${this.#next}`);
    return entry;
  }

  #wasStored(seq: number): void {
    this.#stored.add(seq);
    let acked = this.#acknowledged.of(this.shard);
    while (this.#stored.delete(acked + 1)) acked += 1;
    this.#acknowledged.set(this.shard, acked);
    this.push();
    if (this.behind === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when the log has everything. */
  async drained(): Promise<void> {
    if (this.behind > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
