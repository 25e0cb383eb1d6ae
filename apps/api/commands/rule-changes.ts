import type { Queryable } from "#libs/adapters/postgres/index.ts";
import { readRuleVersion } from "#libs/adapters/postgres/index.ts";
import type { Payload, RuleOperation } from "#libs/contracts/api/commands.ts";
import { ProblemList } from "#libs/contracts/problems.ts";
import { RuleSchema } from "#libs/contracts/rule-schema.ts";
import { expectShape } from "#libs/contracts/shape.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { Problem, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { mergeRules } from "#libs/domain/rule-set/merge.ts";
import type { RulesNow } from "../rules-in-force.ts";
import { ApiRefused } from "../http/refused.ts";
import { limits } from "../limits.ts";
import type { Parts } from "../parts.ts";
import { certainlyTighter } from "./tighter.ts";

const problemsMax = 20;

export interface RuleChange {
  readonly operation: RuleOperation;
  readonly payload: unknown;
  readonly reason: string;
}

type Present = Pick<RulesNow, "version" | "document">;

const invalid = (path: string, code: string, message: string): ApiRefused =>
  new ApiRefused("invalid_command", { problems: [{ path, code, message }] });

/** What is over is dropped, so that a document does not grow with every tightening. */
const stillOn = <T extends { readonly until: number }>(list: readonly T[] | undefined, t: number): T[] =>
  (list ?? []).filter(({ until }) => until > t);

function expectUntil(until: number, t: number): void {
  if (until <= t || until > t + limits.emergencyMs)
    throw invalid("$.until", "out_of_range", `must lie ahead of the market's clock (${t}), by 31 days at most`);
}

function expectBase(base: number, present: Present): void {
  if (base !== present.version)
    throw new ApiRefused("rules_moved", { reason: `version ${present.version} is in force` });
}

function withEmergency(present: Present, payload: Payload<"emergency">, reason: string, t: number): RuleDocument {
  expectUntil(payload.until, t);
  const { document } = present;
  return { ...document, emergencies: [...stillOn(document.emergencies, t), { ...payload, reason }] };
}

function withLimit(present: Present, payload: Payload<"limit">, reason: string, t: number): RuleDocument {
  expectUntil(payload.until, t);
  const { document } = present;
  type Override = NonNullable<RuleDocument["overrides"]>[number];
  const override = { ...payload, reason } as Override;
  const others = stillOn(document.overrides, t).filter((one) => !sameLimit(one, override));
  return { ...document, overrides: [...others, override] };
}

/** One limit of one scope has one override: a new one takes its place. */
export const sameLimit = (one: LimitPlace, other: LimitPlace): boolean =>
  placeKeys.every((key) => one[key] === other[key]);
const placeKeys = ["level", "of", "account", "instrument", "limit"] as const;
type LimitPlace = Readonly<Partial<Record<(typeof placeKeys)[number], string>>>;

function proposed(present: Present, { base, document, set }: Payload<"rules">): RuleDocument {
  expectBase(base, present);
  if ((document === undefined) === (set === undefined))
    throw invalid("$", "missing_key", "exactly one of document and set is needed");
  const merged = document ?? mergeRules(present.document, set);
  const problems = new ProblemList(problemsMax);
  if (!expectShape(RuleSchema, merged, "$.document", problems))
    throw new ApiRefused("rules_refused", { problems: problems.list() });
  return merged;
}

/** LIM-43: to an entity, and from none. */
function grouped({ document }: Present, { entity, accounts }: Payload<"entity">): RuleDocument {
  const { entities = {} } = document;
  for (const [id, { accounts: theirs }] of Object.entries(entities)) {
    const taken = id === entity ? undefined : accounts.find((account) => theirs.includes(account));
    if (taken !== undefined) throw invalid("$.accounts", "not_permitted", `${taken} is one of ${id}'s`);
  }
  const own = entities[entity];
  const all = [...new Set([...(own?.accounts ?? []), ...accounts])].sort();
  return { ...document, entities: { ...entities, [entity]: { ...own, accounts: all } } };
}

async function documentOf(
  { clock, settings }: Parts,
  db: Queryable,
  change: RuleChange,
  present: Present,
): Promise<RuleDocument> {
  const { payload, reason } = change;
  switch (change.operation) {
    case "emergency":
      return withEmergency(present, payload as Payload<"emergency">, reason, clock.now());
    case "limit":
      return withLimit(present, payload as Payload<"limit">, reason, clock.now());
    case "rules":
      return proposed(present, payload as Payload<"rules">);
    case "entity":
      return grouped(present, payload as Payload<"entity">);
    default: {
      const { base, version } = payload as Payload<"rollback">;
      expectBase(base, present);
      const found = await readRuleVersion(db, settings.shards[0] ?? "0", version);
      if (found === null) throw new ApiRefused("not_found", { reason: `there was never a version ${version}` });
      return found.document as RuleDocument;
    }
  }
}

/** Why a change of the rules needs a second person; null: it only tightens, for a time. */
function secondPersonOf({ operation, payload }: RuleChange, { document }: Present): string | null {
  switch (operation) {
    case "emergency":
      return null;
    case "limit": {
      const limit = payload as Payload<"limit">;
      // What it takes the place of may not end sooner by it.
      const longer = (document.overrides ?? []).some((one) => sameLimit(one, limit) && one.until > limit.until);
      return !longer && certainlyTighter(document, limit.limit, limit.value) ? null : "it may loosen a limit";
    }
    case "entity":
      return "it decides whose accounts these are";
    default:
      return "rules come into force by two people";
  }
}

/**
 * The rules as they would be, laid over those in force. Throws `ApiRefused`: with every problem where they would be none, or where others
 * are in force than those they were made from.
 */
export async function ruleChange(
  parts: Parts,
  db: Queryable,
  change: RuleChange,
  present: Present,
): Promise<{ readonly document: RuleDocument; readonly secondPerson: string | null }> {
  const document = await documentOf(parts, db, change, present);
  const { problems } = compileRules(document, present.version + 1, parts.clock.now());
  if (problems.length > 0) throw new ApiRefused("rules_refused", { problems: firstOf(problems) });
  return { document, secondPerson: secondPersonOf(change, present) };
}

const firstOf = (problems: readonly Problem[]): readonly Problem[] => problems.slice(0, problemsMax);
