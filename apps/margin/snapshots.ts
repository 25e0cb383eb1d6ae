import { type Database, loadSnapshots, type Snapshot } from "#libs/adapters/postgres/index.ts";
import { Replayer, snapshotFormat } from "#libs/journal/index.ts";
import type { Logger } from "#libs/telemetry/logger.ts";

export interface Restored {
  readonly replayer: Replayer;
  readonly entry: number;
  readonly seq: number;
}

/**
 * The newest snapshot that can be used, restored; damaged ones, those of another format and those of an entry after `upTo` are passed
 * over. `checked`: also those that do not restore to the state hash that they were taken at, which costs that hash. Null: there is none.
 */
export async function restoreNewest(
  db: Database,
  shard: string,
  { upTo, checked, logger }: { readonly upTo: number; readonly checked: boolean; readonly logger: Logger },
): Promise<Restored | null> {
  for (let bound = upTo; ;) {
    const { snapshot, corrupt } = await loadSnapshots(db, shard, bound);
    for (const one of corrupt) logger.error(one, "a snapshot is damaged and is passed over");
    if (snapshot === null) return null;
    const { entry, seq } = snapshot;
    try {
      return { replayer: restore(snapshot, checked), entry, seq };
    } catch (error) {
      logger.error({ error, entry }, "a snapshot cannot be used and is passed over");
    }
    bound = entry - 1;
  }
}

function restore({ bytes, format, entry, seq, chainHash, stateHash }: Snapshot, checked: boolean): Replayer {
  if (format !== snapshotFormat) throw new Error(`its format is ${format}`);
  const replayer = Replayer.fromSnapshot(bytes, { entries: entry, seq, chainHash });
  if (checked && replayer.engine?.stateHash() !== stateHash) throw new Error("it restores to another state hash");
  return replayer;
}
