import { type Database, loadSnapshots, type Snapshot } from "#libs/adapters/postgres/index.ts";
import { Replayer, type ReplayObserver, snapshotFormat } from "./replayer.ts";

export interface Restored {
  readonly replayer: Replayer;
  readonly entry: number;
  readonly seq: number;
}

export interface RestoreOptions {
  /** Only snapshots of entries up to this one. */
  readonly upTo: number;
  /** Also those that do not restore to the state hash that they were taken at are passed over, which costs that hash. */
  readonly checked: boolean;
  /** A snapshot is passed over. */
  readonly onSkipped: (fields: object, message: string) => void;
  readonly observe?: ReplayObserver;
}

/** The newest snapshot that can be used, restored; damaged ones and those of another format are passed over. Null: there is none. */
export async function restoreNewest(db: Database, shard: string, options: RestoreOptions): Promise<Restored | null> {
  for (let bound = options.upTo; ;) {
    const { snapshot, corrupt } = await loadSnapshots(db, shard, bound);
    for (const one of corrupt) options.onSkipped(one, "a snapshot is damaged and is passed over");
    if (snapshot === null) return null;
    const { entry, seq } = snapshot;
    try {
      return { replayer: restore(snapshot, options), entry, seq };
    } catch (error) {
      options.onSkipped({ error, entry }, "a snapshot cannot be used and is passed over");
    }
    bound = entry - 1;
  }
}

function restore(snapshot: Snapshot, { checked, observe }: RestoreOptions): Replayer {
  const { bytes, format, entry, seq, chainHash, stateHash } = snapshot;
  if (format !== snapshotFormat) throw new Error(`its format is ${format}`);
  const replayer = Replayer.fromSnapshot(bytes, { entries: entry, seq, chainHash }, undefined, observe);
  if (checked && replayer.engine?.stateHash() !== stateHash) throw new Error("it restores to another state hash");
  return replayer;
}
