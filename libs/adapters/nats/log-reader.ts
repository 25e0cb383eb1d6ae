import { AckPolicy, ConsumerEvents, DeliverPolicy, nanos, ReplayPolicy } from "nats";
import type { Consumer, ConsumerMessages, JsMsg } from "nats";
import { backoff, wait } from "#libs/process/backoff.ts";
import { BoundedQueue } from "#libs/process/bounded-queue.ts";
import { limited } from "#libs/telemetry/logger.ts";
import { natsOf, readHeaders } from "./bus.ts";
import type { Bus, NatsBus } from "./bus.ts";
import { BusClosed, StreamMismatch } from "./errors.ts";
import { stateOf } from "./streams.ts";

export interface LogMessage {
  /** Position in the log. */
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** When the server stored it, UTC ms. */
  readonly timestampMs: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Positions before this one that the stream no longer holds, though they were asked for; null: none. */
  readonly gap: { readonly from: number; readonly to: number } | null;
}

/** Reads a shard's log in order, across restarts of the server. One reader at a time may wait in `next`. */
export interface LogReader {
  /** The first position that the stream held when the reader was opened: above the one asked for, messages are gone. */
  readonly firstSeq: number;
  /** The position that the next message has at least. */
  readonly nextSeq: number;
  /** Messages stored but not yet handed out, as last known. */
  readonly lag: number;
  /** Of them, those that have arrived here. */
  readonly waiting: number;
  /**
   * As soon as anything is there, up to `max` messages; none when `waitMs` pass first. Throws `StreamMismatch` when the stream is
   * another one or has lost its end, and `BusClosed`.
   */
  next(max: number, waitMs: number): Promise<LogMessage[]>;
  stop(): Promise<void>;
}

/** Messages read ahead; then the server has to wait. */
export const readAheadMax = 8_000;
/** Messages asked for at once. */
export const pullMax = 2_000;
const pullExpiresMs = 30_000;
const heartbeatMs = 1_000;
/** The server forgets a consumer that nobody asks for so long. */
const consumerIdleMs = 60_000;
const retryFirstMs = 20;
const retryMaxMs = 1_000;
/** A server that has just started may answer with an old end; only a second look counts. */
const secondLookMs = 5_000;

export async function openLogReader(
  bus: Bus,
  shard: string,
  options: { readonly from: number; readonly readAhead?: number },
): Promise<LogReader> {
  return openReader(bus, bus.names.streams.log(shard), options);
}

/** Reads the facts of every shard from a place of the stream that the caller remembers; otherwise as `openLogReader`. */
export async function openFactReader(
  bus: Bus,
  options: { readonly from: number; readonly readAhead?: number },
): Promise<LogReader> {
  return openReader(bus, bus.names.streams.facts, options);
}

async function openReader(bus: Bus, stream: string, options: ReaderOptions): Promise<LogReader> {
  const nats = natsOf(bus);
  const { created, firstSeq } = await stateOf(bus, stream);
  return new OrderedReader(nats, stream, created, firstSeq, options);
}

interface ReaderOptions {
  readonly from: number;
  readonly readAhead?: number;
}

class OrderedReader implements LogReader {
  readonly firstSeq: number;
  readonly #nats: NatsBus;
  readonly #stream: string;
  readonly #created: string;
  readonly #queue: BoundedQueue<LogMessage>;
  readonly #abort = new AbortController();
  readonly #leaveLink: () => void;
  readonly #done: Promise<void>;
  readonly #report: (fields: object, message: string) => void;
  #messages: ConsumerMessages | null = null;
  /** What the queue receives next, and what `next` hands out next. */
  #receiveSeq: number;
  #nextSeq: number;
  #pending = 0;
  #failure: Error | null = null;
  #renew = false;

