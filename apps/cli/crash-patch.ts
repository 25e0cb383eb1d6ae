import { readFileSync } from "node:fs";
import { readJson } from "#libs/contracts/json.ts";
import { ProblemList } from "#libs/contracts/problems.ts";
import { RuleSchema } from "#libs/contracts/rule-schema.ts";
import { expectShape } from "#libs/contracts/shape.ts";
import { closingCostProblems } from "#libs/domain/liquidation/rule-check.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { Problem } from "#libs/domain/rule-set/documents.ts";
import { mergeRules } from "#libs/domain/rule-set/merge.ts";
import { crashRules } from "#libs/simulation/crash-rules.ts";
import type { RecordedCrash } from "#libs/simulation/recorded-crash.ts";

/** Thrown where a rule patch cannot be laid over the rules of a crash; every problem is listed. */
export class PatchRefused extends Error {
  readonly problems: readonly Problem[];
  constructor(file: string, problems: readonly Problem[]) {
    super(`${file} is refused`);
    this.name = "PatchRefused";
    this.problems = problems;
  }
}

const depthMax = 32;
const problemsMax = 100;

/** A rule patch from a file: JSON as in a scenario's `rules` entry, valid together with the rules of this crash. Throws `PatchRefused`. */
export function readPatch(file: string, crash: RecordedCrash): unknown {
  const problems = new ProblemList(problemsMax);
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new PatchRefused(file, [
      { path: "$", code: "unreadable", message: error instanceof Error ? error.message : String(error) },
    ]);
  }
  const read = readJson(text, depthMax, problems);
  if (read === undefined || problems.count > 0) throw new PatchRefused(file, problems.list());
  const terms = {
    policy: "queue",
    fundEventCapUsd: "1",
    providerCapacity: new Map(),
    settlePrices: new Map(),
  } as const;
  const merged = mergeRules(crashRules(crash, terms), read.value);
  if (!expectShape(RuleSchema, merged, "$", problems)) throw new PatchRefused(file, problems.list());
  const compiled = compileRules(merged, 1);
  const found = [...compiled.problems, ...(compiled.problems.length > 0 ? [] : closingCostProblems(compiled.rules))];
  if (found.length > 0) throw new PatchRefused(file, found);
  return read.value;
}
