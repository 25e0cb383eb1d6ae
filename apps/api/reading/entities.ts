import { sharedEvidence } from "#libs/adapters/postgres/index.ts";
import { detectionDefaults, type EvidenceRecord } from "#libs/domain/entities/evidence.ts";
import { detectEntities, toldProposal } from "#libs/domain/entities/proposals.ts";
import { type JournaledFill, recentFills } from "#libs/journal/index.ts";
import type { Handlers } from "../http/app.ts";
import { limits } from "../limits.ts";
import type { Parts } from "../parts.ts";
import { OneByOne } from "./one-by-one.ts";

const dayMs = 86_400_000;

async function proposals({ db, rules, settings }: Parts, days: number) {
  const since = Math.max(0, Date.now() - days * dayMs);
  const records = await sharedEvidence(db, detectionDefaults.commonAbove, since, limits.evidenceMax);
  const fills: JournaledFill[] = [];
  for (const shard of settings.shards)
    for await (const fill of recentFills(db, shard, limits.entityFacts)) fills.push(fill);
  const known = new Map<string, string>();
  for (const [id, { accounts }] of Object.entries((await rules.now()).document.entities ?? {}))
    for (const account of accounts) known.set(account, id);
  const found = detectEntities(records as readonly EvidenceRecord[], fills, known);
  return { proposals: found.proposals.map(toldProposal), dropped: found.dropped };
}

/** Who may be one owner: looked for anew each time, one search at a time. */
export function entityHandlers(parts: Parts): Handlers {
  const line = new OneByOne();
  return {
    "entity-proposals": async ({ query }) => {
      const days = Number(query["days"] ?? limits.entityDays);
      return { body: await line.run(async () => proposals(parts, days)) };
    },
  };
}
