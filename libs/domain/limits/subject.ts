import type { LevelRules, LimitHierarchy, LimitLevel, ProfileName } from "#libs/domain/rule-set/limit-types.ts";

/** Whose order it is. */
export interface Subject {
  readonly account: string;
  /** The API key that it came with; null: none was named. */
  readonly key: string | null;
  /** Its owner, if it has one beside itself. */
  readonly entity: string | null;
}

/** One level that concerns a subject, with what it says. */
export interface ConcernedLevel {
  readonly level: LimitLevel;
  readonly id: string;
  readonly rules: LevelRules;
}

/** LIM-03: an account's own tier, else its entity's. */
export function tierOf(hierarchy: LimitHierarchy, { account, entity }: Subject): string | null {
  const own = hierarchy.accounts.get(account)?.tier ?? null;
  return own ?? (entity === null ? null : (hierarchy.entities.get(entity)?.tier ?? null));
}

/** LIM-04: the profile of the account, else of its entity, its tier, the exchange. */
export function profileOf(hierarchy: LimitHierarchy, subject: Subject): ProfileName | null {
  const { account, entity } = subject;
  const own = hierarchy.accounts.get(account)?.profile ?? null;
  const owners = entity === null ? null : (hierarchy.entities.get(entity)?.profile ?? null);
  const tier = tierOf(hierarchy, subject);
  const clients = tier === null ? null : (hierarchy.tiers.get(tier)?.profile ?? null);
  return own ?? owners ?? clients ?? hierarchy.profile;
}

/** The tier, entity, account and key that concern a subject and say anything, from the widest to the narrowest. */
export function levelsOf(hierarchy: LimitHierarchy, subject: Subject): readonly ConcernedLevel[] {
  const { account, entity, key } = subject;
  const found: ConcernedLevel[] = [];
  const add = (level: LimitLevel, id: string | null, rules: LevelRules | undefined): void => {
    if (id !== null && rules !== undefined) found.push({ level, id, rules });
  };
  const tier = tierOf(hierarchy, subject);
  const own = hierarchy.accounts.get(account);
  add("tier", tier, tier === null ? undefined : hierarchy.tiers.get(tier));
  add("entity", entity, entity === null ? undefined : hierarchy.entities.get(entity));
  add("account", account, own);
  add("key", key, key === null ? undefined : own?.keys.get(key));
  return found;
}

/** Whether an API key has figures of its own, or an override. */
export function keySays({ accounts, overrides }: LimitHierarchy, account: string, key: string): boolean {
  if (accounts.get(account)?.keys.has(key) === true) return true;
  return overrides.some((one) => one.level === "key" && one.of === key && one.account === account);
}
