import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { AccessRefused, type Claimed, type Principal } from "#libs/access/index.ts";
import { operations } from "#libs/contracts/api/commands.ts";
import type { Route } from "#libs/contracts/api/routes.ts";
import type { Attempt } from "../attempts.ts";
import { payloadHashOf } from "../commands/hashes.ts";
import { idPattern } from "#libs/contracts/patterns.ts";
import type { Asked } from "./door.ts";
import { ApiRefused, type RefusalCode } from "./refused.ts";

/** Refusals of what was not asked for at all, or has nothing to do with who asked: these are no attempts. */
const noAttempts: readonly RefusalCode[] = [
  "unreadable",
  "idempotency_key_missing",
  "not_found",
  "too_large",
  "unsupported_media_type",
  "rate_limited",
  "failed",
  "shard_unavailable",
  "database_unavailable",
  "busy",
];

/** Routes by which people with rights act: commands, words on proposals, keys. */
const isPrivileged = ({ method, right }: Route): boolean =>
  method === "POST" && (right === "command" || right === "approve" || right === "keys");

/** As the audit names what was done, where it was done. */
const actions: Readonly<Record<string, string>> = {
  ...Object.fromEntries(operations.map((operation) => [`command-${operation}`, `command.${operation}`])),
  approve: "command.approve",
  reject: "command.reject",
  "dry-run": "command.dry_run",
  "alert-acknowledge": "alert.acknowledge",
  "key-create": "key.create",
  "key-revoke": "key.revoke",
};

const hashOf = (body: unknown): string | null =>
  body instanceof Uint8Array ? createHash("sha256").update(body).digest("hex") : null;

/** What a command's payload is bound to; of an approval what it names; null: the request was not read. */
function payloadHash({ command, id }: Route, asked: Asked | null): string | null {
  if (asked === null) return null;
  const {
    reason: _r,
    ticket: _t,
    dryRun: _d,
    urgent: _u,
    ...payload
  } = asked.body as Readonly<Record<string, unknown>>;
  if (command === true) return payloadHashOf(id.replace("command-", ""), payload);
  return typeof payload["payloadHash"] === "string" ? payload["payloadHash"] : null;
}

/** Which command or key it was about, where that is one at all. */
function about(params: unknown): { readonly id?: string } {
  const { id } = (params ?? {}) as { readonly id?: unknown };
  return typeof id === "string" && idPattern.test(id) ? { id } : {};
}

const nobody = { id: "", credential: null } as const;
const actorOf = ({ subject, key }: Claimed): string => subject ?? `key:${key ?? ""}`;

/** What is known of a request that was refused. `asked`: null, it was refused before it was read. */
export interface RefusedRequest {
  readonly route: Route;
  readonly request: FastifyRequest;
  readonly principal: Principal | null;
  readonly asked: Asked | null;
}

/** The attempt that a refusal shows; null: it shows none. Nothing of the credentials themselves is in it. */
export function attemptOf(refused: RefusedRequest, error: unknown): Attempt | null {
  const { route, request, principal, asked } = refused;
  if (!isPrivileged(route)) return null;
  const claimed = error instanceof AccessRefused ? error.claimed : null;
  const known =
    error instanceof ApiRefused && principal !== null && !error.recorded && !noAttempts.includes(error.code);
  if (claimed === null && !known) return null;
  const { id, credential } = principal ?? nobody;
  const { code, message } = error as AccessRefused | ApiRefused;
  return {
    actor: claimed === null ? id : actorOf(claimed),
    key: claimed?.subject === null ? claimed.key : null,
    verified: claimed?.verified ?? true,
    action: `${actions[route.id] ?? route.id}.refused`,
    code,
    detail: () => ({
      code,
      why: message,
      ...(claimed === null ? { credential } : { login: claimed.verified ? "refused" : "not verified" }),
      ...about(request.params),
      payloadHash: payloadHash(route, asked),
      bodyHash: hashOf(request.body),
    }),
  };
}
