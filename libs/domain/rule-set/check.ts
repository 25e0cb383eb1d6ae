import { Rational } from "#libs/decimal/index.ts";
import type { Range, Report } from "./bounds.ts";
import { checkFunding, checkRanges, collector, fraction, keyed, natural, positive, rate } from "./bounds.ts";
import { checkAssets } from "./check-assets.ts";
import { checkInstruments } from "./check-instruments.ts";
import { checkHierarchy } from "./check-limits.ts";
import type { Problem, RuleDocument } from "./documents.ts";
import type { RuleSet } from "./types.ts";
import { isSystemAccount } from "./types.ts";

const settlementMinutesMax = 1_440;

const liquidationRanges = {
  fullAt: positive,
  closeMin: fraction,
  closeMax: fraction,
  depthShare: { above: "0", most: "1" },
  expectedSlippage: rate,
  maxSlippage: rate,
} satisfies Record<string, Range>;

/** The thresholds in their order: fullAt ≤ partialAt ≤ target, closeMin ≤ closeMax, warnings falling towards partialAt. */
function checkLiquidation(report: Report, document: RuleDocument, rules: RuleSet): void {
  const path = "$.rules.liquidation";
  const { partialAt, fullAt, target, closeMin, closeMax } = rules.liquidation;
  checkRanges(report, path, document.liquidation, liquidationRanges);
  if (partialAt.below(fullAt))
    report(`${path}.partialAt`, "out_of_range", `partialAt must be at least fullAt, ${fullAt.toStringDown()}`);
  if (target.below(partialAt))
    report(`${path}.target`, "out_of_range", `target must be at least partialAt, ${partialAt.toStringDown()}`);
  if (closeMin.above(closeMax))
    report(`${path}.closeMax`, "out_of_range", `closeMax must be at least closeMin, ${closeMin.toStringDown()}`);
  (document.warnings ?? []).forEach((text, at) => {
    const level = Rational.parse(text);
    const before = rules.warnings[at - 1];
    if (at > 0 && before !== undefined && level.atLeast(before)) {
      report(`$.rules.warnings[${at}]`, "not_descending", `${text} must be below the warning before`);
    }
    if (level.atMost(partialAt)) {
      report(`$.rules.warnings[${at}]`, "out_of_range", `${text} must be above partialAt, ${partialAt.toStringDown()}`);
    }
  });
}

function checkFund(report: Report, document: RuleDocument, rules: RuleSet): void {
  const path = "$.rules.fund";
  checkRanges(report, path, document.fund, { eventCap: natural, tradingFeeShare: fraction });
  checkRanges(report, `${path}.brake`, document.fund?.brake, {
    drawdown: { above: "0", most: "1" },
    until: fraction,
    hours: positive,
  });
  const brake = rules.fund.brake;
  if (brake !== null && brake.until.above(brake.drawdown)) {
    report(`${path}.brake.until`, "out_of_range", `until must be at most drawdown, ${brake.drawdown.toStringDown()}`);
  }
}

const systemMessage = (account: string): string => `${account} is a system account`;

function checkProviders(report: Report, document: RuleDocument, rules: RuleSet): void {
  const seen = new Set<string>();
  (document.providers ?? []).forEach((one, at) => {
    const path = `$.rules.providers[${at}]`;
    checkRanges(report, path, one, { capacity: natural, discount: rate });
    if (isSystemAccount(one.account)) report(`${path}.account`, "system_account", systemMessage(one.account));
    if ((one.instrument === undefined) === (one.asset === undefined)) {
      report(path, "ambiguous_provider", "a provider stands ready for either an instrument or an asset");
    }
    if (one.instrument !== undefined && !rules.instruments.has(one.instrument)) {
      report(`${path}.instrument`, "unknown_instrument", `${one.instrument} is not an instrument`);
    }
    if (one.asset !== undefined && !rules.assets.has(one.asset)) {
      report(`${path}.asset`, "unknown_asset", `${one.asset} is not an asset`);
    }
    const key = [one.account, one.instrument ?? "", one.asset ?? ""].join(" ");
    if (seen.has(key)) report(path, "duplicate_id", `${one.account} is already a provider for this`);
    seen.add(key);
  });
}

function checkMarks(report: Report, marks: NonNullable<RuleDocument["marks"]>, rules: RuleSet): void {
  const path = "$.rules.marks";
  checkRanges(report, path, marks, { outlier: natural, stepMax: positive, basisMax: natural });
  if (marks.quorum === 0) report(`${path}.quorum`, "out_of_range", "a quorum is at least 1");
  for (const [asset, weights] of Object.entries(marks.sources ?? {})) {
    const own = keyed(`${path}.sources`, asset);
    if (!rules.assets.has(asset)) report(own, "unknown_asset", `${asset} is not an asset`);
    for (const [source, weight] of Object.entries(weights)) {
      if (Rational.parse(weight).sign <= 0) report(keyed(own, source), "out_of_range", `${weight} must be above 0`);
    }
  }
  for (const [asset, redemption] of Object.entries(marks.redemption ?? {})) {
    const own = keyed(`${path}.redemption`, asset);
    if (!rules.assets.has(asset)) report(own, "unknown_asset", `${asset} is not an asset`);
    checkRanges(report, own, redemption, { value: positive });
    if (redemption.sources === 0) report(`${own}.sources`, "out_of_range", "at least 1 source must agree");
  }
}

