import { commandById, listRuleVersions, readRuleVersion } from "#libs/adapters/postgres/index.ts";
import { isRuleOperation } from "../commands/operations.ts";
import { ruleChange } from "../commands/rule-changes.ts";
import { documentDiff } from "../commands/diff.ts";
import type { Handlers } from "../http/app.ts";
import { pageSize } from "../http/door.ts";
import { ApiRefused } from "../http/refused.ts";
import { limits } from "../limits.ts";
import type { Parts } from "../parts.ts";

/** Routes about rule sets and what proposals would make of them. */
export function ruleHandlers(parts: Parts): Handlers {
  const { db, settings, rules } = parts;
  const shard = settings.shards[0] ?? "0";
  const versionOf = async (version: number | null) => {
    const found = await readRuleVersion(db, shard, version);
    if (found === null) throw new ApiRefused("not_found", { reason: "there is no such version of the rules" });
    return found;
  };
  return {
    async rules({ query }) {
      return { body: { versions: await listRuleVersions(db, shard, pageSize(query)) } };
    },
    async "rule-version"({ params }) {
      const { version } = params;
      return { body: await versionOf(version === "current" ? null : Number(version)) };
    },
    async "rule-diff"({ query }) {
      const [from, to] = [await versionOf(Number(query["from"])), await versionOf(numberOr(query["to"]))];
      return {
        body: { from: from.version, to: to.version, ...documentDiff(from.document, to.document, limits.diffMax) },
      };
    },
    async "command-diff"({ params }) {
      const command = await commandById(db, params["id"] as string);
      if (command === null || !isRuleOperation(command.operation)) throw new ApiRefused("not_found");
      const present = await rules.now();
      const change = { operation: command.operation, payload: command.payload, reason: command.reason };
      const { document } = await ruleChange(parts, db, change, present);
      const diff = documentDiff(present.document, document, limits.diffMax);
      return { body: { from: present.version, to: present.version + 1, ...diff } };
    },
    async instruments() {
      const { version, document } = await rules.now();
      return { body: { ruleVersion: version, instruments: document.instruments } };
    },
  };
}

const numberOr = (text: string | undefined): number | null => (text === undefined ? null : Number(text));
