/** The largest magnitude a two-limb column holds: 127 bits, so that the negative of every stored value fits as well. */
export const wideMax = (1n << 127n) - 1n;

/** NUM-07: thrown before anything is stored when a value does not fit; nothing has changed then. */
export class OutOfRange extends Error {
  readonly code = "out_of_range";
  /** Which column or quantity refused. */
  readonly what: string;
  readonly value: bigint;
  /** The largest permitted magnitude. */
  readonly bound: bigint;
  constructor(what: string, value: bigint, bound: bigint) {
    super(`${what} ${value} is out of range: at most ${bound} either way`);
    this.name = "OutOfRange";
    this.what = what;
    this.value = value;
    this.bound = bound;
  }
}

/** NUM-07: refuses a magnitude above 127 bits; a typed array would wrap it silently. */
export function checkWide(value: bigint, what: string): void {
  if (value > wideMax || value < -wideMax) throw new OutOfRange(what, value, wideMax);
}

/** Whether this machine keeps the low byte first; the files and hashes are little-endian everywhere. */
export const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Where the sign of the low limb stands among the four 32-bit words of a row. */
const signWord = littleEndian ? 1 : 0;

/** Small columns double; large ones grow by an eighth, so that appending stays cheap and little memory stands empty. */
const doublingMax = 65_536;

/** The capacity to grow to. */
export function grownCapacity(capacity: number, needed: number): number {
  let next = Math.max(capacity, 16);
  while (next < needed) next = next < doublingMax ? next * 2 : (next + (next >> 3) + 15) & ~15;
  return next;
}

/** Signed integers of up to 127 bits by row, two 64-bit limbs each (low unsigned, high signed). New rows are zero. */
export class WideColumn {
  private readonly what: string;
  /** Three views of one buffer: 32-bit words to look without making a bigint, 64-bit limbs to read and write. */
  private words: Int32Array;
  private limbs: BigInt64Array;
  private naturals: BigUint64Array;

  constructor(capacity: number, what = "amount") {
    this.what = what;
    const buffer = new ArrayBuffer(capacity * 16);
    this.words = new Int32Array(buffer);
    this.limbs = new BigInt64Array(buffer);
    this.naturals = new BigUint64Array(buffer);
  }

  get capacity(): number {
    return this.limbs.length >> 1;
  }
  get bytes(): number {
    return this.limbs.byteLength;
  }

  get(row: number): bigint {
    const word = row << 2;
    const sign = (this.words[word + signWord] as number) >> 31;
    const low = row << 1;
    // Nearly every amount fits 64 bits: then the high limb is only the sign and one limb is the value.
    if (this.words[word + 2] === sign && this.words[word + 3] === sign) return this.limbs[low] as bigint;
    return ((this.limbs[low + 1] as bigint) << 64n) | (this.naturals[low] as bigint);
  }

  isZero(row: number): boolean {
    const word = row << 2;
    const { words } = this;
    return words[word] === 0 && words[word + 1] === 0 && words[word + 2] === 0 && words[word + 3] === 0;
  }

  /** Throws `OutOfRange` exactly where `set` would. */
  check(value: bigint): void {
    checkWide(value, this.what);
  }

  /** Stores `value`; throws `OutOfRange` with nothing changed when it needs more than 127 bits. */
  set(row: number, value: bigint): void {
    const low = row << 1;
    const narrow = BigInt.asIntN(64, value);
    if (narrow === value) {
      const word = row << 2;
      this.limbs[low] = narrow;
      const sign = (this.words[word + signWord] as number) >> 31;
      this.words[word + 2] = sign;
      this.words[word + 3] = sign;
      return;
    }
    checkWide(value, this.what);
    this.naturals[low] = BigInt.asUintN(64, value);
    this.limbs[low + 1] = value >> 64n;
  }

  /** Makes room for at least `capacity` rows, keeping what is stored. */
  grow(capacity: number): void {
    if (capacity <= this.capacity) return;
    const buffer = new ArrayBuffer(capacity * 16);
    const words = new Int32Array(buffer);
    words.set(this.words);
    this.words = words;
    this.limbs = new BigInt64Array(buffer);
    this.naturals = new BigUint64Array(buffer);
  }
}

/** A longer copy of an Int32Array, new places holding `fill`. */
export function grownInt32(column: Int32Array, capacity: number, fill = 0): Int32Array<ArrayBuffer> {
  const next = new Int32Array(capacity);
  next.set(column);
  if (fill !== 0) next.fill(fill, column.length);
  return next;
}

/** A longer copy of a Uint8Array, new places zero. */
export function grownUint8(column: Uint8Array, capacity: number): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(capacity);
  next.set(column);
  return next;
}

/** A longer copy of a Float64Array, new places holding `fill`. */
export function grownFloat64(column: Float64Array, capacity: number, fill = 0): Float64Array<ArrayBuffer> {
  const next = new Float64Array(capacity);
  next.set(column);
  if (fill !== 0) next.fill(fill, column.length);
  return next;
}
