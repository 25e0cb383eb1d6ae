import { hostname } from "node:os";
import { type Bus, BusClosed, lastPublishedFact, StreamMismatch, streamState } from "#libs/adapters/nats/index.ts";
import {
  acquireShard,
  Corrupt,
  type Database,
  recordReconciliation,
  type ShardRow,
} from "#libs/adapters/postgres/index.ts";
import type { ShardState } from "#libs/contracts/live/margin.ts";
import { Gate } from "#libs/engine/gate/index.ts";
import { ReplayDiffers } from "#libs/journal/index.ts";
import type { Clock } from "#libs/process/clock.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import { type Metrics, setState } from "#libs/telemetry/metrics.ts";
import { Applier } from "./applier.ts";
import { BatchBuilder, type ClosedBatch } from "./batch.ts";
import { ClockWriter } from "./clock-writer.ts";
import { Committer } from "./committer.ts";
import { Decisions } from "./decisions.ts";
import { FillSlippage } from "./fill-slippage.ts";
import { FactMetrics } from "./fact-metrics.ts";
import { gateMode } from "./gate-mode.ts";
import { ShardGauges } from "./gauges.ts";
import { type OrderReport, VenueHandshake } from "./handshake.ts";
import { Leadership } from "./leadership.ts";
import { limits } from "./limits.ts";
import type { Missing } from "./missing.ts";
import { Outbound } from "./outbound.ts";
import { type Answering, Questions } from "./questions.ts";
import { instrumentsWithoutMark } from "./readiness.ts";
import { type Captured, Reconciler } from "./reconciler.ts";
import { effectsAgain, recover, type Recovered, streamMismatch, unpublishedFacts } from "./recovery.ts";
import { offerQuestions } from "./rpc.ts";
import { answerAboutShard, type ShardView } from "./shard-answers.ts";
import { ShardLog } from "./shard-log.ts";
import { Vitals } from "./vitals.ts";
import { insist, monotonic, pause } from "./waiting.ts";
import type { Writer } from "./writer.ts";

export interface LeaderParts {
  readonly bus: Bus;
  readonly db: Database;
  readonly writer: Writer;
  readonly shard: string;
  readonly rulesFile: string | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Another process leads: answers have stopped; end the process. */
  readonly deposed: (why: string) => void;
  /** It cannot go on for another reason, and a restart may help. */
  readonly failed: (error: unknown) => void;
}

const states: readonly ShardState[] = [
  "starting",
  "replaying",
  "handshaking",
  "waiting_for_marks",
  "ready",
  "gap",
  "halted_stream_mismatch",
  "halted_unreadable_entry",
  "halted_venue_mismatch",
  "deposed",
];

interface Live {
  readonly engine: Recovered["engine"];
  readonly gate: Gate;
  readonly applier: Applier;
  readonly batch: BatchBuilder;
  readonly committer: Committer;
  readonly outbound: Outbound;
  readonly log: ShardLog;
  readonly reconciler: Reconciler;
  readonly handshake: VenueHandshake;
  readonly gauges: ShardGauges;
  readonly vitals: Vitals;
}

type Halted = Extract<ShardState, `halted_${string}`>;

/** Leads one shard from the lease to readiness and on: see the states in `ShardState`. */
export class Leader {
  readonly #parts: LeaderParts;
  readonly #decisions: Decisions;
  readonly #facts: FactMetrics;
  readonly #stops: (() => Promise<void> | void)[] = [];
  #state: ShardState = "starting";
  #why: string | null = null;
  #stopped = false;
  #leadership: Leadership | null = null;
  #live: Live | null = null;
  /** Position that the stream had when it was opened. */
  #streamTarget = 0;
  #openOrders: OrderReport | null = null;
  /** What the state was before a gap. */
  #beforeGap: ShardState = "ready";
  readonly #captured = new WeakMap<ClosedBatch, Captured>();

  constructor(parts: LeaderParts) {
    this.#parts = parts;
    this.#decisions = new Decisions(parts.writer, new FillSlippage(parts), parts.logger);
    this.#facts = new FactMetrics(parts.metrics);
  }

