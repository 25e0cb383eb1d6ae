import { Rational } from "#libs/decimal/index.ts";
import type { Range, Report } from "./bounds.ts";
import { checkRange, checkRanges, fraction, keyed, natural, positive } from "./bounds.ts";
import type { RuleDocument } from "./documents.ts";
import type { KeyDocument, LimitsDocument, OverrideDocument, VelocityDocument } from "./limit-documents.ts";
import type { LimitKey } from "./limit-types.ts";
import { shadowable } from "./limit-types.ts";
import { isSystemAccount } from "./types.ts";

/** A share of which nothing would be left to lose. */
const lossShare: Range = { above: "0", most: "1" };

export const limitRanges = {
  maxPosition: natural,
  maxLong: natural,
  maxShort: natural,
  maxOrderQty: natural,
  maxOpenInterest: natural,
  maxOpenInterestShare: fraction,
  maxVolumeShare: natural,
  maxDepthShare: natural,
  maxPositionShare: natural,
  maxInstrumentLeverage: positive,
  maxSlippage: natural,
  maxLeverage: positive,
  maxNotionalUsd: natural,
  maxGrossUsd: natural,
  maxNetUsd: natural,
  maxDeltaUsd: natural,
  maxExposure: natural,
  maxSectorShare: natural,
  maxCounterpartyUsd: natural,
  maxVenueUsd: natural,
  maxRiskShare: natural,
  maxRiskSumShare: natural,
  maxCorrelation: { least: "-1", most: "1" },
  dayLoss: lossShare,
  weekLoss: lossShare,
  drawdown: lossShare,
} as const satisfies Partial<Record<LimitKey, Range>>;

/** Limits that are counts, of which the shape has made sure. */
const counts: ReadonlySet<LimitKey> = new Set(["maxOpenPositions", "ordersPerDay", "tradesPerDay"]);

/** A window has 20 buckets of whole milliseconds, and covers at most a day. */
const bucketsPerWindow = 20;
const longestWindowMs = 86_400_000;

function checkVelocity(report: Report, path: string, windows: readonly VelocityDocument[] = []): void {
  const seen = new Set<number>();
  windows.forEach(({ windowMs, orders, valueUsd }, at) => {
    const own = `${path}[${at}]`;
    if (windowMs < bucketsPerWindow || windowMs > longestWindowMs || windowMs % bucketsPerWindow !== 0)
      report(
        `${own}.windowMs`,
        "out_of_range",
        `${windowMs} must be a multiple of ${bucketsPerWindow} up to ${longestWindowMs}`,
      );
    if (seen.has(windowMs)) report(`${own}.windowMs`, "duplicate_id", `there is a window of ${windowMs} already`);
    seen.add(windowMs);
    if (orders === undefined && valueUsd === undefined)
      report(`${own}.orders`, "missing_key", "a window limits orders, value or both");
    checkRanges(report, own, { valueUsd }, { valueUsd: natural });
  });
}

/** A set of limits, at any level. */
export function checkLimits(report: Report, path: string, limits: LimitsDocument | undefined): void {
  if (limits === undefined) return;
  const { velocity, maxOpenPositions: _positions, ordersPerDay: _orders, tradesPerDay: _trades, ...amounts } = limits;
  checkRanges(report, path, amounts, limitRanges);
  checkVelocity(report, `${path}.velocity`, velocity);
}

interface Known {
  readonly instruments: ReadonlySet<string>;
  readonly tiers: ReadonlySet<string>;
  readonly entities: ReadonlySet<string>;
}

function checkInstrument(report: Report, path: string, id: string, known: Known): void {
  if (!known.instruments.has(id)) report(path, "unknown_instrument", `${id} is not an instrument`);
}

function checkLevel(report: Report, path: string, level: KeyDocument & { readonly tier?: string }, known: Known): void {
  checkLimits(report, `${path}.limits`, level.limits);
  for (const [id, limits] of Object.entries(level.instruments ?? {})) {
    const own = keyed(`${path}.instruments`, id);
    checkInstrument(report, own, id, known);
    checkLimits(report, own, limits);
  }
  level.restricted?.forEach((id, at) => checkInstrument(report, `${path}.restricted[${at}]`, id, known));
  if (level.tier !== undefined && !known.tiers.has(level.tier))
    report(`${path}.tier`, "unknown_tier", `${level.tier} is not a tier`);
}

