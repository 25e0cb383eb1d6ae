import { grownCapacity } from "./columns.ts";
import { keyOf, roundInward } from "./float-bits.ts";

/**
 * Where entries wait on one side of a factor: a ring of buckets by the high bits of the bound as a 32-bit float (ten bits
 * within a factor of two), so that a move looks only at the buckets it passes, and no logarithm is needed. A bucket holds a
 * doubly linked list; an entry may wait nearer than its bound and is moved on when it is met there.
 */
const ringBits = 11;
const ringSize = 1 << ringBits;
const ringMask = ringSize - 1;

/** Bytes of one entry: ten words of 32 bits, the last two floats. */
export const entryBytes = 40;
const words = entryBytes / 4;
const poolWord = 0;
const factorWord = 1;
const nextWord = 2;
/** Previous and next in the ring of lower bounds; those of upper bounds follow. */
const previousWord = 3;
const followingWord = 4;
/** The buckets that the two bounds wait in, sixteen bits each. */
const bucketsWord = 7;
const lowWord = 8;
const highWord = 9;
const unlinked = 0xffff;

/** All entries of all pools, the chains of entries by pool, and two rings by factor. */
export class FactorRings {
  private integers = new Int32Array(16 * words);
  private floats = new Float32Array(this.integers.buffer);
  private used = 0;
  private firstFree = -1;
  /** First entry by bucket: per factor the ring of lower bounds, then that of upper bounds. −1: none. */
  private heads = new Int32Array(0);
  private factorCount = 0;
  /** Entries in use. */
  count = 0;

  get bytes(): number {
    return this.integers.byteLength + this.heads.byteLength;
  }

  /** Makes room for factors up to `count`. */
  growFactors(count: number): void {
    if (count <= this.factorCount) return;
    const heads = new Int32Array(count * 2 * ringSize).fill(-1);
    heads.set(this.heads);
    this.heads = heads;
    this.factorCount = count;
  }

  /** Forgets every entry. */
  clear(): void {
    this.heads.fill(-1);
    this.used = 0;
    this.firstFree = -1;
    this.count = 0;
  }

  poolOf(entry: number): number {
    return this.integers[entry * words + poolWord] as number;
  }
  factorOf(entry: number): number {
    return this.integers[entry * words + factorWord] as number;
  }
  /** The next entry of the same pool; −1: the last. */
  nextOf(entry: number): number {
    return this.integers[entry * words + nextWord] as number;
  }
  setNext(entry: number, next: number): void {
    this.integers[entry * words + nextWord] = next;
  }
  lowOf(entry: number): number {
    return this.floats[entry * words + lowWord] as number;
  }
  highOf(entry: number): number {
    return this.floats[entry * words + highWord] as number;
  }

  /** A new entry, in no ring and last of its pool. */
  take(pool: number, factor: number): number {
    let entry = this.firstFree;
    if (entry >= 0) this.firstFree = this.nextOf(entry);
    else {
      entry = this.used;
      this.used += 1;
      if (this.used * words > this.integers.length) this.growEntries();
    }
    const at = entry * words;
    this.integers[at + poolWord] = pool;
    this.integers[at + factorWord] = factor;
    this.integers[at + nextWord] = -1;
    this.integers[at + bucketsWord] = (unlinked << 16) | unlinked;
    this.count += 1;
    return entry;
  }

  private growEntries(): void {
    const integers = new Int32Array(grownCapacity(this.integers.length / words, this.used) * words);
    integers.set(this.integers);
    this.integers = integers;
    this.floats = new Float32Array(integers.buffer);
  }

  /** Takes an entry out of its rings and frees it; its pool's chain is the caller's. */
  free(entry: number): void {
    this.unlink(entry, 0);
    this.unlink(entry, 1);
    this.integers[entry * words + poolWord] = -1;
    this.setNext(entry, this.firstFree);
    this.firstFree = entry;
    this.count -= 1;
  }

  /**
   * Sets the band of an entry around the factor's present value. Infinite: nothing waits on that side. A band that would not hold
   * the value itself in 32 bits becomes one that any move leaves.
   */
  setBand(entry: number, low: number, high: number, value: number): void {
    const at = entry * words;
    let least = low === -Infinity ? low : roundInward(low, true);
    let most = high === Infinity ? high : roundInward(high, false);
    const key = keyOf(value);
    if (least <= value && most >= value) {
      this.place(entry, 0, least === -Infinity ? -1 : key - keyOf(least), key);
      this.place(entry, 1, most === Infinity ? -1 : keyOf(most) - key, key);
    } else {
      least = Infinity;
      most = -Infinity;
      this.place(entry, 0, 0, key);
      this.place(entry, 1, 0, key);
    }
    this.floats[at + lowWord] = least;
    this.floats[at + highWord] = most;
  }

