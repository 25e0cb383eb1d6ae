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

const capOf = (caps: ReadonlyMap<string, string>, asset: string): string | null => caps.get(asset) ?? null;

/** How much one command may move, in USD and of its asset: nobody is asked to approve what may not be carried out. */
export function expectWithinCommandCaps({ settings }: Parts, { moved }: Plan): void {
  if (moved === null) return;
  const { asset, units, usd } = moved;
  expectWithin("one command may move", usd, settings.commandUsdMax, "USD");
  expectWithin("one command may move", units, capOf(settings.commandAssetMax, asset), asset);
}

/** How much all commands of a UTC day may. */
async function expectWithinDayCaps({ settings }: Parts, db: Queryable, { moved }: Plan): Promise<void> {
  if (moved === null) return;
  const { asset, units, usd } = moved;
  const today = await movedToday(db, asset);
  expectWithin("commands of a day may move", usd.plus(Rational.parse(today.usd)), settings.dayUsdMax, "USD");
  const all = units.plus(Rational.parse(today.units));
  expectWithin("commands of a day may move", all, capOf(settings.dayAssetMax, asset), asset);
}

/** `cap`: null, there is none. */
function expectWithin(what: string, value: Rational, cap: string | null, unit: string): void {
  if (cap === null || Rational.parse(cap).atLeast(value)) return;
  const message = `${what} ${cap} ${unit}, not ${value.toStringUp()}`;
  const problem = { path: "$.amount", code: "out_of_range", message, value: value.toStringUp(), bound: cap } as const;
  throw new ApiRefused("cap_exceeded", { reason: `${what} ${cap} ${unit}`, problems: [problem] });
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
  expectWithinCommandCaps(parts, plan);
  await expectWithinDayCaps(parts, db, plan);
  const entries: CommandEntry[] = [];
  for (const { shard, body } of plan.entries) {
    const entry = { source: sources.operator, shard, key: `command-${id}`, body, t: parts.clock.now(), trace };
    entries.push({ shard, sourceSeq: await enqueueEntry(db, entry), afterFact: newest.get(shard) ?? 0 });
  }
  const usd = plan.moved?.usd.toStringUp() ?? null;
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