function checkAccountId(report: Report, path: string, id: string): void {
  if (isSystemAccount(id)) report(path, "system_account", `${id} is a system account`);
}

function checkOverride(report: Report, path: string, override: OverrideDocument, known: Known): void {
  const { level, of, account, instrument, limit, value } = override;
  if (level !== "exchange" && of === undefined) report(`${path}.of`, "missing_key", `which ${level} it is of`);
  if (level === "key" && account === undefined) report(`${path}.account`, "missing_key", "whose key it is");
  const id = of ?? "";
  if (level === "instrument" && of !== undefined) checkInstrument(report, `${path}.of`, id, known);
  if (level === "tier" && of !== undefined && !known.tiers.has(id))
    report(`${path}.of`, "unknown_tier", `${id} is not a tier`);
  if (level === "entity" && of !== undefined && !known.entities.has(id))
    report(`${path}.of`, "unknown_entity", `${id} is not an entity`);
  if (level === "account") checkAccountId(report, `${path}.of`, id);
  if (instrument !== undefined) checkInstrument(report, `${path}.instrument`, instrument, known);
  if (value === null) return;
  if (!counts.has(limit)) checkRange(report, `${path}.value`, value, limitRanges[limit as keyof typeof limitRanges]);
  else if (Rational.parse(value).sign < 0 || !Rational.parse(value).isMultipleOf(Rational.one))
    report(`${path}.value`, "out_of_range", `${value} must be a whole number of at least 0`);
}

function checkOverrides(report: Report, overrides: readonly OverrideDocument[] = [], known: Known): void {
  const seen = new Map<string, number>();
  overrides.forEach((one, at) => {
    const path = `$.rules.overrides[${at}]`;
    checkOverride(report, path, one, known);
    const key = [one.level, one.of ?? "", one.account ?? "", one.instrument ?? "", one.limit].join(" ");
    const first = seen.get(key);
    if (first === undefined) seen.set(key, at);
    else report(path, "duplicate_id", `it says the same as $.rules.overrides[${first}]`);
  });
}

function checkLocates(report: Report, locates: RuleDocument["locates"] = {}, known: Known): void {
  for (const [account, held] of Object.entries(locates)) {
    const path = keyed("$.rules.locates", account);
    checkAccountId(report, path, account);
    for (const [id, qty] of Object.entries(held)) {
      const own = keyed(path, id);
      checkInstrument(report, own, id, known);
      checkRange(report, own, qty, natural);
    }
  }
}

/** Limits of every level but the instruments': figures in their ranges, and nothing named that does not exist. */
export function checkHierarchy(report: Report, document: RuleDocument): void {
  const known: Known = {
    instruments: new Set(document.instruments.map(({ id }) => id)),
    tiers: new Set(Object.keys(document.tiers ?? {})),
    entities: new Set(Object.keys(document.entities ?? {})),
  };
  checkLimits(report, "$.rules.limits", document.limits);
  for (const [id, tier] of Object.entries(document.tiers ?? {}))
    checkLevel(report, keyed("$.rules.tiers", id), tier, known);
  for (const [id, entity] of Object.entries(document.entities ?? {}))
    checkLevel(report, keyed("$.rules.entities", id), entity, known);
  for (const [id, account] of Object.entries(document.accounts ?? {})) {
    const path = keyed("$.rules.accounts", id);
    checkAccountId(report, path, id);
    checkLevel(report, path, account, known);
    for (const [key, level] of Object.entries(account.keys ?? {}))
      checkLevel(report, keyed(`${path}.keys`, key), level, known);
  }
  checkOverrides(report, document.overrides, known);
  checkLocates(report, document.locates, known);
  document.shadow?.forEach((code, at) => {
    if (!shadowable.has(code))
      report(`$.rules.shadow[${at}]`, "unknown_check", `${code} is no check that can run in shadow`);
  });
}