  /**
   * Puts an entry `distance` buckets away from the value's key (−1: nowhere). One that already waits no further away stays: it will
   * be met in time and moved on then, and most are never met.
   */
  private place(entry: number, side: number, distance: number, key: number): void {
    const packed = this.integers[entry * words + bucketsWord] as number;
    const bucket = side === 0 ? packed & 0xffff : packed >>> 16;
    if (bucket !== unlinked) {
      if (distance >= 0) {
        const away = side === 0 ? (key - bucket) & ringMask : (bucket - key) & ringMask;
        if (away <= distance) return;
      }
      this.unlink(entry, side);
    }
    if (distance < 0) return;
    this.link(entry, side, (side === 0 ? key - distance : key + distance) & ringMask);
  }

  private link(entry: number, side: number, bucket: number): void {
    const { integers } = this;
    const at = entry * words;
    const head = ((integers[at + factorWord] as number) * 2 + side) * ringSize + bucket;
    const first = this.heads[head] as number;
    integers[at + previousWord + 2 * side] = -1;
    integers[at + followingWord + 2 * side] = first;
    if (first >= 0) integers[first * words + previousWord + 2 * side] = entry;
    this.heads[head] = entry;
    const packed = integers[at + bucketsWord] as number;
    integers[at + bucketsWord] = side === 0 ? (packed & ~0xffff) | bucket : (packed & 0xffff) | (bucket << 16);
  }

  private unlink(entry: number, side: number): void {
    const { integers } = this;
    const at = entry * words;
    const packed = integers[at + bucketsWord] as number;
    const bucket = side === 0 ? packed & 0xffff : packed >>> 16;
    if (bucket === unlinked) return;
    const previous = integers[at + previousWord + 2 * side] as number;
    const following = integers[at + followingWord + 2 * side] as number;
    if (previous >= 0) integers[previous * words + followingWord + 2 * side] = following;
    else this.heads[((integers[at + factorWord] as number) * 2 + side) * ringSize + bucket] = following;
    if (following >= 0) integers[following * words + previousWord + 2 * side] = previous;
    integers[at + bucketsWord] = side === 0 ? packed | unlinked : (packed & 0xffff) | (unlinked << 16);
  }

  /**
   * A factor has moved: appends to `popped` each pool whose band it has left, unless `out` marks the pool already, and marks it.
   * NaN, an unknown price, before or after: every pool that depends on the factor.
   */
  move(factor: number, before: number, after: number, out: Uint8Array, popped: number[]): void {
    if (!(before === before && after === after)) {
      this.scan(factor, 0, 0, ringMask, NaN, out, popped);
      this.scan(factor, 1, 0, ringMask, NaN, out, popped);
      return;
    }
    const first = keyOf(before);
    const last = keyOf(after);
    if (after < before) this.scan(factor, 0, last, first, after, out, popped);
    else if (after > before) this.scan(factor, 1, first, last, after, out, popped);
  }

  /** Looks at the buckets of the keys from `first` to `last`, those nearest to where the factor came from first. */
  private scan(
    factor: number,
    side: number,
    first: number,
    last: number,
    value: number,
    out: Uint8Array,
    popped: number[],
  ): void {
    const steps = Math.min(last - first, ringMask);
    const ring = (factor * 2 + side) * ringSize;
    for (let step = 0; step <= steps; step += 1) {
      const bucket = (side === 0 ? last - step : first + step) & ringMask;
      let entry = this.heads[ring + bucket] as number;
      while (entry >= 0) {
        const at = entry * words;
        const following = this.integers[at + followingWord + 2 * side] as number;
        const bound = this.floats[at + lowWord + side] as number;
        if (side === 0 ? !(value >= bound) : !(value <= bound)) {
          const pool = this.integers[at + poolWord] as number;
          if (out[pool] === 0) {
            out[pool] = 1;
            popped.push(pool);
          }
        } else this.moveOn(entry, side, bucket, bound);
        entry = following;
      }
    }
  }

  /** An entry was met before its bound: it goes to the bucket of the bound. */
  private moveOn(entry: number, side: number, bucket: number, bound: number): void {
    const own = keyOf(bound) & ringMask;
    if (own === bucket) return;
    this.unlink(entry, side);
    this.link(entry, side, own);
  }
}
