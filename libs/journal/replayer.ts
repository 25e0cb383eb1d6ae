import { chainHash, genesisHash } from "#libs/adapters/postgres/hash.ts";
import type { Entry } from "#libs/contracts/log.ts";
import { type Applied, Engine, type MachineOptions } from "#libs/engine/index.ts";
import { factLine, type Genesis, journalLines } from "./format.ts";

/** What the bytes of a snapshot are: an engine reads no other. */
export const snapshotFormat = "plimsoll-state-1";

/** How every process that lives on the log runs the engine: the leader, its follower and whoever checks them. */
export const liveOptions: Partial<MachineOptions> = {
  venue: "matching",
  roundsPerFrame: "one",
  receipts: true,
  quietFills: false,
  audit: "light",
};

/** One batch as it was committed. */
export interface CommittedBatch {
  /** Number of its first entry, as the engine counts. */
  readonly firstEntry: number;
  readonly chainHash: string;
  /** NDJSON, inflated. */
  readonly entries: Uint8Array;
}

export interface Replayed {
  /** NDJSON of the facts, computed again. */
  readonly facts: string;
  /** Numbers of the facts, both ends included; `from` above `to` where there are none. */
  readonly from: number;
  readonly to: number;
}

/** What a fresh engine made of the journal is not what was committed: a defect or damage, never to be passed over. */
export class ReplayDiffers extends Error {
  constructor(what: string) {
    super(`replay differs: ${what}`);
    this.name = "ReplayDiffers";
  }
}

/** Told of every entry right after it has been applied, while the engine still has its receipts, and of the genesis (both null). */
export type ReplayObserver = (engine: Engine, applied: Applied | null, entry: Entry | null) => void;

export interface ReplayPosition {
  /** Entries applied, as the engine counts. */
  readonly entries: number;
  /** Position in the log. */
  readonly seq: number;
  readonly chainHash: string;
}

/**
 * Builds the state of a shard from its journal alone. Facts are computed again, not read, so the chain of hashes proves both
 * that nothing was changed in the tables and that the engine still decides as it did.
 */
export class Replayer {
  #engine: Engine | null = null;
  chain: string = genesisHash;
  /** Position in the log of the last entry. */
  seq = 0;
  readonly #options: Partial<MachineOptions>;
  readonly #observe: ReplayObserver | null;

  constructor(options: Partial<MachineOptions> = liveOptions, observe: ReplayObserver | null = null) {
    this.#options = options;
    this.#observe = observe;
  }

  static fromSnapshot(
    bytes: Uint8Array,
    at: ReplayPosition,
    options: Partial<MachineOptions> = liveOptions,
    observe: ReplayObserver | null = null,
  ): Replayer {
    const replayer = new Replayer(options, observe);
    replayer.#engine = Engine.restore(bytes, options);
    replayer.chain = at.chainHash;
    replayer.seq = at.seq;
    if (replayer.entries !== at.entries) throw new ReplayDiffers("the snapshot is of another entry than it says");
    return replayer;
  }

  /** Null until the genesis has been replayed. */
  get engine(): Engine | null {
    return this.#engine;
  }

  get entries(): number {
    return this.#engine?.machine.appliedSeq ?? 0;
  }

  /** Applies a committed batch; throws `ReplayDiffers` when the chain of hashes does not hold. */
  replay(batch: CommittedBatch): Replayed {
    const journal = Buffer.from(batch.entries).toString("utf8");
    const from = (this.#engine?.machine.factSeq ?? 0) + 1;
    const facts: string[] = [];
    let applied = 0;
    for (const line of journalLines(journal)) {
      if (line.e.k === "genesis") this.#begin(line.e);
      else {
        facts.push(this.#apply(line.e));
        applied += 1;
        const expected = batch.firstEntry + applied - 1;
        if (this.entries !== expected) throw new ReplayDiffers(`entry ${this.entries} was recorded as ${expected}`);
      }
      this.seq = line.seq;
    }
    const text = facts.join("");
    this.chain = chainHash(this.chain, journal, text);
    if (this.chain !== batch.chainHash)
      throw new ReplayDiffers(`chain of hashes breaks in the batch that begins at entry ${batch.firstEntry}`);
    return { facts: text, from, to: this.#live().machine.factSeq };
  }

  /**
   * Applies the entries of a batch up to and with `entry`, which lies within it. The state is then in the midst of a batch: nothing can
   * be replayed after it.
   */
  replayInto(batch: CommittedBatch, entry: number): void {
    for (const line of journalLines(Buffer.from(batch.entries).toString("utf8"))) {
      if (line.e.k === "genesis") this.#begin(line.e);
      else if (this.entries < entry) this.#apply(line.e);
      else return;
      this.seq = line.seq;
    }
  }

  #begin(genesis: Genesis): void {
    if (this.#engine !== null) throw new ReplayDiffers("a second genesis");
    this.#engine = Engine.create(genesis.document, this.#options);
    this.#observe?.(this.#engine, null, null);
  }

  #apply(entry: Entry): string {
    const engine = this.#live();
    const applied = engine.apply(entry);
    this.#observe?.(engine, applied, entry);
    engine.machine.receipts.clear();
    return applied.facts.map((fact) => factLine(fact, entry.trace)).join("");
  }

  #live(): Engine {
    if (this.#engine === null) throw new ReplayDiffers("the journal does not begin with a genesis");
    return this.#engine;
  }
}