  constructor(nats: NatsBus, stream: string, created: string, firstSeq: number, options: ReaderOptions) {
    this.#nats = nats;
    this.#stream = stream;
    this.firstSeq = firstSeq;
    this.#created = created;
    this.#receiveSeq = options.from;
    this.#nextSeq = options.from;
    this.#queue = new BoundedQueue(options.readAhead ?? readAheadMax);
    this.#report = limited((fields, message) => nats.logger.warn(fields, message));
    this.#leaveLink = nats.onLink((link) => {
      // The consumer lives in the server's memory, and may be gone with it.
      if (link === "up") this.#begin("the link was made again");
    });
    void nats.closed.then(() => this.#fail(new BusClosed("the connection to NATS is closed")));
    this.#done = this.#run();
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  get lag(): number {
    return this.#pending + this.#queue.size;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  async next(max: number, waitMs: number): Promise<LogMessage[]> {
    const taken = await this.#queue.take(max, waitMs);
    const last = taken.at(-1);
    if (last !== undefined) this.#nextSeq = last.seq + 1;
    else if (this.#failure !== null) throw this.#failure;
    return taken;
  }

  async stop(): Promise<void> {
    this.#fail(new BusClosed("the reader is stopped"));
    await this.#done;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#abort.abort();
    this.#leaveLink();
    this.#queue.close();
    this.#messages?.stop();
  }

  /** Ends the present consumer; the loop makes a new one at the next position. */
  #begin(why: string): void {
    this.#renew = true;
    if (this.#messages !== null)
      this.#report({ why, stream: this.#stream, from: this.#receiveSeq }, "the stream is read anew");
    this.#messages?.stop();
  }

  async #run(): Promise<void> {
    const waits = backoff({ firstMs: retryFirstMs, maxMs: retryMaxMs });
    while (this.#failure === null) {
      const before = this.#receiveSeq;
      try {
        await this.#readOn();
      } catch (error) {
        if (error instanceof StreamMismatch) this.#fail(error);
        else this.#report({ error, stream: this.#stream, from: this.#receiveSeq }, "the stream could not be read");
      }
      if (this.#receiveSeq > before) waits.reset();
      if (!this.#renew) await wait(waits.next(), this.#abort.signal);
    }
  }

  /** One consumer, until it is lost. */
  async #readOn(): Promise<void> {
    this.#renew = false;
    await this.#checkStream();
    const { manager, jetStream } = this.#nats;
    const stream = this.#stream;
    const info = await manager.consumers.add(stream, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.#receiveSeq,
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      inactive_threshold: nanos(consumerIdleMs),
      mem_storage: true,
      num_replicas: 1,
    });
    const consumer = await jetStream.consumers.get(stream, info.name);
    let delivered = 0;
    const reading = (): boolean => this.#failure === null && !this.#renew;
    while (reading()) {
      const received = await this.#pull(consumer, delivered);
      if (received === null) break;
      delivered = received;
    }
    void consumer.delete().catch(() => {});
  }

  /** One request for messages. Gives the number of the last one that this consumer delivered; null: one was lost on the way. */
  async #pull(consumer: Consumer, deliveredBefore: number): Promise<number | null> {
    let delivered = deliveredBefore;
    const messages = await consumer.fetch({
      max_messages: pullMax,
      expires: pullExpiresMs,
      idle_heartbeat: heartbeatMs,
    });
    this.#messages = messages;
    if (this.#renew || this.#failure !== null) messages.stop();
    void this.#watch(messages);
    try {
      for await (const message of messages) {
        const { deliverySequence, pending } = message.info;
        if (deliverySequence !== delivered + 1) return null;
        delivered = deliverySequence;
        this.#pending = pending;
        if (!(await this.#queue.put(this.#read(message)))) return null;
      }
    } finally {
      this.#messages = null;
    }
    return delivered;
  }

  #read(message: JsMsg): LogMessage {
    const { seq, subject, data } = message;
    const gap = seq > this.#receiveSeq ? { from: this.#receiveSeq, to: seq - 1 } : null;
    this.#receiveSeq = seq + 1;
    const timestampMs = Math.floor(message.info.timestampNanos / 1e6);
    return { seq, subject, data, timestampMs, headers: readHeaders(message.headers), gap };
  }

  async #watch(messages: ConsumerMessages): Promise<void> {
    for await (const status of await messages.status()) {
      if (status.type === ConsumerEvents.HeartbeatsMissed) this.#begin("the server was silent");
      if (status.type === ConsumerEvents.ConsumerDeleted) this.#begin("the consumer is gone");
    }
  }

  async #checkStream(): Promise<void> {
    for (let look = 1; ; look += 1) {
      const { created, lastSeq } = await stateOf(this.#nats, this.#stream);
      if (created !== this.#created) throw new StreamMismatch(`the stream was created anew at ${created}`);
      if (lastSeq >= this.#receiveSeq - 1) return;
      if (look > 1)
        throw new StreamMismatch(`the stream ends at ${lastSeq}, but ${this.#receiveSeq - 1} had been read`);
      await wait(secondLookMs, this.#abort.signal);
    }
  }
}
