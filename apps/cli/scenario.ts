import type { RuleBook, ScenarioReading } from "#libs/contracts/scenario.ts";
import { readScenario as readWith } from "#libs/contracts/scenario.ts";
import { closingCostProblems } from "#libs/domain/liquidation/rule-check.ts";
import { checkRuleChange } from "#libs/domain/rule-set/change.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import { withImpliedAssets } from "#libs/domain/rule-set/listed.ts";
import { mergeRules } from "#libs/domain/rule-set/merge.ts";
import { isSystemAccount } from "#libs/domain/rule-set/types.ts";

const ruleBook: RuleBook = {
  compileRules,
  mergeRules,
  withImpliedAssets,
  checkRuleChange,
  ruleWarnings: closingCostProblems,
  isSystemAccount,
};

/** Reads a scenario file against the rule book of this version; see `readScenario` of the contracts. Never throws. */
export function readScenario(file: string | Uint8Array): ScenarioReading {
  return readWith(file, ruleBook);
}
