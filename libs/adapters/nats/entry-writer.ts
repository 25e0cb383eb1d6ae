import type { Entry, EntryBody } from "#libs/contracts/log.ts";
import { backoff } from "#libs/process/backoff.ts";
import { limited } from "#libs/telemetry/logger.ts";
import { jetStreamTimeoutMs, natsOf } from "./bus.ts";
import type { Bus, NatsBus } from "./bus.ts";
import { BusError, WriterClosed, WriterFull } from "./errors.ts";

/** Entries sent and not yet acknowledged. */
export const windowDefault = 256;
/** Entries that may wait, sent ones included. */
export const pendingMax = 10_000;
const retryFirstMs = 20;
const retryMaxMs = 1_000;
const closeWithinMs = 5_000;
/** What the header and its names add to a payload, bytes. */
const headerRoom = 512;

export interface Written {
  readonly sourceSeq: number;
  /** The log position, once the server has stored the entry. Rejects only with `WriterClosed`. */
  readonly stored: Promise<number>;
}

/**
 * Writes the entries of one source to one shard's log, in order and each until it is stored. An acknowledgement that does not
 * come says nothing: everything from the first unacknowledged one on is then sent again in order, under the same message ids.
 */
export interface EntryWriter {
  readonly source: string;
  /** The last number given. */
  readonly lastSeq: number;
  /** Entries not yet acknowledged. */
  readonly pending: number;
  /** Numbers the entry and writes it. Throws `WriterFull`, `WriterClosed`, or `BusError` when it is too large. */
  write(body: EntryBody, t: number, trace?: string): Written;
  /** For sources that keep their own numbers. */
  writeNumbered(entry: Entry): Written;
  /** Resolves when nothing is pending. */
  drained(): Promise<void>;
  /** Waits for what is pending, a bounded time. */
  close(): Promise<void>;
}

export interface EntryWriterOptions {
  readonly shard: string;
  readonly source: string;
  /** The last number that this source has given in this shard; 0: none. */
  readonly lastSeq: number;
  readonly window?: number;
}

export function openEntryWriter(bus: Bus, options: EntryWriterOptions): EntryWriter {
  return new PipelinedWriter(natsOf(bus), options);
}

interface Slot {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly msgID: string;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: Error) => void;
  done: boolean;
}

class PipelinedWriter implements EntryWriter {
  readonly source: string;
  readonly #nats: NatsBus;
  readonly #shard: string;
  readonly #window: number;
  readonly #waits = backoff({ firstMs: retryFirstMs, maxMs: retryMaxMs });
  readonly #report: (fields: object, message: string) => void;
  readonly #encoder = new TextEncoder();
  readonly #leaveLink: () => void;
  /** In order; acknowledged ones leave from the front. */
  #slots: Slot[] = [];
  /** The next slot to send. */
  #next = 0;
  #inFlight = 0;
  /** Outcomes of an earlier round of sending change nothing but that an entry is stored. */
  #round = 0;
  #state: "sending" | "settling" | "waiting" | "down" | "closed" = "sending";
  #timer: NodeJS.Timeout | undefined;
  #lastSeq: number;
  #idle: (() => void)[] = [];