  get state(): ShardState {
    return this.#state;
  }

  get ready(): { readonly ready: boolean; readonly detail: unknown } {
    const answers = this.#leadership?.answers ?? false;
    const { mode, reason } = this.#mode();
    const { epoch = 0 } = this.#leadership ?? {};
    const orderDifferences = this.#openOrders?.count ?? null;
    const detail = { state: this.#state, why: this.#why, epoch, gate: mode, reason, orderDifferences };
    return { ready: this.#state === "ready" && answers, detail };
  }

  /** Waits for the lease, then goes through the states; returns when the shard is being read. Never throws. */
  async start(): Promise<void> {
    try {
      const row = await this.#acquire();
      if (row !== null) await this.#lead(row);
    } catch (error) {
      this.#broke(error);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const live = this.#live;
    live?.log.stop();
    for (const stop of this.#stops.splice(0).reverse()) await stop();
    if (live !== null && this.#leadership?.over === null) {
      live.log.close();
      await Promise.race([this.#flushed(live), pause(limits.rereadMs)]);
    }
    live?.committer.stop();
    live?.outbound.stop();
    // What a fresh engine must reach by replaying the journal: `plimsoll verify` prints the same.
    if (live !== null && live.batch.seq === live.committer.seq)
      this.#parts.logger.info({ appliedSeq: live.batch.seq, stateHash: live.engine.stateHash() }, "left");
    await this.#decisions.stop();
    await this.#leadership?.stop();
  }

  async #flushed({ committer, outbound }: Live): Promise<void> {
    await committer.drained();
    await outbound.drained();
  }

  async #acquire(): Promise<ShardRow | null> {
    const { db, shard, logger, metrics } = this.#parts;
    const owner = `${hostname()}:${process.pid}`;
    while (!this.#stopped) {
      const askedAt = monotonic();
      const row = await insist(
        async () => acquireShard(db, shard, owner, limits.leaseMs),
        () => this.#stopped,
        (error) => logger.warn({ error }, "the lease cannot be asked for"),
      );
      if (row !== null) {
        this.#leadership = new Leadership(db, shard, row.epoch, askedAt, {
          deposed: (why) => this.#deposed(why),
          failed: (error) => logger.warn({ error }, "the lease was not renewed"),
        });
        this.#leadership.start();
        metrics.shardEpoch.set(row.epoch);
        logger.info({ epoch: row.epoch, appliedSeq: row.appliedSeq }, "leading");
        return row;
      }
      await pause(limits.acquireMs);
    }
    return null;
  }

  async #lead(row: ShardRow): Promise<void> {
    const { bus, db, shard, rulesFile, logger } = this.#parts;
    const leadership = this.#leadership as Leadership;
    await this.#answer(leadership);
    this.#become("replaying");
    const recovered = await recover(db, row, rulesFile, logger);
    const mismatch = await streamMismatch(bus, row, () => this.#stopped);
    if (mismatch !== null) return this.#halt("halted_stream_mismatch", mismatch);
    const stream = await streamState(bus, shard);
    this.#streamTarget = stream.lastSeq;
    const published = await lastPublishedFact(bus, shard);
    const live = this.#build(recovered, row, leadership, published);
    live.batch.streamCreated = stream.created;
    this.#live = live;
    if (published < row.factSeq) await this.#publishAgain(live, published);
    for (const { effects, trace } of await effectsAgain(db, shard, live.engine.openEffects()))
      live.outbound.effects(effects, trace);
    this.#become("handshaking");
    bus.publish(bus.names.subjects.epoch(shard), { shard, epoch: leadership.epoch });
    void live.handshake.ask();
    const ticks = await ClockWriter.open(this.#parts, live, leadership);
    this.#stops.push(() => ticks.stop());
    if (this.#stopped) return ticks.stop();
    void live.log.run().catch((error: unknown) => this.#broke(error));
  }

  async #answer(leadership: Leadership): Promise<void> {
    const { bus, shard, logger, metrics } = this.#parts;
    const questions = new Questions({
      shard,
      epoch: leadership.epoch,
      answering: () => this.#answering(),
      assertHeard: () => leadership.assertHeard(),
      decisions: this.#decisions,
      logger,
      metrics,
    });
    const service = await offerQuestions(bus, shard, leadership.epoch, questions);
    this.#stops.push(() => service.stop());
    const about = answerAboutShard(bus, shard, leadership.epoch, () => this.#view());
    this.#stops.push(() => about.stop());
  }

  async #publishAgain({ outbound }: Live, published: number): Promise<void> {
    const { db, shard } = this.#parts;
    for await (const facts of unpublishedFacts(db, shard, published)) {
      outbound.facts(facts);
      await outbound.room();
    }
  }

  #build(recovered: Recovered, row: ShardRow, leadership: Leadership, published: number): Live {
    const { bus, db, writer, shard, clock, logger, metrics } = this.#parts;
    const { engine, seq, chainHash, genesis } = recovered;
    const gate = new Gate(engine);
    const batch = new BatchBuilder(engine, shard, { seq, lastMessageHash: row.lastMessageHash, genesis });
    const applier = new Applier(engine, gate, batch, metrics, this.#decisions.slippage);
    const outbound = new Outbound({ bus, shard, leadership, logger }, published);
    const committer = new Committer(
      { writer, leadership, logger, metrics },
      { seq, chainHash },
      {
        attempted: (failed) => vitals.attempted("postgres", failed),
        committed: (closed) => this.#committed(closed, outbound),
        idle: () => log.closeIfDue(),
        broken: (error) => this.#broke(error),
      },
    );
    const vitals = new Vitals(committer, applier);
    const reconciler = new Reconciler(engine);
    const stopped = (): boolean => this.#stopped || leadership.over !== null;
    const handshake = new VenueHandshake(
      { bus, shard, epoch: leadership.epoch, engine, applier, logger, stopped },
      {
        deposed: (why) => leadership.depose(why),
        halted: (why) => this.#halt("halted_venue_mismatch", why),
        done: (report) => this.#ordersCompared(report),
      },
    );
    const log = new ShardLog(
      { bus, db, shard, logger, applier, batch, committer, outbound },
      {
        applied: () => handshake.look(),
        closed: (closed) => {
          const captured = reconciler.capture();
          if (captured !== null) this.#captured.set(closed, captured);
        },
        sliced: (caughtUp, lag) => this.#progress(caughtUp, lag),
        gap: (missing) => this.#gap(missing),
        halted: (why) => this.#halt("halted_unreadable_entry", why),
      },
    );
    const venueSince = (): number | null => committer.venueSince ?? batch.venueSince;
    const gauges = new ShardGauges({ shard, engine, clock, metrics, venueSince });
    this.#stops.push(() => gauges.stop());
    return { engine, gate, applier, batch, committer, outbound, log, reconciler, handshake, gauges, vitals };
  }

  /** Everything that leaves does so here: after its commit, in order. */
  async #committed(closed: ClosedBatch, outbound: Outbound): Promise<void> {
    const { db, shard } = this.#parts;
    outbound.effects(closed.effects, closed.trace);
    outbound.facts({ appliedSeq: closed.toSeq, text: closed.facts, from: closed.factFrom });
    this.#facts.count(closed.told);
    await this.#captured.get(closed)?.compare(db, shard, closed.toSeq);
  }

  /** The alarm stays until the next leader meets the matching engine: what differed has been put right, why it did has not. */
  #ordersCompared(report: OrderReport): void {
    const { db, shard, logger, metrics } = this.#parts;
    this.#openOrders = report;
    metrics.reconciliationDifferences.with("orders").set(report.count);
    if (report.count > 0)
      logger.error({ ...report }, "open orders differed from the matching engine's and were put right");
    const { compared, differences } = report;
    const run = { shard, kind: "orders", appliedSeq: this.#live?.batch.seq ?? 0, compared, differences };
    recordReconciliation(db, run).catch((error: unknown) => logger.warn({ error }, "a comparison was not recorded"));
  }

  #progress(caughtUp: boolean, lag: number): Missing | null {
    this.#parts.metrics.logReaderLag.set(lag);
    const live = this.#live;
    if (live === null) return null;
    const { engine, batch, applier, handshake } = live;
    if (this.#state === "handshaking") {
      if (batch.seq < this.#streamTarget) return null;
      if (!handshake.done) return caughtUp ? handshake.missing : null;
      this.#become("waiting_for_marks");
    }
    if (this.#state === "waiting_for_marks") {
      const without = instrumentsWithoutMark(engine);
      this.#why = without.length === 0 ? null : `no good mark of ${without.join(", ")}`;
      const positions = engine.machine.book.instrumentCount > 0 && this.#anyPosition();
      if (without.length === 0 && (!positions || monotonic() - applier.lastFrameAt < limits.markAgeMs))
        this.#become("ready");
    }
    return null;
  }

  #anyPosition(): boolean {
    const book = this.#live?.engine.machine.book;
    if (book === undefined) return false;
    for (let one = 0; one < book.instrumentCount; one += 1) if (book.longLots(one) !== 0n) return true;
    return false;
  }

  #gap(missing: Missing | null): void {
    this.#live?.gauges.gap(missing);
    if (missing === null) return this.#become(this.#beforeGap);
    if (this.#state !== "gap") this.#beforeGap = this.#state;
    this.#become("gap", `${missing.source} ${missing.from} to ${missing.to}`);
  }

  #mode(): ReturnType<typeof gateMode> {
    return gateMode({
      ready: this.#state === "ready",
      answers: this.#leadership?.answers ?? false,
      now: monotonic(),
      waitingSince: this.#live?.committer.waitingSince ?? null,
      lastFrameAt: this.#live?.applier.lastFrameAt ?? Number.NEGATIVE_INFINITY,
    });
  }

  /** Asked before every answer. */
  #answering(): Answering | null {
    const live = this.#live;
    const { mode, reason } = this.#mode();
    if (live === null || mode === "closed") return null;
    if (live.gate.mode !== mode) live.gate.setMode(mode, reason);
    return { engine: live.engine, gate: live.gate, appliedSeq: live.batch.seq };
  }

