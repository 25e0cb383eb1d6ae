import { Rational } from "#libs/decimal/index.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";

/** The two numbers a ratio is made of, USD. Never divided to decide, only to be shown. */
export interface Standing {
  readonly maintenanceEquity: Rational;
  readonly mm: Rational;
}

/** HEALTH-01, HEALTH-02: `E_M ≤ k·MM`, inclusive, where MM > 0 or E_M < 0: the test of every intervention and warning. */
export function atOrBelow(maintenanceEquity: Rational, k: Rational, mm: Rational): boolean {
  return (mm.sign > 0 || maintenanceEquity.sign < 0) && maintenanceEquity.atMost(k.times(mm));
}

/** HEALTH-03: `E_M / MM`, null (infinite) when MM is zero. */
export function ratio({ maintenanceEquity, mm }: Standing): Rational | null {
  return mm.isZero() ? null : maintenanceEquity.dividedBy(mm);
}

/** Pools without MM stand outside the fractions: below them all when E_M < 0, else above. */
const withoutMargin = ({ maintenanceEquity, mm }: Standing): -1 | 0 | 1 =>
  mm.sign > 0 ? 0 : maintenanceEquity.sign < 0 ? -1 : 1;

/** HEALTH-06: orders pools by `E_M / MM`, worst first, by cross-multiplication. Zero: a tie, which ids break. */
export function compareStanding(left: Standing, right: Standing): number {
  const [a, b] = [withoutMargin(left), withoutMargin(right)];
  if (a !== b) return a - b;
  if (a !== 0) return 0;
  return left.maintenanceEquity.times(right.mm).compare(right.maintenanceEquity.times(left.mm));
}

export type Intervention = "none" | "partial" | "full";

/** HEALTH-01: what a pool at these numbers calls for; at a threshold exactly, its intervention. */
export function intervention({ maintenanceEquity, mm }: Standing, rules: RuleSet): Intervention {
  if (atOrBelow(maintenanceEquity, rules.liquidation.fullAt, mm)) return "full";
  return atOrBelow(maintenanceEquity, rules.liquidation.partialAt, mm) ? "partial" : "none";
}

/** HEALTH-04: the warning levels that the pool stands at or below, descending. */
export function warningsAt({ maintenanceEquity, mm }: Standing, rules: RuleSet): readonly Rational[] {
  return rules.warnings.filter((level) => atOrBelow(maintenanceEquity, level, mm));
}

/** HEALTH-05: whether a warning given at `level` may be given again: the ratio is back at `level·(1 + rearm)` or above. */
export function rearmed({ maintenanceEquity, mm }: Standing, level: Rational, rules: RuleSet): boolean {
  if (mm.isZero()) return maintenanceEquity.sign >= 0;
  return maintenanceEquity.atLeast(level.times(Rational.one.plus(rules.warningRearm)).times(mm));
}

/**
 * HEALTH-04, HEALTH-05: one judgement's warnings. `given` says per level of the rule set (same order; missing: false) whether it was given and
 * not re-armed since. Returns the levels to give now, descending, and what to remember.
 */
export function warn(
  standing: Standing,
  given: readonly boolean[],
  rules: RuleSet,
): { readonly levels: readonly Rational[]; readonly given: readonly boolean[] } {
  const levels: Rational[] = [];
  const after = rules.warnings.map((level, at) => {
    if (given[at] === true) return !rearmed(standing, level, rules);
    if (!atOrBelow(standing.maintenanceEquity, level, standing.mm)) return false;
    levels.push(level);
    return true;
  });
  return { levels, given: after };
}
