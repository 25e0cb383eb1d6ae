import type { FactBatch } from "#libs/contracts/live/margin.ts";
import { backoff, wait } from "#libs/process/backoff.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import { whyUnusable } from "../matching/listing.ts";
import { readFacts, rulesIn, type RulesAt } from "./facts.ts";
import { RulesFinder } from "./rules-finder.ts";
import { storedNext } from "./stored.ts";
import type { Venue } from "./venue.ts";

/** Without word of new facts the stream is looked at this often all the same. */
const lookEveryMs = 1_000;
const retry = { firstMs: 50, maxMs: 2_000 } as const;
/** A place in the stream is written down at the latest after so many batches without anything in them. */
const placeEvery = 200;

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
  /** Shard → its newest fact that was read; the journal lags behind it by batches without anything in them. */
  readonly #known = new Map<string, number>();
  readonly #rules: RulesFinder;
  readonly #running: Promise<void>;
  readonly #kicks: { stop(): void };

  constructor(venue: Venue, logger: Logger) {
    this.#venue = venue;
    this.#logger = logger;
    this.#at = venue.floor.factsAt;
    this.#rules = new RulesFinder(venue.bus);
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
    const stored = await storedNext(bus, streams.facts, subjects.allFacts, this.#at + 1);
    if (stored === null) return false;
    await this.#took(JSON.parse(stored.text) as FactBatch, stored.seq);
    this.#at = stored.seq;
    return true;
  }

  async #took(batch: FactBatch, at: number): Promise<void> {
    const { floor } = this.#venue;
    const { shard, from, to } = batch;
    const known = this.#known.get(shard) ?? floor.shards.get(shard)?.facts;
    if (known === undefined || to <= known) return;
    if (from > known + 1) this.#logger.warn({ shard, known, from }, "facts before these are no longer kept");
    const news = batch.facts.filter(({ seq }) => seq > known);
    const { ended, moved, expired } = readFacts(floor, news);
    // Before the facts count as read: whoever is killed in between reads them again.
    const rules = rulesIn(news);
    if (rules !== null) await this.#useRules(shard, rules);
    this.#known.set(shard, to);
    this.#unwritten += 1;
    const nothing = ended.length === 0 && moved.length === 0 && expired.length === 0;
    if (nothing && this.#unwritten < placeEvery) return;
    this.#unwritten = 0;
    const gone = expired.length === 0 ? {} : { expired };
    this.#venue.write({ c: "facts", shard, to, at, ended, moved, ...gone });
  }

  /** What cannot be had or used is left: risk refuses what its rules do not let in, also under the venue's older ones. */
  async #useRules(shard: string, at: RulesAt): Promise<void> {
    const { version } = at;
    if (version <= this.#venue.floor.ruleVersion) return;
    const document = await this.#rules.find(shard, at);
    const problem = document === null ? "they are not in the log" : whyUnusable(document, version);
    if (document === null || problem !== null)
      return this.#logger.error({ shard, version, problem }, "new rules are left");
    this.#venue.write({ c: "rules", version, document });
    this.#logger.info({ version, instruments: this.#venue.floor.grids.size }, "new rules");
  }
}
