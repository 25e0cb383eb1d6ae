import type { Rational } from "#libs/decimal/index.ts";
import type { LimitHierarchy, LimitKey, LimitLevel, OverrideRules } from "#libs/domain/rule-set/limit-types.ts";
import { limitLevels } from "#libs/domain/rule-set/limit-types.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { profileFigure } from "./profiles.ts";
import { levelsOf, profileOf, type Subject } from "./subject.ts";

/** Whose measure a figure bounds: all accounts of the owner together, or the account alone. */
export type Scope = "owner" | "account";

/** A figure that binds, and where it comes from: `exchange`, `instrument X`, `tier vip`, `profile desk`, `override of account alice` … */
export interface Binding {
  readonly value: Rational;
  readonly source: string;
}

export interface Bindings {
  readonly owner: Binding | null;
  readonly account: Binding | null;
}

interface Figure extends Binding {
  readonly level: LimitLevel;
}

/** LIM-02: what an account's own equity, order or margin is measured against binds the account, whichever level says it. */
export const ofAccounts: ReadonlySet<LimitKey> = new Set<LimitKey>([
  "maxOrderQty",
  "maxInstrumentLeverage",
  "maxSlippage",
  "maxLeverage",
  "maxRiskShare",
  "maxRiskSumShare",
  "maxCorrelation",
]);

const none: Bindings = { owner: null, account: null };
const rank = (level: LimitLevel): number => limitLevels.indexOf(level);

/** Every figure that a level sets for a limit on an instrument, from the widest level to the narrowest. */
function figuresOf(
  hierarchy: LimitHierarchy,
  key: LimitKey,
  subject: Subject,
  instrument: InstrumentRules | null,
): readonly Figure[] {
  const found: Figure[] = [];
  const add = (value: Rational | undefined, level: LimitLevel, source: string): void => {
    if (value !== undefined) found.push({ value, level, source });
  };
  add(hierarchy.exchange[key], "exchange", "exchange");
  const id = instrument?.id ?? "";
  add(hierarchy.instruments.get(id)?.[key], "instrument", `instrument ${id}`);
  for (const { level, id: of, rules } of levelsOf(hierarchy, subject)) {
    add(rules.limits[key], level, `${level} ${of}`);
    add(rules.instruments.get(id)?.[key], level, `${level} ${of}`);
  }
  if (found.length > 0) return found;
  const profile = profileOf(hierarchy, subject);
  if (profile === null) return [];
  const figure = profileFigure(profile, key, instrument?.base ?? null);
  return figure === null ? [] : [{ value: figure, level: "exchange", source: `profile ${profile}` }];
}

function concerns(
  hierarchy: LimitHierarchy,
  override: OverrideRules,
  subject: Subject,
  instrument: InstrumentRules | null,
): boolean {
  const { level, of, account } = override;
  if (override.instrument !== null && override.instrument !== instrument?.id) return false;
  if (level === "exchange") return true;
  if (level === "instrument") return of === instrument?.id;
  if (level === "key") return of === subject.key && account === subject.account;
  if (level === "account") return of === subject.account;
  if (level === "entity") return of === subject.entity;
  return levelsOf(hierarchy, subject).some((one) => one.level === "tier" && one.id === of);
}

/** LIM-07: the narrowest override in force; one for this instrument goes before one for all. */
function overrideOf(
  hierarchy: LimitHierarchy,
  key: LimitKey,
  subject: Subject,
  instrument: InstrumentRules | null,
  t: number,
): OverrideRules | null {
  let found: OverrideRules | null = null;
  for (const one of hierarchy.overrides) {
    if (one.limit !== key || t >= one.until || !concerns(hierarchy, one, subject, instrument)) continue;
    const narrower = found === null || rank(one.level) > rank(found.level);
    const closer = found !== null && one.level === found.level && one.instrument !== null && found.instrument === null;
    if (narrower || closer) found = one;
  }
  return found;
}

const stricter = (before: Binding | null, one: Binding): Binding =>
  before === null || one.value.below(before.value) ? one : before;

/**
 * LIM-01, LIM-02: what binds an order of a subject on an instrument (null: whatever it trades) at `t` (UTC ms of the log): of each scope the most restrictive
 * figure, the widest level first where they are equal. Without an owner the account is its own: everything binds the account.
 */
export function effective(
  hierarchy: LimitHierarchy,
  key: LimitKey,
  subject: Subject,
  instrument: InstrumentRules | null,
  t: number,
): Bindings {
  const figures = figuresOf(hierarchy, key, subject, instrument);
  const override = hierarchy.overrides.length === 0 ? null : overrideOf(hierarchy, key, subject, instrument, t);
  if (figures.length === 0 && override === null) return none;
  const left: Figure[] = [];
  if (override !== null && override.value !== null) {
    const { level, of, value } = override;
    left.push({ value, level, source: `override of ${level}${of === "" ? "" : ` ${of}`}` });
  }
  for (const one of figures) if (override === null || rank(one.level) > rank(override.level)) left.push(one);
  let owner: Binding | null = null;
  let account: Binding | null = null;
  for (const { value, source, level } of left) {
    const alone = subject.entity === null || ofAccounts.has(key) || rank(level) >= rank("account");
    if (alone) account = stricter(account, { value, source });
    else owner = stricter(owner, { value, source });
  }
  return { owner, account };
}

/** Whether some level or a profile may set the limit for a subject: if not, nothing need be measured. */
export function mayBind(hierarchy: LimitHierarchy, key: LimitKey, subject: Subject): boolean {
  return hierarchy.used.has(key) || (hierarchy.layered && profileOf(hierarchy, subject) !== null);
}
