import { readFile } from "node:fs/promises";
import { readMessage } from "#libs/contracts/live/reading.ts";
import { RuleSchema } from "#libs/contracts/rule-schema.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { count, type Queryable, readRuleVersion } from "#libs/adapters/postgres/index.ts";

const rulesFileMax = 16 * 1024 * 1024;
const rulesDepthMax = 32;

/** The rules of a file, as version 0. Throws with the first problem. */
export async function rulesOfFile(path: string): Promise<RuleSet> {
  const border = { sizeMax: rulesFileMax, depthMax: rulesDepthMax, schemaOf: () => RuleSchema };
  const read = readMessage<RuleDocument>(await readFile(path), border);
  const problem = read.ok ? compileRules(read.value, 0).problems[0] : read.problems[0];
  if (!read.ok || problem !== undefined)
    throw new Error(`the rules cannot be used: ${problem?.path ?? "$"}: ${problem?.message ?? "unreadable"}`);
  return compileRules(read.value, 0).rules;
}

/**
 * The newest rules that are in force in every one of the shards; null where a shard has none yet or `known` is still the newest.
 * Frames may only name what every engine knows.
 */
export async function newerRules(
  db: Queryable,
  shards: readonly string[],
  known: number | null,
): Promise<RuleSet | null> {
  const { rows } = await db.query<{ version: string | null; shards: string }>({
    name: "mark_price_rules",
    text: `SELECT min(newest) AS version, count(*) AS shards
      FROM (SELECT max(version) AS newest FROM rule_version WHERE shard = ANY($1) GROUP BY shard) AS each`,
    values: [[...shards]],
  });
  const row = rows[0];
  if (row === undefined || row.version === null || count(row.shards) < shards.length) return null;
  const version = count(row.version);
  if (known !== null && version <= known) return null;
  const found = await readRuleVersion(db, shards[0] as string, version);
  return found === null ? null : compileRules(found.document as RuleDocument, version).rules;
}