  /** Null once somebody else may lead: then nothing is answered. */
  #view(): ShardView | null {
    const leadership = this.#leadership;
    leadership?.assertHeard();
    if (leadership === null || !leadership.answers) return null;
    const { shard } = this.#parts;
    const place = { shard, epoch: leadership.epoch, state: this.#state, why: this.#why };
    const live = this.#live;
    const seqs = { appliedSeq: live?.batch.seq ?? 0, committedSeq: live?.committer.seq ?? 0 };
    return { ...place, ...seqs, openOrders: this.#openOrders, live };
  }

  #become(state: ShardState, why: string | null = null): void {
    if (this.#stopped || this.#leadership?.over !== null) return;
    if (this.#state.startsWith("halted")) return;
    const { logger, metrics } = this.#parts;
    this.#why = why;
    if (state === this.#state) return;
    this.#state = state;
    setState(metrics.shardState, states, state);
    if (state === "ready") logger.info({ appliedSeq: this.#live?.batch.seq ?? 0 }, "ready");
    else logger.info({ state, why }, "state");
  }

  /** The process lives on, keeps its lease and its evidence, and refuses every question until a person has looked. */
  #halt(state: Halted, why: string): void {
    this.#become(state, why);
    this.#parts.logger.fatal({ state, why }, "the shard is halted");
    this.#live?.log.stop();
  }

  #deposed(why: string): void {
    this.#state = "deposed";
    this.#why = why;
    this.#live?.log.stop();
    this.#live?.outbound.stop();
    this.#parts.deposed(why);
  }

  #broke(error: unknown): void {
    if (this.#stopped) return;
    if (error instanceof StreamMismatch) return this.#halt("halted_stream_mismatch", error.message);
    if (error instanceof ReplayDiffers || error instanceof Corrupt)
      return this.#halt("halted_unreadable_entry", error.message);
    if (error instanceof BusClosed && this.#leadership?.over !== null) return;
    this.#parts.failed(error);
  }
}
