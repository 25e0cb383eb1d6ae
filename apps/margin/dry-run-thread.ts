import { parentPort, workerData } from "node:worker_threads";
import type { DryRunReply } from "#libs/contracts/live/dry-run.ts";
import { ProblemList } from "#libs/contracts/problems.ts";
import { RuleSchema } from "#libs/contracts/rule-schema.ts";
import { expectShape } from "#libs/contracts/shape.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { mergeRules } from "#libs/domain/rule-set/merge.ts";
import { dryRun } from "#libs/engine/index.ts";
import type { DryRunWork } from "./dry-runs.ts";
import { limits } from "./limits.ts";

/*
 * The thread of one dry run: makes two books of the snapshot that it was given, and ends with the answer.
 */
const port = parentPort;
if (port === null) throw new Error("this module is a thread of the margin process");
const { bytes, seq, document, set, accounts } = workerData as DryRunWork;

class WrongShape extends Error {
  readonly problems = new ProblemList(limits.dryRunProblems);
}

/** What is laid over rules in force has no more shape than it has itself: only the whole can be held to the schema. */
function proposed(present: RuleDocument): RuleDocument {
  if (document !== undefined) return document;
  const merged = mergeRules(present, set);
  const wrong = new WrongShape();
  if (!expectShape(RuleSchema, merged, "$.document", wrong.problems)) throw wrong;
  return merged;
}

function run(): DryRunReply {
  try {
    const found = dryRun(bytes, proposed, accounts);
    if ("problems" in found) return { state: "refused", problems: found.problems.slice(0, limits.dryRunProblems) };
    return { state: "done", seq, result: found };
  } catch (error) {
    if (error instanceof WrongShape) return { state: "refused", problems: error.problems.list() };
    throw error;
  }
}

port.postMessage(run());
