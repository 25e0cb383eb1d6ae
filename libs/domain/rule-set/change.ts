import type { Report } from "./bounds.ts";
import { collector } from "./bounds.ts";
import type { Problem } from "./documents.ts";
import type { InstrumentRules, RuleSet } from "./types.ts";

const fixedKeys = ["kind", "base", "quote", "settle", "index"] as const;
const fixedAmounts = ["multiplier", "lot"] as const;

function checkInstrument(report: Report, path: string, before: InstrumentRules, after: InstrumentRules): void {
  for (const key of fixedKeys) {
    if (before[key] !== after[key])
      report(`${path}.${key}`, "not_changeable", `${before.id} stays with ${before[key]}`);
  }
  for (const key of fixedAmounts) {
    if (before[key].equals(after[key])) continue;
    report(`${path}.${key}`, "not_changeable", `${before.id} stays with ${before[key].toStringDown()}`);
  }
}

/**
 * What a new version may not change, by JSON path from `$.rules`: the terms of a contract and the grain of what is held,
 * because costs, balances and open contracts are counted in them, whether or not any are open yet. Pure.
 */
export function checkRuleChange(before: RuleSet, after: RuleSet): Problem[] {
  const { report, problems } = collector();
  [...after.assets.values()].forEach((asset, at) => {
    const old = before.assets.get(asset.id);
    if (old === undefined || old.quantum.equals(asset.quantum)) return;
    report(`$.rules.assets[${at}].quantum`, "not_changeable", `${asset.id} stays with ${old.quantum.toStringDown()}`);
  });
  [...after.instruments.values()].forEach((one, at) => {
    const old = before.instruments.get(one.id);
    if (old !== undefined) checkInstrument(report, `$.rules.instruments[${at}]`, old, one);
  });
  return [...problems];
}
