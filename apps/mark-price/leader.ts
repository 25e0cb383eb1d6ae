import { type Bus, type EntryWriter, openEntryWriter } from "#libs/adapters/nats/index.ts";
import { type Database, Deposed, saveMarkInputs } from "#libs/adapters/postgres/index.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { type PriceFrame, PriceFrames } from "#libs/domain/collateral/price-frames.ts";
import { inUse } from "#libs/domain/limits/in-use.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { type Clock, monotonicMs } from "#libs/process/clock.ts";
import type { Lease } from "#libs/process/lease-holder.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { FrameLog, type StoredFrame } from "./frame-log.ts";
import type { Inbox } from "./inbox.ts";
import { InputRows } from "./inputs.ts";
import { limits } from "./limits.ts";
import { catchUp, committedSeq, lastFrame } from "./log-catch-up.ts";
import { merged } from "./merge.ts";
import { Pace } from "./pace.ts";
import { StateKeeper } from "./state.ts";

export interface LeaderParts {
  readonly bus: Bus;
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly inbox: Inbox;
  readonly shards: readonly string[];
  readonly owner: string;
  readonly rules: () => RuleSet;
}

/** Publishes frames for as long as it holds the lease. */
export class Leader {
  readonly prices = new PriceFrames();
  readonly #parts: LeaderParts;
  readonly #lease: Lease;
  readonly #keeper: StateKeeper;
  readonly #inputs = new InputRows();
  readonly #writers: EntryWriter[] = [];
  readonly #logs: FrameLog[] = [];
  readonly #logSeqs: Record<string, number> = {};
  #rules: RuleSet;
  readonly #pace = new Pace();
  /** Shard → when its last frame was stored, monotonic ms. */
  readonly #storedAt = new Map<string, number>();
  #jumps = new Set<string>();
  #jumpTimer: NodeJS.Timeout | null = null;
  #keeping: Promise<void> | null = null;

  constructor(parts: LeaderParts, lease: Lease) {
    this.#parts = parts;
    this.#lease = lease;
    this.#keeper = new StateKeeper(parts.db, parts.owner, lease.epoch);
    this.#rules = parts.rules();
  }