function checkBreakers(report: Report, document: RuleDocument, rules: RuleSet): void {
  const path = "$.rules.breakers";
  checkRanges(report, `${path}.priceMove`, document.breakers?.priceMove, {
    reduceOnlyAt: positive,
    noNewOrdersAt: positive,
  });
  checkRanges(report, `${path}.fundDrawdown`, document.breakers?.fundDrawdown, { at: { above: "0", most: "1" } });
  checkRanges(report, `${path}.dependencyErrors`, document.breakers?.dependencyErrors, {
    share: { above: "0", most: "1" },
  });
  for (const key of ["commitMs", "engineMs"] as const)
    if (document.breakers?.lag?.[key] === 0) report(`${path}.lag.${key}`, "out_of_range", "a lag is at least 1 ms");
  const move = rules.breakers.priceMove;
  if (move !== null && move.noNewOrdersAt.below(move.reduceOnlyAt)) {
    report(
      `${path}.priceMove.noNewOrdersAt`,
      "out_of_range",
      `must be at least reduceOnlyAt, ${move.reduceOnlyAt.toStringDown()}`,
    );
  }
  if (document.breakers?.priceMove?.windowMs === 0)
    report(`${path}.priceMove.windowMs`, "out_of_range", "a window is at least 1 ms");
  if (document.breakers?.liquidationRate?.windowMs === 0) {
    report(`${path}.liquidationRate.windowMs`, "out_of_range", "a window is at least 1 ms");
  }
}

function checkEmergencies(report: Report, document: RuleDocument, rules: RuleSet): void {
  (document.emergencies ?? []).forEach((one, at) => {
    const path = `$.rules.emergencies[${at}]`;
    checkRanges(report, path, one, {
      marginFactor: { least: "1", most: "10" },
      partialAt: positive,
      fullAt: positive,
    });
    if (one.instrument !== undefined && !rules.instruments.has(one.instrument))
      report(`${path}.instrument`, "unknown_instrument", `${one.instrument} is not an instrument`);
    if (one.marginFactor === undefined && one.partialAt === undefined && one.fullAt === undefined)
      report(path, "missing_key", "an emergency tightens something: marginFactor, partialAt or fullAt");
    if (one.instrument !== undefined && (one.partialAt ?? one.fullAt) !== undefined)
      report(`${path}.instrument`, "not_changeable", "thresholds are those of every instrument");
  });
}

function checkEntities(report: Report, document: RuleDocument): void {
  const entityOf = new Map<string, string>();
  for (const [id, entity] of Object.entries(document.entities ?? {})) {
    entity.accounts.forEach((account, at) => {
      const path = `${keyed("$.rules.entities", id)}.accounts[${at}]`;
      const other = entityOf.get(account);
      if (isSystemAccount(account)) report(path, "system_account", systemMessage(account));
      if (other !== undefined) report(path, "duplicate_id", `${account} already belongs to ${other}`);
      entityOf.set(account, id);
    });
  }
}

/**
 * Everything that is wrong with the meaning of a rule document of the right shape, by JSON path from `$.rules`:
 * ranges, orders of thresholds, floors and slices, unknown and duplicate ids, contracts that cannot be listed.
 * `rules` is the same document compiled. Pure; an empty list means that the rules may be used.
 */
export function checkRules(document: RuleDocument, rules: RuleSet): Problem[] {
  const { report, problems } = collector();
  checkAssets(report, document.assets);
  checkInstruments(report, document.instruments, new Set(document.assets.map(({ id }) => id)));
  checkLiquidation(report, document, rules);
  checkRanges(report, "$.rules", document, {
    warningRearm: natural,
    withdrawFloor: natural,
    convertAt: natural,
    settlementBand: fraction,
  });
  checkRanges(report, "$.rules.profitWeight", document.profitWeight, { weight: fraction, k: natural });
  checkFund(report, document, rules);
  checkProviders(report, document, rules);
  if (document.marks !== undefined) checkMarks(report, document.marks, rules);
  checkHierarchy(report, document);
  checkBreakers(report, document, rules);
  checkFunding(report, "$.rules.funding", document.funding);
  if (rules.settlementMinutes < 1 || rules.settlementMinutes > settlementMinutesMax)
    report("$.rules.settlementMinutes", "out_of_range", `must be from 1 to ${settlementMinutesMax}`);
  checkEmergencies(report, document, rules);
  checkEntities(report, document);
  return [...problems];
}
