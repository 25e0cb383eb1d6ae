import {
  type Database,
  genesisHash,
  journalPages,
  journalStartOfFact,
  loadSnapshots,
} from "#libs/adapters/postgres/index.ts";
import type { Receipt } from "#libs/domain/receipts/types.ts";
import type { Engine } from "#libs/engine/index.ts";
import { liveOptions, Replayer, type ReplayObserver, snapshotFormat } from "./replayer.ts";

/** A replayer at the newest snapshot up to an entry, else before the first, and where the journal goes on from there. */
async function before(db: Database, shard: string, entries: number, observe: ReplayObserver | null = null) {
  const { snapshot } = await loadSnapshots(db, shard, entries);
  const usable = snapshot !== null && snapshot.format === snapshotFormat;
  const replayer = usable
    ? Replayer.fromSnapshot(snapshot.bytes, { ...snapshot, entries: snapshot.entry }, liveOptions, observe)
    : new Replayer(liveOptions, observe);
  return { replayer, start: { afterEntry: replayer.entries, hash: usable ? replayer.chain : genesisHash } };
}

/** A fresh engine at an entry of a shard's journal; from the newest snapshot before it, else from the beginning. Null: not committed. */
export async function engineAt(db: Database, shard: string, entries: number): Promise<Engine | null> {
  const { replayer, start } = await before(db, shard, entries);
  for await (const page of journalPages(db, shard, start))
    for (const batch of page) {
      if (replayer.engine !== null && replayer.entries >= entries) return replayer.engine;
      if (batch.lastEntry > entries) replayer.replayInto(batch, entries);
      else replayer.replay(batch);
    }
  return replayer.entries === entries ? replayer.engine : null;
}

/** The receipt of a committed fact, computed again from the journal; null: there is no such fact, or it has none. */
export async function receiptAt(db: Database, shard: string, fact: number): Promise<Receipt | null> {
  const at = await journalStartOfFact(db, shard, fact - 1);
  if (at === null) return null;
  let found: Receipt | null = null;
  const { replayer, start } = await before(db, shard, at.afterEntry, (engine, applied) => {
    if (applied?.facts.some(({ seq }) => seq === fact) === true) found = engine.receiptOf(fact) ?? null;
  });
  for await (const page of journalPages(db, shard, start))
    for (const batch of page) {
      replayer.replay(batch);
      if (batch.factSeq >= fact) return found;
    }
  return found;
}
