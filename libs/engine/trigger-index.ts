import type { Book } from "./book.ts";
import { Bands } from "./bands.ts";
import type { BoxAsset, BoxPosition } from "./box-parts.ts";
import type { CompiledAsset, CompiledInstrument, CompiledRules } from "./compiled-rules.ts";
import { grownCapacity, grownInt32, grownUint8 } from "./columns.ts";
import { FactorRings } from "./factor-rings.ts";
import { FundingWindows } from "./funding-windows.ts";

export interface TriggerIndexOptions {
  /** Widens every band by a factor: 1 but in the test that must notice that bands are too wide. */
  readonly bandScale?: number;
}

/** The safe band of one factor of a pool; infinite: no value on that side matters. */
export interface Band {
  readonly factor: number;
  readonly low: number;
  readonly high: number;
}

/**
 * `armed`: nothing can happen to the pool before a factor leaves its band. `act`: a threshold is reached or cannot be excluded, so the
 * pool must be judged exactly now; should nothing follow from that, any move of its factors pops it.
 */
export type Arming = "armed" | "act";

/**
 * Which pools a moving price may have brought to a threshold (INV-07): for each pool and each factor it depends on (marks, index prices,
 * `1 − h_M`, funding) a band inside which nothing can have been crossed. Derived from book, market and rules: neither hashed
 * nor kept in snapshots. Pools with a saga are the engine's own to judge at each frame and have no bands.
 */
export class TriggerIndex {
  private readonly book: Book;
  private readonly compiled: CompiledRules;
  private readonly windows: FundingWindows;
  private readonly search: Bands;
  private readonly rings = new FactorRings();
  /** First entry by pool; −1: none. */
  private firsts = new Int32Array(0);
  /** Pools that were popped and not armed since. */
  private out = new Uint8Array(0);
  /** The value of each factor that was told last. */
  private seen = new Float64Array(0);
  /** What is taken from a factor's value before it is compared: 1 for funding, so that its small moves keep their precision. */
  private origins = new Float64Array(0);
  /** By factor: the asset whose haircut it is, where the rules have no haircut for it; else −1. */
  private haircuts = new Int32Array(0);
  /** Assets whose haircut a frame has set all the same; from then on it is watched. */
  private readonly strayHaircuts = new Set<number>();
  private version = -1;
  /** Rules have changed under bands that still stand. */
  private stale = false;
  /** The chain of the pool being armed: entries kept so far, and the next one to use again. */
  private lastKept = -1;
  private nextOld = -1;
  /** Pools popped since the start. */
  popped = 0;

  constructor(book: Book, compiled: CompiledRules, options: TriggerIndexOptions = {}) {
    this.book = book;
    this.compiled = compiled;
    this.windows = new FundingWindows(book, compiled);
    this.search = new Bands(book, compiled, this.windows, options.bandScale ?? 1);
  }

  get bytes(): number {
    return this.rings.bytes + this.windows.bytes + this.firsts.byteLength + this.out.byteLength + this.seen.byteLength;
  }
  get entryCount(): number {
    return this.rings.count;
  }

  /** Replaces the pool's bands by those that hold at the present prices. System accounts and pools with a saga get none. */
  arm(pool: number): Arming {
    const { book } = this;
    if (this.version !== this.compiled.version) this.adopt();
    this.growPools(pool);
    this.out[pool] = 0;
    if (book.saga(pool) >= 0 || book.isSystem(book.poolAccount(pool))) {
      this.disarm(pool);
      return "armed";
    }
    const reach = this.search.find(pool);
    this.lastKept = -1;
    this.nextOld = this.firsts[pool] as number;
    if (reach !== "free") this.watch(pool, reach === "clear", reach === "unpriced");
    this.dropOld(pool);
    return reach === "reached" ? "act" : "armed";
  }

  /** Forgets the pool: nothing pops it any more. */
  disarm(pool: number): void {
    if (pool >= this.firsts.length) return;
    this.out[pool] = 0;
    this.lastKept = -1;
    this.nextOld = this.firsts[pool] as number;
    this.dropOld(pool);
  }

  /**
   * A factor has now this value: appends each pool whose band it has left to `popped`. A pool is popped once until it is armed or
   * disarmed again. Each changed factor must be told, after the market has been set.
   */
  factorChanged(factor: number, value: number, popped: number[]): void {
    if (this.version !== this.compiled.version) this.adopt();
    const before = this.seen[factor] as number;
    if (value === before && !this.stale) return;
    this.seen[factor] = value;
    const count = popped.length;
    const stray = this.haircuts[factor] as number;
    const unseen = stray >= 0 && !this.strayHaircuts.has(stray);
    if (unseen) this.watchStray(stray);
    if (unseen || this.stale) this.popAll(popped);
    else {
      const origin = this.origins[factor] as number;
      this.rings.move(factor, before - origin, value - origin, this.out, popped);
      const instrument = this.windows.instrumentOf(factor);
      if (instrument >= 0) this.followWindow(instrument, value - origin, popped);
    }
    this.stale = false;
    this.popped += popped.length - count;
  }

