import type { Entry } from "#libs/contracts/log.ts";
import { type EntryReading, readLiveEntry } from "#libs/contracts/live/door.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { venueKinds } from "#libs/contracts/live/entries.ts";
import { type Engine, EntryRefused } from "#libs/engine/index.ts";
import type { Gate } from "#libs/engine/gate/index.ts";
import { oneLine } from "#libs/journal/index.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import type { BatchBuilder } from "./batch.ts";
import type { FillSlippage } from "./fill-slippage.ts";
import { lagSeconds } from "./gauges.ts";
import { monotonic } from "./waiting.ts";

/** A message of the log as it is applied. */
export interface Message {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** When the server stored it, UTC ms; absent: the log has not brought it. */
  readonly timestampMs?: number;
}

export type Outcome =
  | { readonly kind: "applied" }
  /** Numbers that are missing before this entry: nothing has been applied. */
  | { readonly kind: "gap"; readonly source: string; readonly from: number; readonly to: number }
  /** The shard stops; nothing has been applied. */
  | { readonly kind: "halt"; readonly code: string; readonly what: string };

interface Numbered {
  readonly source: string;
  readonly sourceSeq: number;
}

/** Why something was refused, in a code and in words. */
export interface Fault {
  readonly code: string;
  readonly what: string;
}

const applied: Outcome = { kind: "applied" };

/** Applies entries of the log to the engine, tells the gate, and collects what they did in the batch. Never waits. */
export class Applier {
  readonly #engine: Engine;
  readonly #gate: Gate;
  readonly #batch: BatchBuilder;
  readonly #metrics: Metrics;
  readonly #slippage: FillSlippage;
  /** Monotonic ms of the newest frame. */
  lastFrameAt = Number.NEGATIVE_INFINITY;
  /** How long after it was stored the latest entry of the log was applied, ms. */
  lateMs = 0;

  constructor(engine: Engine, gate: Gate, batch: BatchBuilder, metrics: Metrics, slippage: FillSlippage) {
    this.#engine = engine;
    this.#gate = gate;
    this.#batch = batch;
    this.#metrics = metrics;
    this.#slippage = slippage;
  }

  /** Applies one message. With any outcome but `applied` the position has not moved. */
  take(message: Message): Outcome {
    const text = textOf(message.data);
    const read = readLiveEntry(text ?? message.data, message.subject);
    const outcome = read.ok
      ? this.#apply(message, read.entry, oneLine(text ?? ""), message.seq)
      : this.#unreadable(message, read);
    if (outcome.kind === "applied") this.#batch.moved(message.seq, message.data);
    return outcome;
  }

  /** Applies an entry that the log has not brought: it counts as of the position reached. */
  applyUnsent(entry: Entry): Outcome {
    const text = JSON.stringify(entry);
    const message = { seq: this.#batch.seq, subject: entry.k, data: new TextEncoder().encode(text) };
    return this.#apply(message, entry, text, this.#batch.seq);
  }

  /** What the matching engine says carries money, and may not be passed over. */
  #unreadable(message: Message, { kind, source, sourceSeq, problems }: Refused): Outcome {
    const fault = faultOf(problems);
    if (venueKinds.has(kind)) return halt(fault.code, fault.what);
    const number = source === undefined || sourceSeq === undefined ? null : { source, sourceSeq };
    return this.#refuse(message, kind, fault, number, message.seq);
  }

  #apply(message: Message, entry: Entry, text: string, seq: number): Outcome {
    const gap = this.#gapBefore(entry);
    if (gap !== null) return gap;
    try {
      if (this.#run(entry, text, seq)) this.#late(entry, message.timestampMs);
      return applied;
    } catch (error) {
      if (!(error instanceof EntryRefused))
        return halt("engine_failed", error instanceof Error ? error.message : String(error));
      if (venueKinds.has(entry.k)) return halt(error.code, error.what);
      return this.#refuse(message, entry.k, error, numbered(entry), seq);
    }
  }

  /** False: it had been applied before. */
  #run(entry: Entry, text: string, seq: number): boolean {
    const { machine } = this.#engine;
    const before = machine.appliedSeq;
    const startedAt = monotonic();
    const result = this.#engine.apply(entry);
    const endedAt = monotonic();
    if (machine.appliedSeq === before) return false;
    this.#metrics.engineApply.observe((endedAt - startedAt) / 1000);
    this.#metrics.engineEntries.with(entry.k).inc();
    if (entry.k === "frame") this.lastFrameAt = endedAt;
    this.#batch.add(seq, text, entry, result);
    this.#gate.applied(entry, endedAt);
    this.#slippage.applied(machine, entry, result.effects);
    return true;
  }

  /** How late an entry of the log came to be applied. */
  #late(entry: Entry, storedMs: number | undefined): void {
    if (storedMs === undefined) return;
    this.lateMs = Math.max(0, Date.now() - storedMs);
    if (entry.k === "fill") this.#metrics.positionUpdateLag.observe(lagSeconds(Date.now(), storedMs));
    else if (entry.k === "frame") this.#metrics.markFrameLag.observe(lagSeconds(Date.now(), storedMs));
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
  #refuse(message: Message, kind: string, fault: Fault, number: Numbered | null, seq: number): Outcome {
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

type Refused = Extract<EntryReading, { ok: false }>;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Null: bytes that are no text, of which the door says more. */
function textOf(data: Uint8Array): string | null {
  try {
    return decoder.decode(data);
  } catch {
    return null;
  }
}

const whatMax = 200;

/** The first thing that is wrong with a message, in words that may be shown. */
export function faultOf(problems: Refused["problems"]): Fault {
  const first = problems[0];
  const what = `${first?.path ?? "$"}: ${first?.message ?? ""}`.replace(/[\p{Cc}\p{Cf}]/gu, " ");
  return { code: first?.code ?? "wrong_type", what: what.slice(0, whatMax) };
}

const halt = (code: string, what: string): Outcome => ({ kind: "halt", code, what });

const numbered = ({ source, sourceSeq }: Entry): Numbered | null =>
  source === undefined || sourceSeq === undefined ? null : { source, sourceSeq };
