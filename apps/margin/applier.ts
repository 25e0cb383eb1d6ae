import type { Entry } from "#libs/contracts/log.ts";
import { NotAnAmount } from "#libs/decimal/index.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { venueKinds } from "#libs/contracts/live/entries.ts";
import { type Engine, EntryRefused } from "#libs/engine/index.ts";
import type { Gate } from "#libs/engine/gate/index.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import type { BatchBuilder } from "./batch.ts";
import { type Numbered, readEntry } from "./reading-entry.ts";
import { monotonic } from "./waiting.ts";

/** A message of the log as it is applied. */
export interface Message {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
}

export type Outcome =
  | { readonly kind: "applied" }
  /** Numbers that are missing before this entry: nothing has been applied. */
  | { readonly kind: "gap"; readonly source: string; readonly from: number; readonly to: number }
  /** The shard stops; nothing has been applied. */
  | { readonly kind: "halt"; readonly code: string; readonly what: string };

const applied: Outcome = { kind: "applied" };

/** Applies entries of the log to the engine, tells the gate, and collects what they did in the batch. Never waits. */
export class Applier {
  readonly #engine: Engine;
  readonly #gate: Gate;
  readonly #batch: BatchBuilder;
  readonly #metrics: Metrics;
  /** Monotonic ms of the newest frame. */
  lastFrameAt = Number.NEGATIVE_INFINITY;

  constructor(engine: Engine, gate: Gate, batch: BatchBuilder, metrics: Metrics) {
    this.#engine = engine;
    this.#gate = gate;
    this.#batch = batch;
    this.#metrics = metrics;
  }

  /** Applies one message. With any outcome but `applied` the position has not moved. */
  take(message: Message): Outcome {
    const kind = message.subject.slice(message.subject.lastIndexOf(".") + 1);
    const read = readEntry(message.data, kind);
    const outcome = read.ok
      ? this.#apply(message, read.entry, read.text, message.seq)
      : read.venue
        ? halt(read.code, read.what)
        : this.#refuse(message, read.kind, read, read.numbered, message.seq);
    if (outcome.kind === "applied") this.#batch.moved(message.seq, message.data);
    return outcome;
  }

  /** Applies an entry that fills a gap: it counts as of the position before the gap. */
  fill(entry: Entry): Outcome {
    const text = JSON.stringify(entry);
    const message = { seq: this.#batch.seq, subject: entry.k, data: new TextEncoder().encode(text) };
    return this.#apply(message, entry, text, this.#batch.seq);
  }

  #apply(message: Message, entry: Entry, text: string, seq: number): Outcome {
    const gap = this.#gapBefore(entry);
    if (gap !== null) return gap;
    try {
      this.#run(entry, text, seq);
      return applied;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === null) return halt("engine_failed", error instanceof Error ? error.message : String(error));
      if (venueKinds.has(entry.k)) return halt(refusal.code, refusal.what);
      return this.#refuse(message, entry.k, refusal, numbered(entry), seq);
    }
  }

  #run(entry: Entry, text: string, seq: number): void {
    const { machine } = this.#engine;
    const before = machine.appliedSeq;
    const startedAt = monotonic();
    const result = this.#engine.apply(entry);
    const endedAt = monotonic();
    if (machine.appliedSeq === before) return;
    this.#metrics.engineApply.observe((endedAt - startedAt) / 1000);
    this.#metrics.engineEntries.with(entry.k).inc();
    if (entry.k === "frame") this.lastFrameAt = endedAt;
    this.#batch.add(seq, text, entry, result);
    this.#gate.applied(entry, endedAt);
  }

  /** What may not be left out is missing before this entry. */
  #gapBefore(entry: Entry): Outcome | null {
    if (entry.source === undefined || entry.sourceSeq === undefined) return null;
    if (entry.k === "frame" || entry.k === "time") return null;
    const last = this.#engine.machine.sourceSeqs.get(entry.source) ?? 0;
    if (entry.sourceSeq <= last + 1) return null;
    return { kind: "gap", source: entry.source, from: last + 1, to: entry.sourceSeq - 1 };
  }

  /** A command that cannot be carried out: kept for people, and its number is used up so that its producer goes on. */
  #refuse(
    message: Message,
    kind: string,
    fault: { readonly code: string; readonly what: string },
    number: Numbered | null,
    seq: number,
  ): Outcome {
    if (number !== null && kind !== "frame" && kind !== "time") {
      const of = /^[A-Za-z0-9_-]{1,64}$/.test(kind) ? kind : "unknown";
      const { code, what } = fault;
      const entry: Entry = { k: "refused", of, code, what, ...number, t: this.#engine.machine.t };
      const gap = this.#gapBefore(entry);
      if (gap !== null) return gap;
      if (number.source === sources.venue) return halt(code, what);
      this.#run(entry, JSON.stringify(entry), seq);
    }
    this.#batch.deadLetter({
      border: "log",
      code: fault.code,
      what: fault.what,
      payload: message.data,
      subject: message.subject,
      logSeq: message.seq,
      source: number?.source ?? null,
      sourceSeq: number?.sourceSeq ?? null,
    });
    this.#metrics.deadLetters.with("log", fault.code).inc();
    return applied;
  }
}

const halt = (code: string, what: string): Outcome => ({ kind: "halt", code, what });

const numbered = ({ source, sourceSeq }: Entry): Numbered | null =>
  source === undefined || sourceSeq === undefined ? null : { source, sourceSeq };

/** The engine says no with nothing changed: by its own refusal, or for text that is no amount. Null: anything else. */
function refusalOf(error: unknown): { readonly code: string; readonly what: string } | null {
  if (error instanceof EntryRefused) return error;
  return error instanceof NotAnAmount ? { code: "not_an_amount", what: error.message } : null;
}