  /** The scale of a factor has changed: every pool that depends on it is popped. */
  factorVoid(factor: number, popped: number[]): void {
    if (this.version !== this.compiled.version) this.adopt();
    const count = popped.length;
    this.seen[factor] = this.book.market.factors[factor] as number;
    this.rings.move(factor, NaN, NaN, this.out, popped);
    const instrument = this.windows.instrumentOf(factor);
    if (instrument >= 0) this.followWindow(instrument, NaN, popped);
    this.popped += popped.length - count;
  }

  /** Funding has moved: if it has left its window, those that relied on it are popped, and the window is centred anew. */
  private followWindow(instrument: number, value: number, popped: number[]): void {
    const { book, windows } = this;
    if (value >= windows.lowOf(instrument) && value <= windows.highOf(instrument)) return;
    windows.centre(instrument);
    const { rowInstrumentColumn, exposureF } = book;
    for (let row = 0; row < book.rowLimit; row += 1) {
      if (rowInstrumentColumn[row] !== instrument || exposureF[row] === 0) continue;
      const account = book.rowAccount(row);
      if (account < 0) continue;
      const pool = book.poolOf(row);
      if (pool < this.firsts.length && this.reliesOnWindow(pool, instrument)) this.pop(pool, popped);
    }
  }

  /** Whether an armed pool that holds the instrument has no band of its own for its funding. */
  private reliesOnWindow(pool: number, instrument: number): boolean {
    const { fundingFactor } = this.compiled.instruments[instrument] as CompiledInstrument;
    const first = this.firsts[pool] as number;
    for (let entry = first; entry >= 0; entry = this.rings.nextOf(entry)) {
      if (this.rings.factorOf(entry) === fundingFactor) return false;
    }
    return first >= 0;
  }

  private pop(pool: number, popped: number[]): void {
    if (this.out[pool] !== 0) return;
    this.out[pool] = 1;
    popped.push(pool);
  }

