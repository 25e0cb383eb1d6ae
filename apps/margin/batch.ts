import {
  type BalanceRow,
  type CommitValue,
  contentValues,
  type DeadLetter,
  type FactRow,
  type HaltRow,
  type LedgerTransaction,
  type OpenedEffect,
  type PositionRow,
  type RuleVersionRow,
  type SagaRow,
} from "#libs/adapters/postgres/index.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { Effect, Entry, Fact } from "#libs/contracts/log.ts";
import type { Applied, Engine } from "#libs/engine/index.ts";
import { type Saga, stageOfState } from "#libs/engine/sagas/saga.ts";
import { factLine, journalLine, ledgerRows, messageHash } from "#libs/journal/index.ts";
import { TouchedRows } from "./state-rows.ts";
import { monotonic } from "./waiting.ts";

/** A batch that no entry is added to any more: everything that is written for it, but its place, the hash and the packing. */
export interface ClosedBatch {
  readonly toSeq: number;
  readonly entryCount: number;
  readonly content: readonly CommitValue[];
  /** NDJSON. */
  readonly journal: string;
  readonly facts: string;
  readonly factFrom: number;
  /** Those that people look at. */
  readonly told: readonly FactRow[];
  readonly effects: readonly Effect[];
  readonly trace: string | undefined;
  /** Market time of its first entry of the matching engine; null: it has none. */
  readonly venueSince: number | null;
  /** When its first entry was applied, monotonic ms. */
  readonly openedAt: number;
}

/** Facts that the log gives again in full; the table of facts is for people. */
const untold: ReadonlySet<string> = new Set(["fill"]);

interface Parts {
  journal: string[];
  factLines: string[];
  facts: FactRow[];
  transactions: LedgerTransaction[];
  effects: Effect[];
  answered: string[];
  /** With the instrument of its pool. */
  sagas: Map<Saga, string | null>;
  deadLetters: DeadLetter[];
  balances: Map<string, BalanceRow>;
  positions: Map<string, PositionRow>;
  sources: Map<string, number>;
  rules: RuleVersionRow[];
  openedAt: number;
  trace: string | undefined;
  venueSince: number | null;
}

const noParts = (): Parts => ({
  journal: [],
  factLines: [],
  facts: [],
  transactions: [],
  effects: [],
  answered: [],
  sagas: new Map(),
  deadLetters: [],
  balances: new Map(),
  positions: new Map(),
  sources: new Map(),
  rules: [],
  openedAt: monotonic(),
  trace: undefined,
  venueSince: null,
});

const traced = (effects: readonly Effect[], trace: string | undefined): readonly OpenedEffect[] =>
  trace === undefined ? effects : effects.map((effect) => ({ ...effect, trace }));

/** Collects what entries did until the batch is closed. The state of touched rows is read between slices and at the close. */
export class BatchBuilder {
  readonly #engine: Engine;
  readonly #shard: string;
  readonly #touched: TouchedRows;
  #parts = noParts();
  #entries = 0;
  #firstEntry: number;
  #factFrom: number;
  #halts: readonly unknown[];
  #ruleVersion: number;
  /** Text of the genesis line, before anything was committed. */
  #genesis: string | null;
  streamCreated: string | null = null;
  /** Position of the newest message, and its bytes. */
  seq: number;
  #lastMessage: Uint8Array | null = null;
  #lastHash: string | null;

  constructor(
    engine: Engine,
    shard: string,
    at: { seq: number; lastMessageHash: string | null; genesis: string | null },
  ) {
    this.#engine = engine;
    this.#shard = shard;
    this.#touched = new TouchedRows(engine);
    this.seq = at.seq;
    this.#lastHash = at.lastMessageHash;
    this.#genesis = at.genesis;
    const { machine } = engine;
    this.#firstEntry = machine.appliedSeq + 1;
    this.#factFrom = machine.factSeq + 1;
    this.#halts = machine.halts;
    this.#ruleVersion = at.genesis === null ? machine.rules.version : 0;
    this.#noteRules();
  }

  get entries(): number {
    return this.#entries;
  }
  get openedAt(): number {
    return this.#parts.openedAt;
  }
  get venueSince(): number | null {
    return this.#parts.venueSince;
  }
  get urgent(): boolean {
    return this.#parts.effects.length > 0;
  }
  get empty(): boolean {
    return this.#entries === 0 && this.#parts.deadLetters.length === 0;
  }

  /** The log's message at `seq` has been dealt with. */
  moved(seq: number, data: Uint8Array): void {
    this.seq = seq;
    this.#lastMessage = data;
  }

  deadLetter(letter: DeadLetter): void {
    if (this.empty) this.#parts.openedAt = monotonic();
    this.#parts.deadLetters.push(letter);
  }