  constructor(nats: NatsBus, options: EntryWriterOptions) {
    this.#nats = nats;
    this.source = options.source;
    this.#shard = options.shard;
    this.#lastSeq = options.lastSeq;
    this.#window = options.window ?? windowDefault;
    this.#report = limited((fields, message) => nats.logger.warn(fields, message));
    this.#state = nats.connected ? "sending" : "down";
    this.#leaveLink = nats.onLink((link) => this.#onLink(link));
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  get pending(): number {
    return this.#slots.length;
  }

  write(body: EntryBody, t: number, trace?: string): Written {
    const sourceSeq = this.#lastSeq + 1;
    const entry: Entry = { ...body, t, source: this.source, sourceSeq, ...(trace === undefined ? {} : { trace }) };
    return this.#enqueue(entry, sourceSeq);
  }

  writeNumbered(entry: Entry): Written {
    const { source, sourceSeq } = entry;
    if (source !== this.source || sourceSeq === undefined || !Number.isSafeInteger(sourceSeq) || sourceSeq < 1) {
      throw new RangeError(`an entry of ${this.source} with its number is needed`);
    }
    return this.#enqueue(entry, sourceSeq);
  }

  #enqueue(entry: Entry, sourceSeq: number): Written {
    if (this.#state === "closed") throw new WriterClosed("the writer is closed");
    if (this.#slots.length >= pendingMax) throw new WriterFull(`${pendingMax} entries wait to be stored`);
    const data = this.#encoder.encode(JSON.stringify(entry));
    if (data.length + headerRoom > this.#nats.payloadMax)
      throw new BusError(`an entry of ${data.length} bytes is too large`);
    this.#lastSeq = Math.max(this.#lastSeq, sourceSeq);
    const stored = new Promise<number>((resolve, reject) => {
      const subject = this.#nats.names.subjects.entry(this.#shard, entry.k);
      this.#slots.push({ subject, data, msgID: `${this.source}:${sourceSeq}`, resolve, reject, done: false });
    });
    // Whoever does not wait must not die of a writer that is closed.
    stored.catch(() => {});
    this.#pump();
    return { sourceSeq, stored };
  }

  #pump(): void {
    while (this.#state === "sending" && this.#inFlight < this.#window && this.#next < this.#slots.length) {
      const slot = this.#slots[this.#next] as Slot;
      this.#next += 1;
      if (!slot.done) this.#send(slot, this.#round);
    }
  }

  #send(slot: Slot, round: number): void {
    this.#inFlight += 1;
    this.#nats.jetStream.publish(slot.subject, slot.data, { msgID: slot.msgID, timeout: jetStreamTimeoutMs }).then(
      (ack) => {
        if (round === this.#round) this.#inFlight -= 1;
        this.#acknowledged(slot, ack.seq);
      },
      (error: unknown) => {
        if (round !== this.#round) return;
        this.#inFlight -= 1;
        this.#settle(error);
      },
    );
  }

  #acknowledged(slot: Slot, seq: number): void {
    if (!slot.done) {
      slot.done = true;
      slot.resolve(seq);
      this.#dropDone();
    }
    if (this.#state === "settling") this.#settle(null);
    else this.#pump();
  }

  #dropDone(): void {
    let front = 0;
    while (this.#slots[front]?.done === true) front += 1;
    if (front > 0) {
      this.#slots.splice(0, front);
      this.#next = Math.max(0, this.#next - front);
    }
    if (this.#slots.length === 0) {
      this.#waits.reset();
      for (const wake of this.#idle.splice(0)) wake();
    }
  }

  /** After a failure nothing more is sent until the fate of all that is under way is known; then it begins anew. */
  #settle(error: unknown): void {
    if (this.#state !== "sending" && this.#state !== "settling") return;
    if (error !== null) {
      this.#report({ error, source: this.source, pending: this.#slots.length }, "an entry was not acknowledged");
    }
    this.#state = "settling";
    if (this.#inFlight > 0) return;
    this.#state = "waiting";
    this.#timer = setTimeout(() => this.#resume(), this.#waits.next());
  }

  #resume(): void {
    clearTimeout(this.#timer);
    if (this.#state === "closed") return;
    this.#round += 1;
    this.#inFlight = 0;
    this.#next = 0;
    this.#state = "sending";
    if (this.#slots.length > 0) this.#nats.metrics?.logWriteRetries.inc();
    this.#pump();
  }

  /** What was on its way when the link broke may or may not have arrived; the client forgets what it had not yet sent. */
  #onLink(link: "up" | "down"): void {
    if (this.#state === "closed") return;
    if (link === "up") {
      this.#resume();
      return;
    }
    clearTimeout(this.#timer);
    this.#round += 1;
    this.#inFlight = 0;
    this.#state = "down";
  }

  async drained(): Promise<void> {
    if (this.#slots.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
    });
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, closeWithinMs);
    });
    await Promise.race([this.drained(), late, this.#nats.closed]);
    clearTimeout(timer);
    clearTimeout(this.#timer);
    this.#state = "closed";
    this.#leaveLink();
    for (const slot of this.#slots.splice(0)) {
      if (!slot.done) slot.reject(new WriterClosed("closed before the entry was acknowledged"));
    }
    for (const wake of this.#idle.splice(0)) wake();
  }
}
