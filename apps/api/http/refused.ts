import { BusClosed, BusOverloaded, BusRefused, BusTimeout, NoResponders } from "#libs/adapters/nats/index.ts";
import { ConstraintBroken, Corrupt, DatabaseDown } from "#libs/adapters/postgres/index.ts";
import type { ErrorReply } from "#libs/contracts/api/replies.ts";
import type { Problem } from "#libs/domain/rule-set/documents.ts";
import { AccessRefused } from "#libs/access/index.ts";

/** Every code that a refusal may have beside those of credentials (libs/access), with its status. */
export const refusals = {
  unreadable: [400, "the request is not one: see problems"],
  idempotency_key_missing: [400, "a command needs the header idempotency-key: 1 to 64 letters, digits, _ or -"],
  invalid_command: [400, "the command cannot be carried out as it stands: see problems"],
  rules_refused: [400, "the rules would be none: see problems"],
  forbidden: [403, "these credentials do not allow it"],
  own_proposal: [403, "nobody approves what they proposed"],
  not_found: [404, "there is no such thing"],
  idempotency_key_reused: [409, "the key was used for another request"],
  payload_changed: [409, "what is approved is not what was proposed"],
  not_open: [409, "the proposal is not open any more"],
  proposer_lost_rights: [409, "what the proposer was logged in with has been revoked"],
  rules_moved: [409, "other rules are in force than those it was made from"],
  dry_run_missing: [409, "a change of the rules is tried first: make a dry run of the same payload and name it"],
  other_shard: [409, "the accounts are of different shards"],
  too_large: [413, "the request is larger than is taken"],
  unsupported_media_type: [415, "bodies are application/json"],
  cap_exceeded: [422, "more money than one command, or one day, may move"],
  price_unknown: [422, "there is no price to value it by"],
  price_stale: [422, "prices are too old to measure it by"],
  rate_limited: [429, "too many requests"],
  failed: [500, "a defect; it has been logged"],
  shard_unavailable: [503, "the shard does not answer"],
  database_unavailable: [503, "the database does not answer"],
  busy: [503, "more of this kind is under way than is taken"],
} as const;
export type RefusalCode = keyof typeof refusals;

interface RefusalDetail {
  readonly problems?: readonly Problem[];
  readonly retryAfterMs?: number;
  readonly reason?: string;
  readonly recorded?: boolean;
}

/** A refusal on purpose. */
export class ApiRefused extends Error {
  readonly code: RefusalCode;
  readonly problems: readonly Problem[] | undefined;
  readonly retryAfterMs: number | undefined;
  /** The audit has it already. */
  readonly recorded: boolean;

  constructor(code: RefusalCode, more: RefusalDetail = {}) {
    super(more.reason ?? refusals[code][1]);
    this.name = "ApiRefused";
    this.code = code;
    this.problems = more.problems;
    this.retryAfterMs = more.retryAfterMs;
    this.recorded = more.recorded ?? false;
  }
}

export interface Refusal {
  readonly status: number;
  readonly body: ErrorReply;
}

const retrySoonMs = 1_000;

const refusal = (status: number, code: string, reason: string, more: object = {}): Refusal => ({
  status,
  body: { error: { code, reason, ...more } },
});
const known = (code: RefusalCode, more: object = {}): Refusal =>
  refusal(refusals[code][0], code, refusals[code][1], more);

/** The answer to whatever a handler or the framework threw; null: a defect. */
export function refusalOf(error: unknown): Refusal | null {
  if (error instanceof ApiRefused) {
    const { problems, retryAfterMs, code, message } = error;
    return refusal(refusals[code][0], code, message, {
      ...(problems === undefined ? {} : { problems }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  if (error instanceof AccessRefused)
    return refusal(error.code === "too_many_requests" ? 429 : 401, error.code, error.message);
  if (error instanceof BusTimeout || error instanceof NoResponders || error instanceof BusClosed)
    return known("shard_unavailable", { retryAfterMs: retrySoonMs });
  if (error instanceof BusOverloaded) return known("busy", { retryAfterMs: retrySoonMs });
  if (error instanceof BusRefused) {
    const retry = { retryAfterMs: retrySoonMs };
    return error.code === 400 ? known("unreadable") : known("shard_unavailable", retry);
  }
  if (error instanceof DatabaseDown) return known("database_unavailable", { retryAfterMs: retrySoonMs });
  if (error instanceof ConstraintBroken || error instanceof Corrupt) return null;
  return frameworkRefusal(error);
}

/** What fastify itself refuses, by its status alone: its words may quote the request. */
function frameworkRefusal(error: unknown): Refusal | null {
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  if (statusCode === 413) return known("too_large");
  if (statusCode === 415) return known("unsupported_media_type");
  if (statusCode === 429) return known("rate_limited", { retryAfterMs: retrySoonMs });
  if (typeof statusCode === "number" && statusCode >= 400 && statusCode < 500) return known("unreadable");
  return null;
}
