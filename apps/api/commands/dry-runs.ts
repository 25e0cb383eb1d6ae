import { recordDryRun, readRuleVersion } from "#libs/adapters/postgres/index.ts";
import { commandPayloads, type RuleOperation } from "#libs/contracts/api/commands.ts";
import type { DryRunReply } from "#libs/contracts/live/dry-run.ts";
import { ProblemList } from "#libs/contracts/problems.ts";
import { expectShape } from "#libs/contracts/shape.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { Principal } from "#libs/access/index.ts";
import { ApiRefused } from "../http/refused.ts";
import { limits } from "../limits.ts";
import type { Parts } from "../parts.ts";
import { payloadHashOf } from "./hashes.ts";
import { ruleChange } from "./rule-changes.ts";

interface DryRunAsked {
  readonly run: string;
  readonly operation: RuleOperation;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly accounts?: number;
}

const problemsMax = 20;

/** Tries a change of the rules on every shard's live book. One that is done is kept: a command for the same payload names it. */
export async function dryRunCommand(parts: Parts, principal: Principal, asked: DryRunAsked) {
  const { run, operation, payload, accounts } = asked;
  const problems = new ProblemList(problemsMax);
  if (!expectShape(commandPayloads[operation], payload, "$.payload", problems))
    throw new ApiRefused("unreadable", { problems: problems.list() });
  const shards: Record<string, DryRunReply> = {};
  let version = 0;
  for (const shard of parts.settings.shards) {
    const found = await readRuleVersion(parts.db, shard, null);
    if (found === null) throw new ApiRefused("shard_unavailable", { reason: `shard ${shard} has not run yet` });
    ({ version } = found);
    const present = { version, document: found.document as RuleDocument };
    const { document } = await ruleChange(parts, parts.db, { operation, payload, reason: "dry run" }, present);
    const request = { run, document, ...(accounts === undefined ? {} : { accounts }) };
    const subject = parts.bus.names.subjects.rpc(shard, "dry-run");
    shards[shard] = await parts.bus.request<DryRunReply>(subject, request, { timeoutMs: limits.dryRunMs });
  }
  const payloadHash = payloadHashOf(operation, payload);
  const done = Object.values(shards).flatMap((reply) => (reply.state === "done" ? [reply] : []));
  const all = done.length === parts.settings.shards.length;
  const replies = Object.values(shards);
  const reply = replies.find(({ state }) => state !== "done") ?? replies[0];
  if (all) {
    const totals = done.map(({ result }) => result.totals);
    const seq = Math.max(...done.map((reply) => reply.seq));
    await recordDryRun(parts.db, { run, principal: principal.id, payloadHash, seq, totals });
  }
  return { payloadHash, ruleVersion: version, done: all, reply, shards };
}
