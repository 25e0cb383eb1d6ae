import { expect } from "vitest";
import { verifyShard } from "#apps/cli/verify-shard.ts";
import { checkLedger, genesisHash, journalPages } from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import { Engine } from "#libs/engine/index.ts";
import { journalLines, liveOptions } from "#libs/journal/index.ts";
import type { LiveShard } from "./live-shard.ts";

/** A fresh engine with every journaled entry up to a position of the log. */
async function replayedTo(db: Database, seq: number): Promise<Engine> {
  let engine: Engine | null = null;
  for await (const page of journalPages(db, "0", { afterEntry: 0, hash: genesisHash }))
    for (const batch of page)
      for (const line of journalLines(batch.entries.toString("utf8"))) {
        if (line.e.k === "genesis") engine = Engine.create(line.e.document, liveOptions);
        else if (line.seq <= seq) engine?.apply(line.e);
      }
  if (engine === null) throw new Error("there is no journal");
  return engine;
}

/**
 * What every test of a live shard ends with: memory = PostgreSQL = ledger, every invariant holds, everything that the matching engine has
 * numbered is in, and a fresh engine that replays the journal comes to the same state as the leader has.
 */
export async function expectExact(shard: LiveShard): Promise<void> {
  await shard.settled();
  let after: string | null = "";
  let compared = 0;
  while (after !== null) {
    const page = await shard.reconcile(after);
    expect(page.differences).toEqual([]);
    compared += page.compared;
    after = page.next;
  }
  expect(compared).toBeGreaterThan(0);
  const { stateHash, appliedSeq, invariants, sources, auditFailure } = await shard.status({
    hash: true,
    invariants: true,
  });
  expect(Object.values(invariants ?? {}).filter((one) => one !== true && one !== "not applicable")).toEqual([]);
  expect(auditFailure).toBeNull();
  expect(sources["venue"] ?? 0).toBe(shard.partner.entries.length);
  await shard.committed(appliedSeq);
  expect((await replayedTo(shard.db, appliedSeq)).stateHash()).toBe(stateHash);
  await expectVerified(shard);
}

/** As `expectExact`, of what PostgreSQL holds alone: for a shard that nobody leads any more. */
export async function expectVerified(shard: Pick<LiveShard, "db">): Promise<void> {
  expect((await verifyShard(shard.db, "0"))?.differences).toEqual([]);
  expect((await checkLedger(shard.db, "0")).differences).toEqual([]);
}
