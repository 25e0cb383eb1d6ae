import { type Database, genesisHash, journalPages, loadSnapshots } from "#libs/adapters/postgres/index.ts";
import type { Engine } from "#libs/engine/index.ts";
import { Replayer, snapshotFormat } from "#libs/journal/index.ts";

/** A fresh engine at an entry of a shard's journal; from the newest snapshot before it, else from the beginning. Null: not committed. */
export async function engineAt(db: Database, shard: string, entries: number): Promise<Engine | null> {
  const { snapshot } = await loadSnapshots(db, shard, entries);
  const usable = snapshot !== null && snapshot.format === snapshotFormat;
  const replayer = usable
    ? Replayer.fromSnapshot(snapshot.bytes, { ...snapshot, entries: snapshot.entry })
    : new Replayer();
  const start = { afterEntry: replayer.entries, hash: usable ? replayer.chain : genesisHash };
  for await (const page of journalPages(db, shard, start))
    for (const batch of page) {
      if (replayer.engine !== null && replayer.entries >= entries) return replayer.engine;
      if (batch.lastEntry > entries) replayer.replayInto(batch, entries);
      else replayer.replay(batch);
    }
  return replayer.entries === entries ? replayer.engine : null;
}
