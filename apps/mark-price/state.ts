import { promisify } from "node:util";
import { deflate, inflate } from "node:zlib";
import { acquireLease, type Database, loadMarkState, saveMarkState } from "#libs/adapters/postgres/index.ts";
import type { PriceFramesRecord } from "#libs/domain/collateral/price-frames-record.ts";
import type { PriceFrames } from "#libs/domain/collateral/price-frames.ts";
import { leaseName, limits, windowsName } from "./limits.ts";

const pack = promisify(deflate);
const unpack = promisify(inflate);
const stateMax = 256 * 1024 * 1024;

interface Kept {
  readonly version: 1;
  readonly prices: PriceFramesRecord;
  /** Shard → log position of the last frame that these prices know of. */
  readonly logSeqs: Readonly<Record<string, number>>;
}

async function read(db: Database, name: string): Promise<Kept | null> {
  const found = await loadMarkState(db, name);
  if (found === null) return null;
  const kept = JSON.parse((await unpack(found.bytes, { maxOutputLength: stateMax })).toString("utf8")) as Kept;
  if (kept.version !== 1) throw new Error(`the saved prices are of version ${String(kept.version)}`);
  return kept;
}

/**
 * What this process keeps in PostgreSQL: the volatility windows whole now and then, all else and the windows' newest returns every
 * second. Both are fenced: a process whose lease is over can write neither.
 */
export class StateKeeper {
  readonly #db: Database;
  readonly #owner: string;
  readonly #epoch: number;
  /** Asset → minute up to which the windows' own record has its returns. */
  #since = new Map<string, number>();
  #windowsEpoch = 0;
  #windowsAt = Number.NEGATIVE_INFINITY;

  constructor(db: Database, owner: string, epoch: number) {
    this.#db = db;
    this.#owner = owner;
    this.#epoch = epoch;
  }

  /** Restores what was kept; returns the log positions that belong to it, null: nothing was. */
  async restore(prices: PriceFrames): Promise<Readonly<Record<string, number>> | null> {
    await this.#fenceWindows();
    const windows = await read(this.#db, windowsName);
    const recent = await read(this.#db, leaseName);
    if (windows !== null) {
      prices.restore(windows.prices);
      this.#since = prices.windowMinutes();
    }
    if (recent === null) return windows?.logSeqs ?? null;
    if (windows === null) prices.restore(recent.prices);
    else prices.restoreRecent(recent.prices);
    return recent.logSeqs;
  }

  /** Throws `Deposed` when another leads by now. */
  async save(prices: PriceFrames, logSeqs: Readonly<Record<string, number>>, monotonic: number): Promise<void> {
    if (monotonic - this.#windowsAt >= limits.windowsSaveMs) {
      const since = prices.windowMinutes();
      await this.#write(windowsName, this.#windowsEpoch, { version: 1, prices: prices.save(), logSeqs });
      this.#since = since;
      this.#windowsAt = monotonic;
    }
    await this.#write(leaseName, this.#epoch, { version: 1, prices: prices.save(this.#since), logSeqs });
  }

  async #write(name: string, epoch: number, kept: Kept): Promise<void> {
    await saveMarkState(this.#db, name, epoch, await pack(JSON.stringify(kept)));
  }

  async #fenceWindows(): Promise<void> {
    // Nobody holds it for longer than a millisecond, so a second try is enough; the epoch is all that matters.
    for (let attempt = 1; attempt <= windowsTries; attempt += 1) {
      const taken = await acquireLease(this.#db, windowsName, this.#owner, 1);
      if (taken === null) continue;
      this.#windowsEpoch = taken.epoch;
      return;
    }
    throw new Error(`the lease ${windowsName} cannot be had`);
  }
}

const windowsTries = 100;
