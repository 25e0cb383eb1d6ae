import { decisionLine } from "#libs/adapters/postgres/index.ts";
import { readAmend, readBatch, readCancel, readCheck, type Reading, readWhatIf } from "#libs/contracts/live/door.ts";
import type {
  AmendRequest,
  BatchDecision,
  BatchRequest,
  CancelRequest,
  CheckRequest,
  Decision,
  WhatIfRequest,
} from "#libs/contracts/live/pre-trade.ts";
import type { RpcVerb } from "#libs/contracts/live/subjects.ts";
import type { Gate, GateAnswer, GateBatchAnswer } from "#libs/engine/gate/index.ts";
import type { Engine } from "#libs/engine/index.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import type { Decisions } from "./decisions.ts";
import { monotonic } from "./waiting.ts";

export type PreTradeVerb = Extract<RpcVerb, "check" | "amend" | "cancel" | "batch" | "what-if">;

/** What a shard offers to those who ask; null while it is not there to be asked. */
export interface Answering {
  readonly engine: Engine;
  readonly gate: Gate;
  readonly appliedSeq: number;
}

export interface QuestionsOptions {
  readonly shard: string;
  readonly epoch: number;
  /** Null: not ready, or not the leader with certainty. Asked before every answer; sets the gate's mode. */
  readonly answering: () => Answering | null;
  /** Throws `Unanswered` where another process may be the one to answer. */
  readonly assertHeard: () => void;
  readonly decisions: Decisions;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const doors: Readonly<Record<PreTradeVerb, (data: Uint8Array) => Reading<unknown>>> = {
  check: readCheck,
  amend: readAmend,
  cancel: readCancel,
  batch: readBatch,
  "what-if": readWhatIf,
};

/** A question that is in order. */
interface Asked {
  readonly verb: PreTradeVerb;
  readonly value: { readonly request: string; readonly deadline?: number };
  /** As it came. */
  readonly data: Uint8Array;
}

/** Answers pre-trade questions: reads, judges, replies. A denial is an answer; nothing here throws for what somebody sent. */
export class Questions {
  readonly #options: QuestionsOptions;

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  answer(verb: PreTradeVerb, data: Uint8Array): string {
    this.#options.assertHeard();
    const startedAt = monotonic();
    const answer = this.#answer(verb, data);
    this.#options.metrics.riskCheckLatency.observe((monotonic() - startedAt) / 1000);
    return answer;
  }

  /** More questions wait than are taken. */
  overloaded(data: Uint8Array): string {
    return this.#refusal("overloaded", requestOf(data));
  }

  #answer(verb: PreTradeVerb, data: Uint8Array): string {
    const read = doors[verb](data);
    if (!read.ok) return this.#refusal("unreadable", requestOf(data));
    const value = read.value as Asked["value"];
    // A deadline is a time of the wall clock, which is all that two processes share.
    if (value.deadline !== undefined && Date.now() > value.deadline)
      return this.#refusal("deadline_exceeded", value.request);
    const shard = this.#options.answering();
    if (shard === null) return this.#refusal("recovering", value.request);
    return this.#ask({ verb, value, data }, shard);
  }

  #ask(asked: Asked, shard: Answering): string {
    const { gate } = shard;
    const now = monotonic();
    const { value } = asked;
    switch (asked.verb) {
      case "check":
        return this.#decision(asked, gate.check(value as CheckRequest, now), shard, now);
      case "amend":
        return this.#decision(asked, gate.amend(value as AmendRequest, now), shard, now);
      case "cancel":
        return this.#decision(asked, gate.cancel(value as CancelRequest, now), shard, now);
      case "batch":
        return this.#batch(asked, gate.batch(value as BatchRequest, now), shard, now);
      default:
        return JSON.stringify({ ...this.#basis(shard), ...gate.whatIf(value as WhatIfRequest, now) });
    }
  }

  #decision(asked: Asked, made: GateAnswer, shard: Answering, now: number): string {
    const answer: Decision = {
      request: made.request,
      decision: made.decision,
      codes: made.codes,
      numbers: made.numbers,
      ...(made.shadow === undefined ? {} : { shadow: made.shadow }),
      ...this.#basis(shard),
      ...expiry(made, now),
    };
    this.#count(made);
    const text = JSON.stringify(answer);
    const { account } = asked.value as CheckRequest;
    if (!made.replay) this.#record(asked, account, answer, text, made.codes, made.overlay, shard);
    return text;
  }

