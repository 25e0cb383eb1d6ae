import { readFileSync } from "node:fs";
import { readJson } from "#libs/contracts/json.ts";
import { ProblemList } from "#libs/contracts/problems.ts";
import { RuleSchema } from "#libs/contracts/rule-schema.ts";
import { expectShape } from "#libs/contracts/shape.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";

const depthMax = 16;
const problemsMax = 20;

/** The rules of a file. Throws with everything that is wrong with it. */
export function readRulesFile(file: string | null): RuleDocument {
  if (file === null)
    throw new Error("PLIMSOLL_RULES must name the rules file: it lists the instruments and the entities");
  const problems = new ProblemList(problemsMax);
  const json = readJson(readFileSync(file, "utf8"), depthMax, problems);
  if (json !== undefined && expectShape(RuleSchema, json.value, "$", problems)) {
    const document = json.value as RuleDocument;
    const compiled = compileRules(document, 1);
    if (compiled.problems.length === 0) return document;
    for (const problem of compiled.problems.slice(0, problemsMax)) problems.take(problem);
  }
  const lines = problems.list().map(({ path, message }) => `${path}: ${message}`);
  throw new Error(`${file} cannot be used:\n${lines.join("\n")}`);
}
