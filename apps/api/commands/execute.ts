import {
  appendAudit,
  type CommandEntry,
  type CommandRow,
  dryRunMade,
  enqueueEntry,
  lockOutbox,
  movedToday,
  noteExecution,
  type Queryable,
} from "#libs/adapters/postgres/index.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { Rational } from "#libs/decimal/index.ts";
import { ApiRefused } from "../http/refused.ts";
import { limits } from "../limits.ts";
import type { Parts } from "../parts.ts";
import { type Asking, isRuleOperation } from "./operations.ts";
import type { Waiting } from "./outcomes.ts";
import { type Plan, planOf, shardsOf } from "./plans.ts";

/** What must hold before anything of a command is written. Locks the order of operators' entries until the transaction ends. */
export async function prepared(
  parts: Parts,
  db: Queryable,
  asking: Asking,
): Promise<{ readonly plan: Plan; readonly newest: ReadonlyMap<string, number> }> {
  const newest = await lockOutbox(db, sources.operator, await shardsOf(parts, asking));
  return { plan: await planOf(parts, db, asking), newest };
}

/** A change of the rules has been tried on the live book, or is urgent and acts at once by one person. */
export async function expectDryRun(
  db: Queryable,
  operation: string,
  asked: { readonly payloadHash: string; readonly dryRun: string | null; readonly urgent: boolean },
  secondPerson: string | null,
): Promise<void> {
  if (!isRuleOperation(operation) || (asked.urgent && secondPerson === null)) return;
  const made = asked.dryRun !== null && (await dryRunMade(db, asked.dryRun, asked.payloadHash, limits.dryRunValidMs));
  if (!made) throw new ApiRefused("dry_run_missing");
}

/** F05: how much one command, and all commands of a UTC day, may move. */
async function expectWithinCaps({ settings }: Parts, db: Queryable, usd: Rational): Promise<void> {
  const today = Rational.parse(await movedToday(db));
  if (!Rational.parse(settings.commandUsdMax).atLeast(usd))
    throw new ApiRefused("cap_exceeded", { reason: `one command may move ${settings.commandUsdMax} USD` });
  if (!Rational.parse(settings.dayUsdMax).atLeast(today.plus(usd)))
    throw new ApiRefused("cap_exceeded", { reason: `commands of a day may move ${settings.dayUsdMax} USD` });
}

export interface Execution {
  readonly id: string;
  readonly trace: string;
  readonly waiting: Waiting;
  /** Who makes it happen: the second person where there is one. */
  readonly actor: string;
  readonly audit: object;
}

/** Puts a command's entries into the outbox and its record into the audit, in the caller's transaction. */
export async function execute(
  parts: Parts,
  db: Queryable,
  { operation }: Asking,
  { plan, newest }: Awaited<ReturnType<typeof prepared>>,
  execution: Execution,
): Promise<void> {
  const { id, trace, waiting, actor, audit } = execution;
  if (plan.usd !== null) await expectWithinCaps(parts, db, plan.usd);
  const entries: CommandEntry[] = [];
  for (const { shard, body } of plan.entries) {
    const entry = { source: sources.operator, shard, key: `command-${id}`, body, t: parts.clock.now(), trace };
    entries.push({ shard, sourceSeq: await enqueueEntry(db, entry), afterFact: newest.get(shard) ?? 0 });
  }
  const usd = plan.usd?.toStringUp() ?? null;
  await noteExecution(db, id, { trace, entries, usd });
  await appendAudit(db, { actor, action: `command.${operation}.executed`, detail: { id, ...audit, entries, trace } });
  waiting.expect(entries);
}

/** What a row asks for. */
export const askingOf = ({ operation, payload, reason }: CommandRow): Asking => ({
  operation: operation as Asking["operation"],
  payload,
  reason,
});