  /** `text`: the entry as one line of JSON, as it will be replayed. */
  add(seq: number, text: string, entry: Entry, applied: Applied): void {
    const parts = this.#parts;
    if (this.empty) parts.openedAt = monotonic();
    this.#entries += 1;
    parts.journal.push(journalLine(seq, text));
    if (entry.source !== undefined && entry.sourceSeq !== undefined) parts.sources.set(entry.source, entry.sourceSeq);
    if (entry.source === sources.venue) parts.venueSince ??= entry.t;
    for (const fact of applied.facts) this.#fact(fact, entry.trace);
    const { touched } = this.#engine.machine;
    for (const [saga, instrument] of touched.sagas) parts.sagas.set(saga, instrument);
    parts.answered.push(...touched.answered);
    this.#noteRules();
    parts.effects.push(...applied.effects);
    if (applied.effects.length > 0) parts.trace = entry.trace;
    if (applied.transactions.length > 0) {
      const number = this.#engine.machine.appliedSeq;
      parts.transactions.push(...ledgerRows(this.#engine, number, applied.transactions));
      this.#touched.transactions(applied.transactions);
    }
    if (entry.k === "mode" || entry.k === "fill") this.#touched.named(entry.account, entry.instrument);
    else if (entry.k === "settle" || entry.k === "expire") this.#touched.everybody(entry.instrument);
  }

  /** Reads the rows touched since the last call: between slices, so that no close reads thousands at once. */
  readRows(): void {
    this.#touched.read(this.#parts.balances, this.#parts.positions);
  }

  close(): ClosedBatch {
    this.readRows();
    const parts = this.#parts;
    const { machine } = this.#engine;
    if (this.#lastMessage !== null) this.#lastHash = messageHash(this.#lastMessage);
    const genesis = this.#genesis ?? "";
    const closed: ClosedBatch = {
      toSeq: this.seq,
      entryCount: this.#entries,
      content: contentValues({
        shard: this.#shard,
        toSeq: this.seq,
        firstEntry: this.#firstEntry,
        entryCount: this.#entries,
        factSeq: machine.factSeq,
        streamCreated: this.streamCreated,
        lastMessageHash: this.#lastHash,
        facts: parts.facts,
        transactions: parts.transactions,
        balances: [...parts.balances.values()],
        positions: [...parts.positions.values()],
        sagas: [...parts.sagas].map(([saga, instrument]) => this.#sagaRow(saga, instrument)),
        effectsOpened: traced(parts.effects, parts.trace),
        effectsAnswered: parts.answered,
        sourceSeqs: [...parts.sources].map(([source, seq]) => ({ source, seq })),
        ...this.#changedHalts(),
        ruleVersion: machine.rules.version,
        ...(parts.rules.length > 0 ? { rules: parts.rules } : {}),
        t: machine.t,
        deadLetters: parts.deadLetters,
      }),
      told: parts.facts,
      journal: genesis + parts.journal.join(""),
      facts: parts.factLines.join(""),
      factFrom: this.#factFrom,
      effects: parts.effects,
      trace: parts.trace,
      venueSince: parts.venueSince,
      openedAt: parts.openedAt,
    };
    this.#begin();
    return closed;
  }

  #begin(): void {
    this.#parts = noParts();
    this.#entries = 0;
    this.#firstEntry = this.#engine.machine.appliedSeq + 1;
    this.#factFrom = this.#engine.machine.factSeq + 1;
    this.#genesis = null;
    this.#lastMessage = null;
  }

  #fact(fact: Fact, trace: string | undefined): void {
    const { machine } = this.#engine;
    this.#parts.factLines.push(factLine(fact, trace));
    if (untold.has(fact.fact)) return;
    const receipt = machine.receipts.get(fact.seq);
    // The machine keeps receipts for whoever asks; here the table keeps them, and memory must not grow with the log.
    machine.receipts.delete(fact.seq);
    this.#parts.facts.push({
      seq: fact.seq,
      t: fact.t,
      fact: fact.fact,
      account: typeof fact["account"] === "string" ? fact["account"] : null,
      body: { ...fact, ...(trace === undefined ? {} : { trace }), ...(receipt === undefined ? {} : { receipt }) },
    });
  }

  /** As it stands when the batch closes. */
  #sagaRow(saga: Saga, instrument: string | null): SagaRow {
    const { machine } = this.#engine;
    return {
      id: saga.id,
      account: machine.accountName(saga.account),
      instrument,
      state: saga.state,
      stage: stageOfState[saga.state],
      step: saga.step,
      startedAt: saga.startedAt,
      ended: machine.sagas.get(saga.slot) !== saga,
      body: { waitsFor: saga.effect, slice: saga.slice, spentUsd: saga.spentUsd.toStringUp() },
    };
  }

  #changedHalts(): { halts?: readonly HaltRow[] } {
    const { halts } = this.#engine.machine;
    if (halts === this.#halts) return {};
    this.#halts = halts;
    return { halts: halts.map((one) => ({ ...one, id: one.id === "" ? null : one.id })) };
  }

  /** Every version, also one that another follows within the batch. */
  #noteRules(): void {
    const { rules, document, t } = this.#engine.machine;
    if (rules.version === this.#ruleVersion) return;
    this.#ruleVersion = rules.version;
    this.#parts.rules.push({ version: rules.version, t, document });
  }
}
