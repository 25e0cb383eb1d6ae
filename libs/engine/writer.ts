import { Rational } from "#libs/decimal/index.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

const chunkBytes = 1 << 16;
/** Bytes that any single fixed-size write needs at most. */
const reserveBytes = 32;

/**
 * Bytes in one canonical encoding: every value has exactly one form, little-endian, the same on every machine.
 * With a `sink` full chunks are handed on as they fill (to a digest or a file) and `finish` hands on the rest; the
 * chunk is only valid during the call. Without one everything is kept for `bytes`.
 */
export class Writer {
  private readonly sink: ((chunk: Uint8Array) => void) | undefined;
  private buffer = new Uint8Array(chunkBytes);
  private view = new DataView(this.buffer.buffer);
  private at = 0;

  constructor(sink?: (chunk: Uint8Array) => void) {
    this.sink = sink;
  }

  /** A copy of all that was written; only without a sink. */
  bytes(): Uint8Array {
    return this.buffer.slice(0, this.at);
  }

  /** Hands the last chunk to the sink. */
  finish(): void {
    this.sink?.(this.buffer.subarray(0, this.at));
    if (this.sink) this.at = 0;
  }

  private room(needed: number): void {
    if (this.at + needed <= this.buffer.length) return;
    if (this.sink && this.at > 0) this.finish();
    if (this.at + needed <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.at + needed));
    grown.set(this.buffer.subarray(0, this.at));
    this.buffer = grown;
    this.view = new DataView(grown.buffer);
  }

  /** 0..255. */
  byte(value: number): void {
    this.room(1);
    this.buffer[this.at] = value;
    this.at += 1;
  }

  flag(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  int32(value: number): void {
    this.room(4);
    this.view.setInt32(this.at, value, true);
    this.at += 4;
  }

  /** Any float, by its bits; also times and other whole numbers up to 2^53. */
  float64(value: number): void {
    this.room(8);
    this.view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  /** A whole number 0 … 2^53 − 1, seven bits per byte, lowest first. */
  natural(value: number): void {
    this.room(8);
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[this.at] = (rest % 0x80) | 0x80;
      this.at += 1;
      rest = Math.floor(rest / 0x80);
    }
    this.buffer[this.at] = rest;
    this.at += 1;
  }

  /** Any integer: twice its length in bytes plus one if negative, then its magnitude, lowest byte first. */
  integer(value: bigint): void {
    const negative = value < 0n;
    let rest = negative ? -value : value;
    if (rest < 0x1_0000_0000n) return this.smallInteger(Number(rest), negative);
    let words = 0;
    for (let left = rest; left > 0n; left >>= 64n) words += 1;
    this.room(reserveBytes + words * 8);
    const top = rest >> BigInt(64 * (words - 1));
    const length = 8 * (words - 1) + byteLength(top);
    this.natural(length * 2 + (negative ? 1 : 0));
    for (let word = 0; word < words; word += 1) {
      this.view.setBigUint64(this.at + word * 8, BigInt.asUintN(64, rest), true);
      rest >>= 64n;
    }
    this.at += length;
  }

  private smallInteger(magnitude: number, negative: boolean): void {
    this.room(reserveBytes);
    const length = magnitude === 0 ? 0 : 4 - (Math.clz32(magnitude) >> 3);
    this.buffer[this.at] = length * 2 + (negative ? 1 : 0);
    this.view.setUint32(this.at + 1, magnitude, true);
    this.at += 1 + length;
  }

  /** An exact fraction in lowest terms, so that equal values have equal bytes. */
  rational(value: Rational): void {
    const { numerator, denominator } = value.reduced();
    this.integer(numerator);
    this.integer(denominator);
  }

  /** A fraction or null. */
  optionalRational(value: Rational | null): void {
    this.flag(value !== null);
    if (value !== null) this.rational(value);
  }

  text(value: string): void {
    const bytes = encoder.encode(value);
    this.natural(bytes.length);
    this.raw(bytes);
  }

  /** Bytes as they are, without their length. */
  raw(bytes: Uint8Array): void {
    if (this.sink && bytes.length > chunkBytes) {
      this.finish();
      this.sink(bytes);
      return;
    }
    this.room(bytes.length);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
  }
}

/** Bytes that a natural below 2^64 takes. */
function byteLength(value: bigint): number {
  const high = Number(value >> 32n);
  if (high > 0) return 8 - (Math.clz32(high) >> 3);
  return value === 0n ? 0 : 4 - (Math.clz32(Number(value)) >> 3);
}

/** Thrown when bytes end early or hold what no writer writes. */
export class Unreadable extends Error {
  readonly code = "unreadable";
  constructor(message: string) {
    super(message);
    this.name = "Unreadable";
  }
}

/** Reads what `Writer` wrote, in the same order. Throws `Unreadable` instead of returning anything doubtful. */
export class Reader {
  private readonly buffer: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.buffer = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get ended(): boolean {
    return this.at === this.buffer.length;
  }

  private take(length: number): number {
    const at = this.at;
    if (at + length > this.buffer.length) throw new Unreadable(`the bytes end at ${this.buffer.length}`);
    this.at = at + length;
    return at;
  }

  byte(): number {
    return this.buffer[this.take(1)] as number;
  }

  flag(): boolean {
    const byte = this.byte();
    if (byte > 1) throw new Unreadable(`a flag is 0 or 1, not ${byte}`);
    return byte === 1;
  }

  int32(): number {
    return this.view.getInt32(this.take(4), true);
  }

  float64(): number {
    return this.view.getFloat64(this.take(8), true);
  }

  natural(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 53; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER || (byte === 0 && scale > 1)) break;
        return value;
      }
    }
    throw new Unreadable("not a natural number in its one form");
  }

  /** How many items of at least one byte follow; more than there are bytes is refused before room is made for them. */
  count(): number {
    const count = this.natural();
    if (count > this.buffer.length - this.at) throw new Unreadable(`${count} items do not fit the bytes left`);
    return count;
  }

  integer(): bigint {
    const head = this.natural();
    const length = head >>> 1;
    const at = this.take(length);
    if (length > 0 && this.buffer[at + length - 1] === 0) throw new Unreadable("not an integer in its one form");
    if (length === 0 && head !== 0) throw new Unreadable("there is no negative zero");
    let value = 0n;
    let left = length;
    for (; left % 8 !== 0; left -= 1) value = (value << 8n) | BigInt(this.buffer[at + left - 1] as number);
    for (; left > 0; left -= 8) value = (value << 64n) | this.view.getBigUint64(at + left - 8, true);
    return (head & 1) === 1 ? -value : value;
  }

  rational(): Rational {
    const numerator = this.integer();
    const denominator = this.integer();
    if (denominator <= 0n) throw new Unreadable("a denominator is positive");
    return Rational.fraction(numerator, denominator);
  }

  optionalRational(): Rational | null {
    return this.flag() ? this.rational() : null;
  }

  text(): string {
    const length = this.natural();
    const at = this.take(length);
    try {
      return decoder.decode(this.buffer.subarray(at, at + length));
    } catch {
      throw new Unreadable("not UTF-8");
    }
  }

  raw(length: number): Uint8Array {
    const at = this.take(length);
    return this.buffer.subarray(at, at + length);
  }
}
