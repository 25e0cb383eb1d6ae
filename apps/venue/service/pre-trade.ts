import { randomBytes } from "node:crypto";

import type { Approval } from "#libs/contracts/log.ts";
import type { AmendRequest, CheckRequest } from "#libs/contracts/live/pre-trade.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import type { VenueBus } from "./bus.ts";

/** Waiting longer than this for risk is a refusal. */
export const checkTimeoutMs = 500;
/** An approval never lives longer than this, whatever it says of itself. */
export const approvalMaxMs = 5_000;

export type Answer =
  | { readonly ok: true; readonly approval: Approval; readonly usableUntil: number }
  | { readonly ok: false; readonly codes: readonly string[]; readonly unused: string | null };

/** A new order, or another quantity (still open) or price for one that rests. */
export type Question =
  | { readonly verb: "check"; readonly asked: Omit<CheckRequest, "request" | "deadline"> }
  | { readonly verb: "amend"; readonly asked: Omit<AmendRequest, "request" | "deadline"> };

interface Asked {
  readonly bus: VenueBus;
  readonly shard: string;
  readonly question: Question;
  /** The highest epoch of the shard's leaders that the venue has seen. */
  readonly epoch: () => number;
  readonly timeoutMs?: number;
}

/** Names of requests: never the same twice, over restarts too. */
const boot = randomBytes(9).toString("base64url");
let asked = 0;

/**
 * Asks risk about an order or its amendment, and fails closed: no answer, no service, an answer that cannot be read or is of a
 * deposed leader, and an approval that has run out are all refusals. The approval's time is counted from when the question was
 * sent, by a clock that no one sets back.
 */
export async function askRisk({ bus, shard, question, epoch, timeoutMs = checkTimeoutMs }: Asked): Promise<Answer> {
  asked += 1;
  const request = `v-${boot}-${asked.toString(36)}`;
  const sent = monotonicMs();
  let answer: unknown;
  try {
    const body = { request, deadline: Date.now() + timeoutMs, ...question.asked };
    answer = await bus.request(bus.names.subjects.rpc(shard, question.verb), body, { timeoutMs });
  } catch (error) {
    return { ok: false, codes: [whyNot(error)], unused: null };
  }
  const decision = decisionOf(answer, request);
  if (decision === null) return { ok: false, codes: ["risk_unreadable"], unused: null };
  if (decision.epoch < epoch()) return { ok: false, codes: ["stale_epoch"], unused: null };
  if (!decision.accepted) return { ok: false, codes: decision.codes, unused: null };
  const usableUntil = sent + Math.min(decision.ttlMs, approvalMaxMs);
  if (monotonicMs() >= usableUntil) return { ok: false, codes: ["approval_expired"], unused: request };
  return { ok: true, usableUntil, approval: { request, epoch: decision.epoch, until: decision.expiresAt } };
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : "");

function whyNot(error: unknown): string {
  if (nameOf(error) === "NoResponders") return "risk_unreachable";
  return nameOf(error) === "BusTimeout" ? "risk_timeout" : "risk_error";
}

interface ReadDecision {
  readonly accepted: boolean;
  readonly codes: readonly string[];
  readonly epoch: number;
  readonly ttlMs: number;
  readonly expiresAt: number;
}

const codesMax = 64;
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** null: it is not an answer to this question. */
function decisionOf(answer: unknown, request: string): ReadDecision | null {
  if (typeof answer !== "object" || answer === null) return null;
  const { decision, codes, epoch, ttlMs, expiresAt, request: of } = answer as Record<string, unknown>;
  if (of !== request || (decision !== "accept" && decision !== "reject")) return null;
  if (!isCount(epoch) || !isCount(expiresAt) || typeof ttlMs !== "number" || !(ttlMs >= 0)) return null;
  if (!Array.isArray(codes) || codes.length > codesMax || !codes.every((code) => typeof code === "string")) return null;
  if (decision === "accept" && codes.length > 0) return null;
  return { accepted: decision === "accept", codes, epoch, ttlMs, expiresAt };
}