  /** Restores, catches up with the logs, and publishes all there is as one frame. */
  async start(): Promise<void> {
    const { bus, db, inbox, shards, clock } = this.#parts;
    const kept = await this.#keeper.restore(this.prices);
    let frames = 0;
    for (const shard of shards) {
      const last = await lastFrame(bus, shard);
      // All logs hold the same frames, so the first tells what was published.
      const from = kept?.[shard] ?? Math.max(0, last.logSeq - 1);
      if (shard === shards[0]) frames = await catchUp(bus, shard, this.prices, from, last.logSeq);
      this.#logSeqs[shard] = last.logSeq;
      const lastSeq = Math.max(last.sourceSeq, await committedSeq(db, shard, sources.markPrice)) + limits.numberLeap;
      const writer = openEntryWriter(bus, { shard, source: sources.markPrice, lastSeq });
      this.#writers.push(writer);
      this.#logs.push(this.#logOf(writer, shard));
    }
    this.prices.prune(this.#rules);
    const arrived = inbox.drain(this.prices);
    const silent = this.prices.unquoted(this.#rules);
    const t = clock.now();
    const fresh = this.prices.frame(this.#rules, t) ?? {};
    this.#publish(
      merged(merged(silent, this.prices.everything()), { inputs: fresh.inputs ?? {} }),
      t,
      arrived,
      "start",
    );
    const restored = kept !== null;
    this.#parts.logger.info({ epoch: this.#lease.epoch, restored, frames, shards }, "leading");
  }

  /** Until the lease is lost, something fails for good, or `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const timers = [
      setInterval(() => this.#tick(), limits.frameMs),
      setInterval(() => this.#keep(), limits.saveMs),
      setInterval(() => this.#measure(), limits.metricsMs),
    ];
    await new Promise<void>((resolve) => {
      for (const one of [signal, this.#lease.signal]) {
        if (one.aborted) resolve();
        else one.addEventListener("abort", () => resolve(), { once: true });
      }
    });
    for (const timer of timers) clearInterval(timer);
    if (this.#jumpTimer !== null) clearTimeout(this.#jumpTimer);
    await this.#stop();
  }

  /** A quote hints at a jump of this asset's index: look as soon as the rate permits. */
  jump(asset: string): void {
    this.#jumps.add(asset);
    if (this.#jumpTimer !== null) return;
    this.#jumpTimer = setTimeout(() => this.#lookAtJumps(), this.#pace.lookDueInMs(monotonicMs()));
  }

  indexNear(asset: string): number {
    return Number(this.prices.stage.indices.get(asset)?.price?.toStringDown() ?? Number.NaN);
  }

  #lookAtJumps(): void {
    this.#jumpTimer = null;
    const assets = [...this.#jumps];
    this.#jumps.clear();
    if (this.#lease.signal.aborted) return;
    const arrived = this.#parts.inbox.drain(this.prices);
    this.#arrived = this.#arrived ?? arrived;
    const t = this.#parts.clock.now();
    const jumped = assets.some((asset) => {
      const price = this.prices.previewIndex(asset, this.#rules, t);
      const ratio = price === null ? 1 : Number(price.toStringDown()) / this.indexNear(asset);
      return Math.abs(ratio - 1) * 10_000 > limits.jumpBp;
    });
    this.#pace.looked(monotonicMs());
    if (jumped) this.#frame(t, "jump");
  }

  /** Arrival of the oldest quote that a look at jumps has taken in and that no frame has published yet. */
  #arrived: number | null = null;

  #tick(): void {
    this.#followRules();
    if (this.#pace.frameDue(monotonicMs())) this.#frame(this.#parts.clock.now(), "tick");
    for (const log of this.#logs) log.flush();
  }

  #frame(t: number, cause: "tick" | "jump"): void {
    const arrived = this.#parts.inbox.drain(this.prices);
    const first = this.#arrived ?? arrived;
    this.#arrived = null;
    const frame = this.prices.frame(this.#rules, t);
    const now = monotonicMs();
    if (frame !== null) return this.#publish(frame, t, first, cause);
    if (now - this.#published >= limits.heartbeatMs) this.#publish({}, t, null, "heartbeat");
  }

  #published = Number.NEGATIVE_INFINITY;

  #publish(
    priced: PriceFrame,
    t: number,
    arrived: number | null,
    cause: "start" | "tick" | "jump" | "heartbeat",
  ): void {
    const frame = this.#withDepths(priced);
    this.#parts.metrics.markFrames.with(cause).inc();
    this.#published = monotonicMs();
    this.#pace.framed(this.#published);
    for (const log of this.#logs) log.offer(frame, t, arrived);
  }

  /** Depths go with whatever goes, where some limit is measured by them. */
  #withDepths(frame: PriceFrame): PriceFrame {
    if (!inUse(this.#rules.hierarchy, "maxDepthShare")) return frame;
    const depth = this.#parts.inbox.takeDepths();
    return Object.keys(depth).length === 0 ? frame : { ...frame, depth };
  }

  #followRules(): void {
    const rules = this.#parts.rules();
    if (rules === this.#rules) return;
    this.#rules = rules;
    this.prices.prune(rules);
    this.#parts.inbox.forget(rules);
    this.#parts.logger.info({ version: rules.version }, "rules changed");
  }

  #logOf(writer: EntryWriter, shard: string): FrameLog {
    const first = shard === this.#parts.shards[0];
    return new FrameLog(writer, {
      mayWrite: () => this.#lease.holds(),
      onStored: (stored: StoredFrame) => {
        const now = monotonicMs();
        this.#logSeqs[shard] = stored.logSeq;
        this.#storedAt.set(shard, now);
        if (!first) return;
        if (stored.arrived !== null) this.#parts.metrics.markFrameLag.observe((now - stored.arrived) / 1_000);
        this.#inputs.add(stored);
      },
      onError: (error) => this.#parts.logger.warn({ error, shard }, "a frame was not stored"),
    });
  }

  #keep(): void {
    if (this.#keeping !== null || !this.#lease.holds()) return;
    this.#keeping = this.#save().finally(() => {
      this.#keeping = null;
    });
  }

  async #save(): Promise<void> {
    try {
      await this.#keeper.save(this.prices, { ...this.#logSeqs }, monotonicMs());
      await this.#inputs.flush(async (rows) => saveMarkInputs(this.#parts.db, rows));
    } catch (error) {
      this.#parts.logger.warn({ error, leftOut: this.#inputs.leftOut }, "prices were not saved");
      if (error instanceof Deposed) await this.#lease.release();
    }
  }

  async #stop(): Promise<void> {
    await this.#keeping;
    await Promise.race([Promise.all(this.#logs.map(async (log) => log.settled())), stopWithin()]);
    if (this.#lease.holds()) await this.#save();
    await this.#lease.release();
    // Who does not lead says nothing about the age of frames.
    for (const shard of this.#storedAt.keys()) this.#parts.metrics.markFrameAge.remove(shard);
    for (const writer of this.#writers) await writer.close();
  }

  #measure(): void {
    const { metrics, inbox, clock } = this.#parts;
    const now = clock.now();
    for (const [asset, bySource] of inbox.newest) {
      const ageOf = (t: number): number => Math.max(0, now - t) / 1_000;
      metrics.markQuoteAge.with(asset).set(ageOf(Math.max(...bySource.values())));
      for (const [source, t] of bySource) metrics.markSourceAge.with(asset, source).set(ageOf(t));
    }
    const monotonic = monotonicMs();
    for (const [shard, at] of this.#storedAt) metrics.markFrameAge.with(shard).set((monotonic - at) / 1_000);
    const { indices, marks } = this.prices.stage;
    for (const [id, { quality }] of [...indices, ...marks]) {
      for (const each of qualities) metrics.priceQuality.with(id, each).set(each === quality ? 1 : 0);
    }
  }
}

const qualities = ["good", "stale", "disputed", "invalid"] as const;
const stopWithinMs = 1_000;
const stopWithin = async (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, stopWithinMs).unref();
  });