  /** Arms every pool anew, as after a restore or a change of rules; those that must be judged now go to `popped`. */
  rebuild(popped: number[]): void {
    const { book } = this;
    this.rings.clear();
    this.firsts.fill(-1);
    this.out.fill(0);
    this.adopt();
    for (const [c, one] of this.compiled.assets.entries()) {
      if (one !== undefined && !one.haircutMoves && book.market.haircutSet(c)) this.watchStray(c);
    }
    for (let account = 0; account < book.accountCount; account += 1) {
      if (book.isSystem(account)) continue;
      this.armInto(book.crossPool(account), popped);
      for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) {
        if (book.isIsolated(row)) this.armInto(book.isolatedPool(row), popped);
      }
    }
  }

  private armInto(pool: number, popped: number[]): void {
    if (this.arm(pool) === "act") popped.push(pool);
  }

  /** The bands of a pool as they are stored: for tests and for questions about a pool. */
  bands(pool: number): Band[] {
    const found: Band[] = [];
    if (pool >= this.firsts.length) return found;
    for (let entry = this.firsts[pool] as number; entry >= 0; entry = this.rings.nextOf(entry)) {
      const factor = this.rings.factorOf(entry);
      const origin = this.origins[factor] as number;
      found.push({ factor, low: this.rings.lowOf(entry) + origin, high: this.rings.highOf(entry) + origin });
    }
    for (const instrument of this.instrumentsOf(pool)) {
      if (!this.reliesOnWindow(pool, instrument)) continue;
      const factor = (this.compiled.instruments[instrument] as CompiledInstrument).fundingFactor;
      found.push({ factor, low: this.windows.lowOf(instrument) + 1, high: this.windows.highOf(instrument) + 1 });
    }
    return found;
  }

  /** The instruments that a pool has positions in. */
  private instrumentsOf(pool: number): number[] {
    const { book } = this;
    const own = book.poolRow(pool);
    if (own >= 0) return book.exposureF[own] === 0 ? [] : [book.rowInstrument(own)];
    const found: number[] = [];
    for (let row = book.firstRow(book.poolAccount(pool)); row >= 0; row = book.nextRow(row)) {
      if (!book.isIsolated(row) && book.exposureF[row] !== 0) found.push(book.rowInstrument(row));
    }
    return found;
  }

  /** Follows a change of rules: bands that stand void are owed to the next factor that moves, should nobody rebuild. */
  private adopt(): void {
    const { market } = this.book;
    const count = market.factorCount;
    this.version = this.compiled.version;
    this.rings.growFactors(count);
    this.seen = Float64Array.from(market.factors.subarray(0, count));
    this.origins = new Float64Array(count);
    this.haircuts = new Int32Array(count).fill(-1);
    for (const one of this.compiled.instruments) if (one !== undefined) this.origins[one.fundingFactor] = 1;
    for (const [c, one] of this.compiled.assets.entries()) {
      if (one !== undefined && !one.haircutMoves) this.haircuts[one.haircutFactor] = c;
    }
    this.windows.adopt();
    this.stale = this.rings.count > 0;
  }

  private watchStray(asset: number): void {
    this.strayHaircuts.add(asset);
    this.search.box.haircutsStray = true;
  }

  private growPools(pool: number): void {
    if (pool < this.firsts.length) return;
    const length = this.firsts.length;
    const capacity = grownCapacity(length, pool + 1);
    this.firsts = grownInt32(this.firsts, capacity);
    this.firsts.fill(-1, length);
    this.out = grownUint8(this.out, capacity);
  }

  private popAll(popped: number[]): void {
    for (let pool = 0; pool < this.firsts.length; pool += 1) {
      if ((this.firsts[pool] as number) >= 0) this.pop(pool, popped);
    }
  }

  /** Puts the box that was found into entries, using those of the pool's old bands again where they are on the same factors. */
  private watch(pool: number, clear: boolean, unpriced: boolean): void {
    const { box, above } = this.search;
    for (let at = 0; at < box.positionCount; at += 1)
      this.watchPosition(pool, box.positions[at] as BoxPosition, clear, above === 0);
    if (box.isolated && !unpriced) return;
    for (let at = 0; at < box.assetCount; at += 1) {
      const asset = box.assets[at] as BoxAsset;
      const compiled = asset.compiled as CompiledAsset;
      // Where nothing waits above, and no position needs the price too, a move in the pool's favour cannot matter.
      const alone = above === 0 && asset.exposed === 0 && clear;
      if (asset.priceMoves || unpriced) {
        const low = alone && !asset.fallHurts ? -Infinity : asset.priceLow;
        const high = alone && asset.fallHurts ? Infinity : asset.priceHigh;
        this.watchFactor(pool, compiled.indexFactor, low, high, clear);
      }
      if (!box.isolated && (compiled.haircutMoves || this.strayHaircuts.has(asset.number))) {
        const high = above === 0 && clear ? Infinity : asset.keptHigh;
        this.watchFactor(pool, compiled.haircutFactor, asset.keptLow, high, clear);
      }
    }
  }

  private watchPosition(pool: number, position: BoxPosition, clear: boolean, open: boolean): void {
    const { box } = this.search;
    const compiled = position.compiled as CompiledInstrument;
    const asset = (box.assets[position.asset] as BoxAsset).compiled as CompiledAsset;
    // Without a size curve more balance never counts for less, so in the pool's favour there is no limit to funding, nor to the
    // mark where the requirement falls with it.
    const rising = clear && open && (box.isolated || asset.curve === 0);
    const free = rising && (position.value < 0 || compiled.entryNotional);
    const long = position.exposure > 0;
    const low = free && !long ? -Infinity : position.low;
    const high = free && long ? Infinity : position.high;
    this.watchFactor(pool, compiled.markFactor, low, high, clear);
    if (clear && position.fundingWindow) return;
    const { funding, fundingAgainst, fundingAlong } = position;
    if (long)
      this.watchFactor(
        pool,
        compiled.fundingFactor,
        rising ? -Infinity : funding - fundingAlong,
        funding + fundingAgainst,
        clear,
      );
    else
      this.watchFactor(
        pool,
        compiled.fundingFactor,
        funding - fundingAgainst,
        rising ? Infinity : funding + fundingAlong,
        clear,
      );
  }

  private watchFactor(pool: number, factor: number, low: number, high: number, clear: boolean): void {
    const { rings } = this;
    let entry = this.nextOld;
    if (entry >= 0 && rings.factorOf(entry) === factor) this.nextOld = rings.nextOf(entry);
    else entry = rings.take(pool, factor);
    if (this.lastKept < 0) this.firsts[pool] = entry;
    else rings.setNext(this.lastKept, entry);
    this.lastKept = entry;
    const value = (this.book.market.factors[factor] as number) - (this.origins[factor] as number);
    if (clear) rings.setBand(entry, low, high, value);
    else rings.setBand(entry, value, value, value);
  }

  /** Ends the pool's chain after the entries kept and frees those that are left of the old one. */
  private dropOld(pool: number): void {
    const { rings } = this;
    if (this.lastKept < 0) this.firsts[pool] = -1;
    else rings.setNext(this.lastKept, -1);
    let entry = this.nextOld;
    while (entry >= 0) {
      const next = rings.nextOf(entry);
      rings.free(entry);
      entry = next;
    }
    this.nextOld = -1;
  }
}
