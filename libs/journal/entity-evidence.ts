import { createHash } from "node:crypto";
import { type Queryable, sharedEvidence } from "#libs/adapters/postgres/index.ts";
import type { EvidenceRecord } from "#libs/domain/entities/evidence.ts";
import { type JournaledFill, recentFills } from "./fills.ts";

/** How much is looked at. */
export interface GatheredFrom {
  readonly shards: readonly string[];
  /** UTC ms: evidence seen since then. */
  readonly since: number;
  /** A value that more accounts share says nothing. */
  readonly commonAbove: number;
  readonly evidenceMost: number;
  /** Of each shard. */
  readonly factsMost: number;
}

/** What proposals of entities are made from. Of every shard: an owner whom nobody knows may have his accounts anywhere. */
export async function gatherEvidence(
  db: Queryable,
  { shards, since, commonAbove, evidenceMost, factsMost }: GatheredFrom,
): Promise<{ readonly records: readonly EvidenceRecord[]; readonly fills: readonly JournaledFill[] }> {
  // The database holds the kinds of the domain and no others.
  const records = (await sharedEvidence(db, commonAbove, since, evidenceMost)) as readonly EvidenceRecord[];
  const fills: JournaledFill[] = [];
  for (const shard of shards) for await (const fill of recentFills(db, shard, factsMost)) fills.push(fill);
  return { records, fills };
}

const idDigits = 32;
const sha256 = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");

/**
 * With its name, which stays while the same accounts are proposed to the same entities, however the evidence grows, and with the hash of everything
 * that speaks for it, by which somebody can be held to what they saw. `told`: as `toldProposal` tells it.
 */
export function namedProposal<T extends { readonly accounts: readonly string[]; readonly entities: readonly string[] }>(
  told: T,
): T & { readonly id: string; readonly evidenceHash: string } {
  const { accounts, entities } = told;
  return { id: sha256([accounts, entities]).slice(0, idDigits), ...told, evidenceHash: sha256(told) };
}
