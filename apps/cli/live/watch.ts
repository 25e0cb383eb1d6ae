import { type Bus, connectBus, ensureStreams, type LogReader, openFactReader } from "#libs/adapters/nats/index.ts";
import type { FactBatch, ReconcileReply, ShardStatus } from "#libs/contracts/live/margin.ts";
import type { FrameEntry } from "#libs/contracts/log.ts";
import type { ExchangeAnswer } from "#libs/contracts/answers.ts";
import type { VenueCommand, VenueStatus } from "#libs/contracts/live/venue.ts";
import { Latencies } from "./latencies.ts";
import type { LiveModel } from "./model.ts";

const askWithinMs = 2_000;
const lookMs = 1_000;
const factsAtOnce = 500;
const factsWaitMs = 1_000;
const riskiestShown = 8;

/** Everything that a run shows is read off the bus, as any process beside it could: nothing is told it in secret. */
export class Watch {
  readonly bus: Bus;
  readonly latencies = new Latencies();
  readonly #shards: readonly string[];
  readonly #model: LiveModel;
  readonly #stops: (() => void)[] = [];
  #closed = false;

  private constructor(bus: Bus, shards: readonly string[], model: LiveModel) {
    this.bus = bus;
    this.#shards = shards;
    this.#model = model;
  }

  static async open(
    at: { readonly natsUrl: string; readonly namespace: string; readonly shards: readonly string[] },
    model: LiveModel,
  ): Promise<Watch> {
    const bus = await connectBus({ url: at.natsUrl, name: "live", namespace: at.namespace });
    await ensureStreams(bus, at.shards);
    const watch = new Watch(bus, at.shards, model);
    watch.#listen();
    const reader = await openFactReader(bus, { from: 1 });
    // A reader that is stopped ends its wait with an error, like one whose server is gone for good.
    void watch.#readFacts(reader).catch(() => {});
    watch.#stops.push(() => void reader.stop());
    return watch;
  }

  #listen(): void {
    const { subjects } = this.bus.names;
    for (const shard of this.#shards)
      this.#on(subjects.entry(shard, "frame"), (data, at) => {
        const frame = read(data) as FrameEntry & { t: number };
        this.#model.tookFrame(frame);
        this.latencies.frame(shard, frame.t, at);
      });
    // The same messages that the matching engine gets; a subscriber beside it does not answer.
    this.#on(subjects.venue("command"), (data, at) => {
      const { shard, effect } = read(data) as VenueCommand;
      this.latencies.command(shard, effect, at);
    });
    const timer = setInterval(() => void this.look().catch(() => {}), lookMs);
    this.#stops.push(() => clearInterval(timer));
  }

  /** From the stream, not from the wire: a server that is away for a moment must not look like facts that are missing. */
  async #readFacts(reader: LogReader): Promise<void> {
    while (!this.#closed) {
      for (const { data } of await reader.next(factsAtOnce, factsWaitMs)) {
        const at = performance.now();
        const { shard, from, facts } = read(data) as FactBatch;
        this.#model.tookFacts(shard, from, facts);
        for (const fact of facts) this.latencies.fact(shard, fact, at);
      }
    }
  }

  #on(subject: string, take: (data: Uint8Array, at: number) => void): void {
    const heard = this.bus.subscribe(subject, ({ data }) => take(data, performance.now()));
    this.#stops.push(() => heard.stop());
  }

  /** Asks every shard where it stands; one that does not answer keeps what was known. */
  async look(): Promise<void> {
    for (const shard of this.#shards) {
      this.#model.states.set(shard, await this.status(shard, { riskiest: riskiestShown }));
      const { exchange } = await this.#ask<{ exchange: ExchangeAnswer }>(shard, "exchange", {});
      this.#model.exchanges.set(shard, exchange);
    }
    this.#model.venue = await this.venue();
  }

  async venue(): Promise<VenueStatus> {
    return this.bus.request<VenueStatus>(this.bus.names.subjects.venue("status"), {}, { timeoutMs: askWithinMs });
  }

  async status(shard: string, asked: object): Promise<ShardStatus> {
    return this.#ask<ShardStatus>(shard, "status", asked);
  }

  /** The next accounts, in memory and in the tables. */
  async reconcile(shard: string, asked: object): Promise<ReconcileReply> {
    return this.#ask<ReconcileReply>(shard, "reconcile", asked);
  }

  async #ask<T>(shard: string, verb: "status" | "exchange" | "reconcile", body: object): Promise<T> {
    return this.bus.request<T>(this.bus.names.subjects.rpc(shard, verb), body, { timeoutMs: askWithinMs });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#stops) stop();
    await this.bus.close();
  }
}

const read = (data: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(data));
