import { hostname } from "node:os";
import { type Bus, BusClosed, lastPublishedFact, StreamMismatch, streamState } from "#libs/adapters/nats/index.ts";
import { acquireShard, Corrupt, type Database, type ShardRow } from "#libs/adapters/postgres/index.ts";
import type { ShardState } from "#libs/contracts/live/margin.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { Handshake, HandshakeReply } from "#libs/contracts/live/venue.ts";
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
import { countFacts } from "./fact-metrics.ts";
import { gateMode } from "./gate-mode.ts";
import { Leadership } from "./leadership.ts";
import { limits } from "./limits.ts";
import type { Missing } from "./missing.ts";
import { Outbound } from "./outbound.ts";
import { type Answering, Questions } from "./questions.ts";
import { instrumentsWithoutMark } from "./readiness.ts";
import { type Captured, Reconciler } from "./reconciler.ts";
import { recover, type Recovered, streamMismatch, unpublishedFacts } from "./recovery.ts";
import { offerQuestions } from "./rpc.ts";
import { answerAboutShard, type ShardView } from "./shard-answers.ts";
import { ShardLog } from "./shard-log.ts";
import { insist, monotonic, pause } from "./waiting.ts";

export interface LeaderParts {
  readonly bus: Bus;
  readonly db: Database;
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
}

/** Leads one shard from the lease to readiness and on: see the states in `ShardState`. */
export class Leader {
  readonly #parts: LeaderParts;
  readonly #decisions: Decisions;
  readonly #stops: (() => Promise<void> | void)[] = [];
  #state: ShardState = "starting";
  #why: string | null = null;
  #stopped = false;
  #leadership: Leadership | null = null;
  #live: Live | null = null;
  /** Position that the stream had when it was opened, and the venue's last number as it told us; null: not yet. */
  #streamTarget = 0;
  #venueTarget: number | null = null;
  /** What the state was before a gap. */
  #beforeGap: ShardState = "ready";
  readonly #captured = new WeakMap<ClosedBatch, Captured>();

  constructor(parts: LeaderParts) {
    this.#parts = parts;
    this.#decisions = new Decisions(parts.db, parts.logger);
  }

  get state(): ShardState {
    return this.#state;
  }

  get ready(): { readonly ready: boolean; readonly detail: unknown } {
    const answers = this.#leadership?.answers ?? false;
    const { mode, reason } = this.#mode();
    const detail = { state: this.#state, why: this.#why, epoch: this.#leadership?.epoch ?? 0, gate: mode, reason };
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
    const { bus, db, shard, rulesFile, clock, logger } = this.#parts;
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
    live.outbound.effects(live.engine.openEffects());
    this.#become("handshaking");
    bus.publish(bus.names.subjects.epoch(shard), { shard, epoch: leadership.epoch });
    void this.#handshake(leadership.epoch);
    const known = live.engine.machine.sourceSeqs.get(sources.clock) ?? 0;
    const ticks = await ClockWriter.open(bus, shard, known, clock, () => leadership.holds);
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
    const { bus, db, shard, logger, metrics } = this.#parts;
    const { engine, seq, chainHash, genesis } = recovered;
    const gate = new Gate(engine);
    const batch = new BatchBuilder(engine, shard, { seq, lastMessageHash: row.lastMessageHash, genesis });
    const applier = new Applier(engine, gate, batch, metrics);
    const outbound = new Outbound({ bus, shard, leadership, logger }, published);
    const committer = new Committer(
      { db, leadership, logger, metrics },
      { seq, chainHash },
      {
        committed: (closed) => this.#committed(closed, outbound),
        broken: (error) => this.#broke(error),
      },
    );
    const reconciler = new Reconciler(engine);
    const log = new ShardLog(
      { bus, db, shard, logger, applier, batch, committer, outbound },
      {
        closed: (closed) => {
          const captured = reconciler.capture();
          if (captured !== null) this.#captured.set(closed, captured);
        },
        sliced: (caughtUp, lag) => this.#progress(caughtUp, lag),
        gap: (missing) => this.#gap(missing),
        halted: (why) => this.#halt("halted_unreadable_entry", why),
      },
    );
    return { engine, gate, applier, batch, committer, outbound, log, reconciler };
  }

  /** Everything that leaves does so here: after its commit, in order. */
  async #committed(closed: ClosedBatch, outbound: Outbound): Promise<void> {
    const { db, shard, metrics } = this.#parts;
    outbound.effects(closed.effects, closed.trace);
    outbound.facts({ appliedSeq: closed.rows.toSeq, text: closed.facts, from: closed.factFrom });
    countFacts(metrics, closed.rows.facts);
    await this.#captured.get(closed)?.compare(db, shard, closed.rows.toSeq);
  }

  /** Asks the matching engine where it stands until it answers; its answer may say that another leads. */
  async #handshake(epoch: number): Promise<void> {
    const { bus, shard, logger } = this.#parts;
    const reply = await insist(
      async () => {
        const own: Handshake = { shard, epoch };
        return bus.request<HandshakeReply>(bus.names.subjects.venue("handshake"), own, {
          timeoutMs: limits.handshakeMs,
        });
      },
      () => this.#stopped || this.#leadership?.over !== null,
      (error) => logger.warn({ error }, "the matching engine does not answer yet"),
    );
    if (reply === null) return;
    if (reply.epoch > epoch) this.#leadership?.depose(`the matching engine has seen epoch ${reply.epoch}`);
    else this.#venueTarget = reply.lastSeq;
    logger.info({ lastSeq: reply.lastSeq, openOrders: reply.openOrders.length }, "the matching engine has answered");
  }

  #progress(caughtUp: boolean, lag: number): Missing | null {
    this.#parts.metrics.logReaderLag.set(lag);
    const live = this.#live;
    if (live === null) return null;
    const { engine, batch, applier } = live;
    if (this.#state === "handshaking") {
      if (this.#venueTarget === null || batch.seq < this.#streamTarget) return null;
      const last = engine.machine.sourceSeqs.get(sources.venue) ?? 0;
      if (last < this.#venueTarget)
        return caughtUp ? { source: sources.venue, from: last + 1, to: this.#venueTarget } : null;
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
    if (leadership === null || !leadership.answers) return null;
    const { shard } = this.#parts;
    const place = { shard, epoch: leadership.epoch, state: this.#state, why: this.#why };
    const live = this.#live;
    return { ...place, appliedSeq: live?.batch.seq ?? 0, committedSeq: live?.committer.seq ?? 0, live };
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
  #halt(state: "halted_stream_mismatch" | "halted_unreadable_entry", why: string): void {
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
