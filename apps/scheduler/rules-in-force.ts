import { count, type Queryable, readRuleVersion } from "#libs/adapters/postgres/index.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";

const none = compileRules({ assets: [], instruments: [] }, 0).rules;

/** The rules of the first shard, which has the same as all; none yet: nothing is due. Read anew only when there is a newer version. */
export function rulesInForce(db: Queryable, shard: string): () => Promise<RuleSet> {
  let known: RuleSet | null = null;
  return async () => {
    const { rows } = await db.query<{ version: string | null }>({
      name: "scheduler_rule_version",
      text: "SELECT max(version) AS version FROM rule_version WHERE shard = $1",
      values: [shard],
    });
    const newest = rows[0]?.version ?? null;
    if (newest === null || known?.version === count(newest)) return known ?? none;
    const found = await readRuleVersion(db, shard, count(newest));
    if (found !== null) known = compileRules(found.document as RuleDocument, found.version).rules;
    return known ?? none;
  };
}
