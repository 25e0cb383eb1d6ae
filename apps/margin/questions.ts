import {
  AmendRequest,
  BatchRequest,
  type BatchDecision,
  CancelRequest,
  CheckRequest,
  type Decision,
  WhatIfRequest,
} from "#libs/contracts/live/pre-trade.ts";
import type { RpcVerb } from "#libs/contracts/live/subjects.ts";
import { hasShape } from "#libs/contracts/shape.ts";
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
  readonly decisions: Decisions;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const schemas = {
  check: CheckRequest,
  amend: AmendRequest,
  cancel: CancelRequest,
  batch: BatchRequest,
  "what-if": WhatIfRequest,
} as const;

type Asked = { readonly request: string; readonly deadline?: number; readonly account?: string };
type Refused = { readonly code: string; readonly request: string };

/** Answers pre-trade questions: reads, judges, replies. A denial is an answer; nothing here throws for what somebody sent. */
export class Questions {
  readonly #options: QuestionsOptions;

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  answer(verb: PreTradeVerb, data: Uint8Array): string {
    const startedAt = monotonic();
    const { metrics } = this.#options;
    const answer = this.#answer(verb, data);
    metrics.riskCheckLatency.observe((monotonic() - startedAt) / 1000);
    return JSON.stringify(answer);
  }

  /** More questions wait than are taken. */
  overloaded(data: Uint8Array): string {
    return JSON.stringify(this.#refusal({ code: "overloaded", request: requestOf(parsed(data)) }));
  }

  #answer(verb: PreTradeVerb, data: Uint8Array): unknown {
    const value = parsed(data);
    if (!hasShape(schemas[verb], value)) return this.#refusal({ code: "unreadable", request: requestOf(value) });
    const asked = value as Asked;
    // A deadline is a time of the wall clock, which is all that two processes share.
    if (asked.deadline !== undefined && Date.now() > asked.deadline)
      return this.#refusal({ code: "deadline_exceeded", request: asked.request });
    const shard = this.#options.answering();
    if (shard === null) return this.#refusal({ code: "recovering", request: asked.request });
    return this.#ask(verb, value, shard);
  }

  #ask(verb: PreTradeVerb, value: unknown, shard: Answering): unknown {
    const { gate } = shard;
    const now = monotonic();
    switch (verb) {
      case "check":
        return this.#decision(verb, value as CheckRequest, gate.check(value as CheckRequest, now), shard, now);
      case "amend":
        return this.#decision(verb, value as AmendRequest, gate.amend(value as AmendRequest, now), shard, now);
      case "cancel":
        return this.#decision(verb, value as CancelRequest, gate.cancel(value as CancelRequest, now), shard, now);
      case "batch":
        return this.#batch(value as BatchRequest, gate.batch(value as BatchRequest, now), shard, now);
      default:
        return { ...this.#basis(shard), ...gate.whatIf(value as WhatIfRequest, now) };
    }
  }

  #decision(verb: PreTradeVerb, asked: Asked, made: GateAnswer, shard: Answering, now: number): Decision {
    const answer: Decision = {
      request: made.request,
      decision: made.decision,
      codes: made.codes,
      numbers: made.numbers,
      ...this.#basis(shard),
      ...expiry(made, now),
    };
    this.#count(made.decision, made.codes[0]);
    if (!made.replay) this.#record(verb, asked, answer, made.codes, made.overlay, shard);
    return answer;
  }

  #batch(asked: BatchRequest, made: GateBatchAnswer, shard: Answering, now: number): BatchDecision {
    const answer: BatchDecision = {
      request: made.request,
      decision: made.decision,
      results: made.results,
      ...this.#basis(shard),
      ...expiry(made, now),
    };
    for (const one of made.results) this.#count(one.decision, one.codes[0]);
    const codes = [...new Set(made.results.flatMap((one) => one.codes))];
    const account = asked.orders[0]?.account ?? "";
    if (!made.replay) this.#record("batch", { ...asked, account }, answer, codes, made.overlay, shard);
    return answer;
  }

  #basis({ engine, appliedSeq }: Answering): Pick<Decision, "epoch" | "appliedSeq" | "frame" | "ruleVersion"> {
    const { machine } = engine;
    return { epoch: this.#options.epoch, appliedSeq, frame: machine.frame, ruleVersion: machine.rules.version };
  }

  #refusal({ code, request }: Refused): Decision {
    this.#count("reject", code);
    const { epoch } = this.#options;
    const basis = { epoch, appliedSeq: 0, frame: 0, ruleVersion: 0 };
    return { request, decision: "reject", codes: [code], numbers: {}, ...basis, expiresAt: 0, ttlMs: 0 };
  }

  #count(decision: string, code: string | undefined): void {
    this.#options.metrics.riskChecks.with(decision, code ?? "").inc();
  }

  #record(
    verb: PreTradeVerb,
    asked: Asked,
    answer: Decision | BatchDecision,
    codes: readonly string[],
    overlay: unknown,
    { engine }: Answering,
  ): void {
    const { request, decision, epoch, appliedSeq, frame, ruleVersion } = answer;
    const { shard } = this.#options;
    const entries = engine.machine.appliedSeq;
    const place = { shard, request, verb, account: asked.account ?? "", decision, codes };
    const body = { asked, answer, overlay, entries };
    this.#options.decisions.add({ ...place, epoch, appliedSeq, frame, ruleVersion, t: engine.machine.t, body });
  }
}

/** The gate counts in monotonic ms; the approval says the wall clock's, and the span for those whose clock differs. */
function expiry(made: { readonly expiresAt: number }, now: number): { expiresAt: number; ttlMs: number } {
  if (made.expiresAt <= now) return { expiresAt: 0, ttlMs: 0 };
  const ttlMs = Math.floor(made.expiresAt - now);
  return { expiresAt: Date.now() + ttlMs, ttlMs };
}

function parsed(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8"));
  } catch {
    return null;
  }
}

function requestOf(value: unknown): string {
  const request = (value as { request?: unknown } | null)?.request;
  return typeof request === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(request) ? request : "";
}
