import type { Bus } from "#libs/adapters/nats/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import { deadLetter, openLogReader } from "#libs/adapters/nats/index.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Applier, Message, Outcome } from "./applier.ts";
import type { BatchBuilder, ClosedBatch } from "./batch.ts";
import type { Committer } from "./committer.ts";
import { limits } from "./limits.ts";
import { fetchMissing, type Missing } from "./missing.ts";
import type { Outbound } from "./outbound.ts";
import { breathe, insist, monotonic } from "./waiting.ts";

export interface ShardLogParts {
  readonly bus: Bus;
  readonly db: Database;
  readonly shard: string;
  readonly logger: Logger;
  readonly applier: Applier;
  readonly batch: BatchBuilder;
  readonly committer: Committer;
  readonly outbound: Outbound;
}

export interface ShardLogEvents {
  /** After each entry, in the middle of a slice. */
  readonly applied: () => void;
  /** A batch is handed to the committer: memory stands exactly where the tables will. */
  readonly closed: (batch: ClosedBatch) => void;
  /** After each slice; `caughtUp`: the log had nothing more. Returns numbers that are known to be missing, or null. */
  readonly sliced: (caughtUp: boolean, lag: number) => Missing | null;
  readonly gap: (missing: Missing | null) => void;
  readonly halted: (why: string) => void;
}

/** Reads the log in order, applies it in slices, closes batches, fills gaps. One loop: nothing is applied while it waits. */
export class ShardLog {
  readonly #parts: ShardLogParts;
  readonly #events: ShardLogEvents;
  #stopped = false;
  #sliceEnds = 0;

  constructor(parts: ShardLogParts, events: ShardLogEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Runs until it is stopped or the shard halts. Throws `StreamMismatch`, `BusClosed`. */
  async run(): Promise<void> {
    const { bus, shard, batch } = this.#parts;
    const reader = await openLogReader(bus, shard, { from: batch.seq + 1 });
    try {
      while (!this.#stopped) {
        const messages = await reader.next(limits.readAhead, batch.empty ? limits.readWaitMs : limits.batchMs);
        if (!(await this.#applyAll(messages))) return;
        this.closeIfDue(reader.waiting > 0);
        const missing = this.#events.sliced(messages.length === 0, reader.lag);
        if (missing !== null && !(await this.#fill(missing))) return;
      }
    } finally {
      await reader.stop();
    }
  }

  async #applyAll(messages: readonly Message[]): Promise<boolean> {
    this.#sliceEnds = monotonic() + limits.sliceMs;
    const last = messages.at(-1);
    for (const message of messages) {
      if (this.#stopped) return false;
      if (!(await this.#apply(message))) return false;
      this.#events.applied();
      // After the last one it is known whether more has come meanwhile.
      if (message !== last) this.closeIfDue(true);
      if (monotonic() >= this.#sliceEnds) await this.#nextSlice();
    }
    return true;
  }

  async #nextSlice(): Promise<void> {
    this.#parts.batch.readRows();
    await breathe();
    await this.#parts.committer.room();
    await this.#parts.outbound.room();
    this.#sliceEnds = monotonic() + limits.sliceMs;
  }

  /** False: the shard halts or is stopped. */
  async #apply(message: Message): Promise<boolean> {
    for (;;) {
      const outcome = this.#parts.applier.take(message);
      if (outcome.kind === "applied") return true;
      if (outcome.kind === "halt") return this.#halt(message, outcome);
      if (!(await this.#fill(outcome))) return false;
    }
  }

  /** Gets what is missing, however long it takes: what carries money may not be passed over. */
  async #fill(missing: Missing): Promise<boolean> {
    const { bus, db, shard, logger, applier } = this.#parts;
    this.#events.gap(missing);
    logger.warn({ ...missing }, "numbers are missing in the log and are asked for");
    let { from } = missing;
    while (from <= missing.to && !this.#stopped) {
      const asked = { ...missing, from };
      const entries = await insist(
        async () => fetchMissing(bus, db, shard, asked),
        () => this.#stopped,
        (error) => logger.warn({ error, ...asked }, "missing entries cannot be had yet"),
      );
      for (const entry of entries ?? []) {
        const outcome = applier.applyUnsent(entry);
        if (outcome.kind === "halt") return this.#halt(unsent(entry), outcome);
        from += 1;
        this.#events.applied();
        this.closeIfDue();
      }
      await this.#nextSlice();
    }
    this.#events.gap(null);
    return !this.#stopped;
  }

  /**
   * At once when the engine asks the outside for something and nothing else is in hand (`more`: something is, which has so long to join it).
   * But a batch that would only wait behind another is left open: what comes meanwhile shares its commit, so that a burst of
   * liquidations costs a few commits and not one each.
   */
  closeIfDue(more = false): void {
    const { batch, committer } = this.#parts;
    if (batch.empty) return;
    const waitMs = !batch.urgent ? limits.batchMs : more ? limits.urgentMs : 0;
    const due = monotonic() - batch.openedAt >= waitMs;
    if (batch.entries >= limits.batchEntries || (committer.idle && due)) this.close();
  }

  /** Hands what has been applied to the committer. */
  close(): void {
    const { batch, committer } = this.#parts;
    if (batch.empty) return;
    const closed = batch.close();
    this.#events.closed(closed);
    committer.submit(closed);
  }

  #halt(message: Message, outcome: Extract<Outcome, { kind: "halt" }>): false {
    const { bus, batch, logger } = this.#parts;
    const { code, what } = outcome;
    const evidence = { seq: message.seq, subject: message.subject, code, what };
    logger.fatal({ ...evidence, payload: textOf(message.data) }, "the shard halts: an entry cannot be read");
    batch.deadLetter({
      border: "log",
      code,
      what,
      payload: message.data,
      subject: message.subject,
      logSeq: message.seq === 0 ? null : message.seq,
    });
    this.close();
    void deadLetter(bus, "log", { reason: code, subject: message.subject, payload: message.data });
    this.#events.halted(`${message.subject} at ${message.seq}: ${code} ${what}`);
    return false;
  }
}

const evidenceMax = 2_000;
const textOf = (data: Uint8Array): string => new TextDecoder().decode(data.subarray(0, evidenceMax));

const unsent = (entry: { readonly k: string }): Message => ({
  seq: 0,
  subject: entry.k,
  data: new TextEncoder().encode(JSON.stringify(entry)),
});
