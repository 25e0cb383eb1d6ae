import { ownersOf } from "#libs/access/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import type { Entry } from "#libs/contracts/log.ts";
import { shardOf } from "#libs/contracts/live/shards.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { Applied, Engine, Machine } from "#libs/engine/index.ts";
import type { MarketClock } from "#libs/process/clock.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import { Events } from "./events.ts";
import { Replica } from "./replica.ts";
import { Samples } from "./samples.ts";

export interface WorldParts {
  readonly db: Database;
  readonly shards: readonly string[];
  readonly clock: MarketClock;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** A replica has applied what was committed. */
  readonly onAdvanced: () => void;
}

/** A shard with its book, current: what it says is so as long as nothing is awaited. */
export interface LiveShard {
  readonly shard: string;
  readonly engine: Engine;
  readonly seq: number;
  readonly entries: number;
  /** UTC ms of the market: the last frame of prices; null: none was seen. */
  readonly framedAt: number | null;
  /** Monotonic ms of the last batch. */
  readonly advancedAt: number;
}

interface Seen {
  framedAt: number | null;
  advancedAt: number;
}

class Live implements LiveShard {
  readonly #replica: Replica;
  readonly #seen: Seen;

  constructor(replica: Replica, seen: Seen) {
    this.#replica = replica;
    this.#seen = seen;
  }

  get shard(): string {
    return this.#replica.shard;
  }
  get engine(): Engine {
    const { engine } = this.#replica;
    if (engine === null) throw new Error(`shard ${this.shard} is not current`);
    return engine;
  }
  get seq(): number {
    return this.#replica.seq;
  }
  get entries(): number {
    return this.#replica.entries;
  }
  get framedAt(): number | null {
    return this.#seen.framedAt;
  }
  get advancedAt(): number {
    return this.#seen.advancedAt;
  }
}

/** Every shard's committed book, and what has happened in them lately. */
export class World {
  readonly events = new Events();
  /** From a frame's time to its effect here, ms of this process. */
  readonly frameLag = new Samples();
  /** Contracts near the mark, as frames said it last. */
  readonly depths = new Map<string, string>();
  readonly replicas: readonly Replica[];
  readonly #parts: WorldParts;
  readonly #seen = new Map<string, Seen>();
  readonly #live = new Map<string, LiveShard>();
  /** Accounts that something was said of, and whether prices moved, since they were taken. */
  #touched = new Set<string>();
  #movedAt: number | null = null;
  #entities: RuleDocument["entities"];
  #ownerOf: (account: string) => string = (account) => account;

  constructor(parts: WorldParts) {
    this.#parts = parts;
    this.replicas = parts.shards.map((shard) => {
      const seen: Seen = { framedAt: null, advancedAt: performance.now() };
      this.#seen.set(shard, seen);
      const replica = new Replica({
        ...parts,
        shard,
        observe: (engine, applied, entry) => this.#observe(shard, engine, applied, entry),
        onRestored: async (of, { machine }) => {
          seen.framedAt = pricedAt(machine);
          await this.events.restore(parts.db, of, machine.factSeq);
        },
        onAdvanced: () => {
          this.#seenOf(shard).advancedAt = performance.now();
          parts.onAdvanced();
        },
      });
      this.#live.set(shard, new Live(replica, seen));
      return replica;
    });
  }

  get clock(): MarketClock {
    return this.#parts.clock;
  }

  /** Null until every shard is there. */
  live(): readonly LiveShard[] | null {
    const found: LiveShard[] = [];
    for (const replica of this.replicas) {
      const one = this.#liveOf(replica);
      if (one === null) return null;
      found.push(one);
    }
    return found;
  }

  /** The shard of an account: the one that has it, else the one that would. Null: it is not there yet. */
  shardOfAccount(account: string): LiveShard | null {
    const [only, second] = this.replicas;
    if (only !== undefined && second === undefined) return this.#liveOf(only);
    const holder = this.replicas.find(({ engine }) => (engine?.machine.book.findAccount(account) ?? -1) >= 0);
    const shard = holder?.shard ?? shardOf(this.ownerOf(account), this.#parts.shards);
    const replica = this.replicas.find((one) => one.shard === shard);
    return replica === undefined ? null : this.#liveOf(replica);
  }

  /** Whom an account belongs to under the rules in force. */
  ownerOf(account: string): string {
    const entities = this.replicas[0]?.engine?.machine.document.entities;
    if (entities !== this.#entities) {
      this.#entities = entities;
      this.#ownerOf = ownersOf(entities);
    }
    return this.#ownerOf(account);
  }

  /** Changes with the rules that say what belongs to whom. */
  get owners(): unknown {
    return this.replicas[0]?.engine?.machine.document.entities;
  }

  /** How old the prices of these shards are, ms of the market; null: there are none. */
  markAge(shards: readonly LiveShard[]): number | null {
    const ages = shards.flatMap(({ framedAt }) => (framedAt === null ? [] : [this.clock.now() - framedAt]));
    return ages.length === 0 ? null : Math.max(0, ...ages);
  }

  /** Prices have moved since it was asked last what has changed. */
  get moved(): boolean {
    return this.#movedAt !== null;
  }

  /** What has changed since it was asked last. `movedAt`: monotonic ms of the first frame of prices. */
  taken(): { readonly touched: ReadonlySet<string>; readonly movedAt: number | null } {
    const taken = { touched: this.#touched, movedAt: this.#movedAt };
    this.#touched = new Set();
    this.#movedAt = null;
    return taken;
  }

  #liveOf(replica: Replica): LiveShard | null {
    return replica.engine === null ? null : (this.#live.get(replica.shard) as LiveShard);
  }

  #seenOf(shard: string): Seen {
    return this.#seen.get(shard) as Seen;
  }

  #observe(shard: string, engine: Engine, applied: Applied | null, entry: Entry | null): void {
    if (applied === null || entry === null) return;
    if (entry.k === "frame") this.#framed(shard, engine.machine.t, entry);
    for (const fact of applied.facts) {
      this.events.take(shard, fact, engine.machine.receipts.get(fact.seq) ?? null);
      for (const account of [fact["account"], fact["against"]])
        if (typeof account === "string") this.#touched.add(account);
    }
    for (const { postings } of applied.transactions)
      for (const { account } of postings) if (account >= 0) this.#touched.add(engine.machine.accountName(account));
  }

  #framed(shard: string, t: number, { depth }: Extract<Entry, { k: "frame" }>): void {
    this.#seenOf(shard).framedAt = t;
    this.#movedAt ??= performance.now();
    for (const [id, contracts] of Object.entries(depth ?? {})) this.depths.set(id, contracts);
    const current = this.replicas.find((one) => one.shard === shard)?.engine;
    if (current !== null && current !== undefined)
      this.frameLag.add(Math.max(0, this.clock.now() - t) / this.clock.speed);
  }
}

/**
 * A snapshot does not say when the last frame came, but when each price changed last: no later, so that prices never look younger than they
 * are. Null: there are no prices.
 */
function pricedAt({ book }: Machine): number | null {
  const times = [...Array(book.instrumentCount).keys()]
    .filter((one) => book.market.markPrice(one) !== null)
    .map((one) => book.market.instrumentPriceTime(one));
  return times.length === 0 ? null : Math.max(...times);
}
