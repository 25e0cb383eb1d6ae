import { Rational } from "#libs/decimal/index.ts";
import type { RuleDocument } from "./documents.ts";
import type {
  AccountDocument,
  ClientTierDocument,
  EntityDocument,
  InstrumentLimitsDocument,
  KeyDocument,
  LimitsDocument,
  OverrideDocument,
  VelocityDocument,
} from "./limit-documents.ts";
import type {
  AccountRules,
  LevelRules,
  LimitHierarchy,
  LimitKey,
  Limits,
  OverrideRules,
  ProfileName,
  VelocityRules,
} from "./limit-types.ts";
import { limitKeys } from "./limit-types.ts";

const exact = (figure: string | number): Rational =>
  typeof figure === "number" ? Rational.ofInteger(figure) : Rational.parse(figure);

function limitsOf(document: LimitsDocument | InstrumentLimitsDocument = {}): Limits {
  const figures: Partial<Record<LimitKey, Rational>> = {};
  for (const key of limitKeys) {
    const figure = (document as LimitsDocument)[key];
    if (figure !== undefined) figures[key] = exact(figure);
  }
  return figures;
}

function velocityOf(documents: readonly VelocityDocument[] = []): VelocityRules[] {
  return documents.map(({ windowMs, orders, valueUsd }) => ({
    windowMs,
    orders: orders === undefined ? null : exact(orders),
    valueUsd: valueUsd === undefined ? null : exact(valueUsd),
  }));
}

const mapped = <From, To>(documents: Readonly<Record<string, From>> = {}, to: (one: From) => To): Map<string, To> =>
  new Map(Object.entries(documents).map(([id, one]) => [id, to(one)]));

function levelOf(document: KeyDocument & Partial<Pick<EntityDocument, "tier" | "profile">>): LevelRules {
  return {
    limits: limitsOf(document.limits),
    instruments: mapped(document.instruments, limitsOf),
    velocity: velocityOf(document.limits?.velocity),
    restricted: new Set(document.restricted),
    profile: document.profile ?? null,
    tier: document.tier ?? null,
  };
}

function accountOf(document: AccountDocument): AccountRules {
  return {
    ...levelOf(document),
    counterparty: document.counterparty ?? null,
    venue: document.venue ?? null,
    keys: mapped(document.keys, levelOf),
  };
}

function overrideOf(document: OverrideDocument): OverrideRules {
  return {
    level: document.level,
    of: document.of ?? "",
    account: document.account ?? null,
    instrument: document.instrument ?? null,
    limit: document.limit,
    value: document.value === null ? null : exact(document.value),
    until: document.until,
  };
}

/** An instrument's own maximum leverage is the figure of its level. */
function instrumentLimits({ limits, maxLeverage }: RuleDocument["instruments"][number]): Limits {
  const own = limitsOf(limits);
  if (maxLeverage === undefined) return own;
  const most = exact(maxLeverage);
  const { maxInstrumentLeverage: other = most } = own;
  return { ...own, maxInstrumentLeverage: Rational.min(most, other) };
}

function usedKeys(hierarchy: Omit<LimitHierarchy, "used">): ReadonlySet<LimitKey> {
  const used = new Set<LimitKey>();
  const add = (limits: Limits): void => {
    for (const key of Object.keys(limits)) used.add(key as LimitKey);
  };
  add(hierarchy.exchange);
  for (const limits of hierarchy.instruments.values()) add(limits);
  const levels: LevelRules[] = [...hierarchy.tiers.values(), ...hierarchy.entities.values()];
  for (const account of hierarchy.accounts.values()) levels.push(account, ...account.keys.values());
  for (const level of levels) {
    add(level.limits);
    for (const limits of level.instruments.values()) add(limits);
  }
  for (const { limit, value } of hierarchy.overrides) if (value !== null) used.add(limit);
  return used;
}

function profilesOf(levels: readonly { readonly profile?: ProfileName | null }[]): ReadonlySet<ProfileName> {
  const found = new Set<ProfileName>();
  for (const { profile } of levels) if (profile !== undefined && profile !== null) found.add(profile);
  return found;
}

/** Levels that say nothing are left out: entities, as a rule, which are named for other reasons. */
const says = ({ limits, instruments, velocity, restricted, profile, tier }: LevelRules): boolean =>
  Object.keys(limits).length + instruments.size + velocity.length + restricted.size > 0 ||
  profile !== null ||
  tier !== null;

const speaking = <Level extends LevelRules>(levels: ReadonlyMap<string, Level>, more: (one: Level) => boolean) =>
  new Map([...levels].filter(([, level]) => says(level) || more(level)));

const placed = ({ counterparty, venue, keys }: AccountRules): boolean =>
  counterparty !== null || venue !== null || keys.size > 0;

export function compileHierarchy(document: RuleDocument): LimitHierarchy {
  const tier = (one: ClientTierDocument): LevelRules => levelOf(one);
  const velocity = velocityOf(document.limits?.velocity);
  const tiers = mapped(document.tiers, tier);
  const entities = speaking(mapped(document.entities, levelOf), () => false);
  const accounts = speaking(mapped(document.accounts, accountOf), placed);
  const layered = tiers.size + entities.size + accounts.size > 0 || document.profile !== undefined;
  const hierarchy = {
    exchange: limitsOf(document.limits),
    velocity,
    layered,
    paced: layered || velocity.length > 0,
    instruments: new Map(document.instruments.map((one) => [one.id, instrumentLimits(one)])),
    tiers,
    entities,
    accounts,
    overrides: (document.overrides ?? []).map(overrideOf),
    profile: document.profile ?? null,
    profiles: profilesOf([document, ...tiers.values(), ...entities.values(), ...accounts.values()]),
    shadow: new Set(document.shadow),
    locates: mapped(document.locates, (held) => mapped(held, (qty) => Rational.parse(qty))),
  };
  return { ...hierarchy, used: usedKeys(hierarchy) };
}
