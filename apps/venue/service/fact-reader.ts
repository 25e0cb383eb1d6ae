import type { FactBatch } from "#libs/contracts/live/margin.ts";
import { backoff, wait } from "#libs/process/backoff.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import { readFacts } from "./facts.ts";
import type { Venue } from "./venue.ts";

const requestTimeoutMs = 1_000;
/** Without word of new facts the stream is looked at this often all the same. */
const lookEveryMs = 1_000;
const retry = { firstMs: 50, maxMs: 2_000 } as const;
/** A place in the stream is written down at the latest after so many batches without anything in them. */
const placeEvery = 200;

interface Stored {
  readonly message?: { readonly seq: number; readonly data: string };
  readonly error?: { readonly code: number; readonly description?: string };
}

/**
 * Reads the stream of facts from a remembered place on, one message after the other, so that nothing is missed while the venue is
 * down: sagas that end free what they blocked. Reading one again changes nothing.
 */
export class FactReader {
  readonly #venue: Venue;
  readonly #logger: Logger;
  readonly #stopped = new AbortController();
  #wake = new AbortController();
  #at: number;
  #unwritten = 0;
  readonly #running: Promise<void>;
  readonly #kicks: { stop(): void };

  constructor(venue: Venue, logger: Logger) {
    this.#venue = venue;
    this.#logger = logger;
    this.#at = venue.floor.factsAt;
    this.#kicks = venue.bus.subscribe(venue.bus.names.subjects.allFacts, () => this.#wake.abort());
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#kicks.stop();
    this.#stopped.abort();
    this.#wake.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const pauses = backoff(retry);
    while (!this.#stopped.signal.aborted) {
      this.#wake = new AbortController();
      try {
        const more = await this.#next();
        pauses.reset();
        if (!more && !this.#stopped.signal.aborted) await wait(lookEveryMs, this.#wake.signal);
      } catch (error) {
        if (this.#stopped.signal.aborted) return;
        this.#logger.warn({ error }, "facts could not be read");
        await wait(pauses.next(), this.#stopped.signal);
      }
    }
  }

  /** false: there is none yet. */
  async #next(): Promise<boolean> {
    const { bus } = this.#venue;
    const { streams, subjects } = bus.names;
    const answer = await bus.request<Stored>(
      `$JS.API.STREAM.MSG.GET.${streams.facts}`,
      { seq: this.#at + 1, next_by_subj: subjects.allFacts },
      { timeoutMs: requestTimeoutMs },
    );
    if (answer.error?.code === 404) return false;
    if (answer.message === undefined) throw new Error(answer.error?.description ?? "no message and no error");
    const { seq, data } = answer.message;
    this.#took(JSON.parse(Buffer.from(data, "base64").toString("utf8")) as FactBatch, seq);
    this.#at = seq;
    return true;
  }

  #took(batch: FactBatch, at: number): void {
    const { floor } = this.#venue;
    const { shard, from, to } = batch;
    const known = floor.shards.get(shard)?.facts;
    if (known === undefined || to <= known) return;
    if (from > known + 1) this.#logger.warn({ shard, known, from }, "facts before these are no longer kept");
    const news = batch.facts.filter(({ seq }) => seq > known);
    const { ended, moved } = readFacts(floor, news);
    this.#unwritten += 1;
    if (ended.length === 0 && moved.length === 0 && this.#unwritten < placeEvery) return;
    this.#unwritten = 0;
    this.#venue.write({ c: "facts", shard, to, at, ended, moved });
  }
}
