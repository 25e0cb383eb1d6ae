import { type Bus, type FactTexts, publishFacts } from "#libs/adapters/nats/index.ts";
import type { EffectBatch } from "#libs/contracts/live/margin.ts";
import type { Effect } from "#libs/contracts/log.ts";
import { linesOf } from "#libs/journal/index.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Leadership } from "./leadership.ts";
import { limits } from "./limits.ts";
import { insist, pause, Signal } from "./waiting.ts";

/** Facts of a committed batch, or what is left of them to publish. */
export interface CommittedFacts {
  readonly appliedSeq: number;
  /** NDJSON; the first is number `from`. */
  readonly text: string;
  readonly from: number;
}

/** Sends what is committed: facts in order until they are stored, effects once. A leader whose lease may be over sends nothing. */
export class Outbound {
  readonly #bus: Bus;
  readonly #shard: string;
  readonly #leadership: Leadership;
  readonly #logger: Logger;
  readonly #queue: CommittedFacts[] = [];
  readonly #moved = new Signal();
  #running = false;
  #stopped = false;
  /** Facts up to here are stored. */
  #published: number;

  constructor(parts: { bus: Bus; shard: string; leadership: Leadership; logger: Logger }, published: number) {
    this.#bus = parts.bus;
    this.#shard = parts.shard;
    this.#leadership = parts.leadership;
    this.#logger = parts.logger;
    this.#published = published;
  }

  /** Number of the newest fact that is stored in the stream. */
  get published(): number {
    return this.#published;
  }

  /** Says that a batch is committed, facts or none: who replays the journal looks at once. Then its facts, in order. */
  facts(committed: CommittedFacts): void {
    const shard = this.#shard;
    if (this.#leadership.holds) {
      const { epoch } = this.#leadership;
      this.#bus.publish(this.#bus.names.subjects.committed(shard), { shard, epoch, appliedSeq: committed.appliedSeq });
    }
    if (committed.text === "") return;
    this.#queue.push(committed);
    if (!this.#running) void this.#run();
  }

  effects(effects: readonly Effect[], trace?: string): void {
    if (effects.length === 0 || !this.#leadership.holds) return;
    const { epoch } = this.#leadership;
    const batch: EffectBatch = { shard: this.#shard, epoch, effects, ...(trace === undefined ? {} : { trace }) };
    this.#bus.publish(this.#bus.names.subjects.effects(this.#shard), batch);
  }

  /** Resolves when few enough batches wait. */
  async room(): Promise<void> {
    await this.#moved.until(() => this.#stopped || this.#queue.length < limits.unpublishedBatches);
  }

  async drained(): Promise<void> {
    await this.#moved.until(() => this.#stopped || !this.#running);
  }

  stop(): void {
    this.#stopped = true;
    this.#moved.notify();
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let next = this.#queue[0]; next !== undefined && !this.#stopped; next = this.#queue[0]) {
      for (const batch of messagesOf(next, this.#shard, this.#leadership.epoch)) await this.#store(batch);
      this.#queue.shift();
      this.#moved.notify();
    }
    this.#running = false;
    this.#moved.notify();
  }

  async #store(batch: FactTexts): Promise<void> {
    if (batch.to <= this.#published) return;
    await insist(
      async () => {
        while (!this.#leadership.holds && !this.#over()) await pause(limits.retryFirstMs);
        if (!this.#over()) await publishFacts(this.#bus, batch);
      },
      () => this.#over(),
      (error) => this.#logger.warn({ error, from: batch.from }, "facts could not be published and are tried again"),
    );
    if (!this.#over()) this.#published = batch.to;
  }

  #over(): boolean {
    return this.#stopped || this.#leadership.over !== null;
  }
}

/** Always cut in the same places, so that a message sent again after a crash has the id that it had. */
export function* messagesOf(committed: CommittedFacts, shard: string, epoch: number): Generator<FactTexts> {
  let facts: string[] = [];
  let bytes = 0;
  let from = committed.from;
  const message = (): FactTexts => {
    const to = from + facts.length - 1;
    return { shard, epoch, appliedSeq: committed.appliedSeq, from, to, facts };
  };
  for (const line of linesOf(committed.text)) {
    if (facts.length === limits.factsPerMessage || (bytes + line.length > limits.factBytes && facts.length > 0)) {
      yield message();
      from += facts.length;
      facts = [];
      bytes = 0;
    }
    facts.push(line);
    bytes += line.length;
  }
  if (facts.length > 0) yield message();
}
