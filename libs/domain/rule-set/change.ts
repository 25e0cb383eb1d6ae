import type { Report } from "./bounds.ts";
import { collector } from "./bounds.ts";
import type { Problem } from "./documents.ts";
import type { InstrumentRules, RuleSet } from "./types.ts";

const fixedKeys = ["kind", "base", "quote", "settle", "index"] as const;

function checkInstrument(report: Report, path: string, before: InstrumentRules, after: InstrumentRules): void {
  for (const key of fixedKeys) {
    if (before[key] !== after[key]) report(`${path}.${key}`, "not_changeable", `${before.id} stays with ${before[key]}`);
  }
  if (!before.multiplier.equals(after.multiplier)) {
    report(`${path}.multiplier`, "not_changeable", `${before.id} stays with ${before.multiplier.toStringDown()}`);
  }
  if (!before.lot.isMultipleOf(after.lot)) {
    report(`${path}.lot`, "not_changeable", `the lot may only become a whole part of ${before.lot.toStringDown()}`);
  }
}

/**
 * What a new version may not change, by JSON path from `$.rules`: the terms of a contract and the grain of what is
 * already held, because costs, balances and open contracts were counted in them. Pure.
 */
export function checkRuleChange(before: RuleSet, after: RuleSet): Problem[] {
  const { report, problems } = collector();
  [...after.assets.values()].forEach((asset, at) => {
    const old = before.assets.get(asset.id);
    if (old === undefined || old.quantum.isMultipleOf(asset.quantum)) return;
    const message = `the quantum may only become a whole part of ${old.quantum.toStringDown()}`;
    report(`$.rules.assets[${at}].quantum`, "not_changeable", message);
  });
  [...after.instruments.values()].forEach((one, at) => {
    const old = before.instruments.get(one.id);
    if (old !== undefined) checkInstrument(report, `$.rules.instruments[${at}]`, old, one);
  });
  return [...problems];
}