  #batch(asked: Asked, made: GateBatchAnswer, shard: Answering, now: number): string {
    const answer: BatchDecision = {
      request: made.request,
      decision: made.decision,
      results: made.results,
      ...this.#basis(shard),
      ...expiry(made, now),
    };
    for (const one of made.results) this.#count(one);
    const codes = [...new Set(made.results.flatMap((one) => one.codes))];
    const account = (asked.value as BatchRequest).orders[0]?.account ?? "";
    const text = JSON.stringify(answer);
    if (!made.replay) this.#record(asked, account, answer, text, codes, made.overlay, shard);
    return text;
  }

  #basis({ engine, appliedSeq }: Answering): Pick<Decision, "epoch" | "appliedSeq" | "frame" | "ruleVersion"> {
    const { machine } = engine;
    return { epoch: this.#options.epoch, appliedSeq, frame: machine.frame, ruleVersion: machine.rules.version };
  }

  #refusal(code: string, request: string): string {
    this.#count({ decision: "reject", codes: [code] });
    const { epoch } = this.#options;
    const basis = { epoch, appliedSeq: 0, frame: 0, ruleVersion: 0 };
    const answer: Decision = {
      request,
      decision: "reject",
      codes: [code],
      numbers: {},
      ...basis,
      expiresAt: 0,
      ttlMs: 0,
    };
    return JSON.stringify(answer);
  }

  #count({ decision, codes, shadow = [] }: Pick<Decision, "decision" | "codes" | "shadow">): void {
    const { riskChecks, riskReasons } = this.#options.metrics;
    riskChecks.with(decision, codes[0] ?? "").inc();
    for (const code of codes) riskReasons.with(code, "no").inc();
    for (const code of shadow) riskReasons.with(code, "yes").inc();
  }

  /** Question and answer are kept in the words in which they went over the wire, with what else had been read. */
  #record(
    { verb, value, data }: Asked,
    account: string,
    { request, decision, epoch, appliedSeq, frame, ruleVersion }: Decision | BatchDecision,
    answer: string,
    codes: readonly string[],
    overlay: unknown,
    { engine }: Answering,
  ): void {
    const { shard, decisions } = this.#options;
    const { appliedSeq: entries, t } = engine.machine;
    const place = { shard, request, verb, account, decision, codes, epoch, appliedSeq, frame, ruleVersion, t };
    if (decision === "accept" && verb !== "cancel")
      decisions.slippage.decided(engine.machine, value as CheckRequest | AmendRequest | BatchRequest);
    const line = (): string => {
      const read = `"overlay":${JSON.stringify(overlay)},"entries":${entries}`;
      return decisionLine(place, `{"asked":${textOf(data)},"answer":${answer},${read}}`);
    };
    decisions.add({ line, bytes: data.length + answer.length });
  }
}

/** The gate counts in monotonic ms; the approval says the wall clock's, and the span for those whose clock differs. */
function expiry(made: { readonly expiresAt: number }, now: number): { expiresAt: number; ttlMs: number } {
  if (made.expiresAt <= now) return { expiresAt: 0, ttlMs: 0 };
  const ttlMs = Math.floor(made.expiresAt - now);
  return { expiresAt: Date.now() + ttlMs, ttlMs };
}

const textOf = (data: Uint8Array): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8");

/** Of a question that is not in order, if it can be had. */
function requestOf(data: Uint8Array): string {
  let value: unknown;
  try {
    value = JSON.parse(textOf(data));
  } catch {
    return "";
  }
  const request = (value as { request?: unknown } | null)?.request;
  return typeof request === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(request) ? request : "";
}
