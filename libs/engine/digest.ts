/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4). */
const roundConstants = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
]);

const initialState = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
] as const;

const blockBytes = 64;

/**
 * SHA-256, incremental, over bytes. The engine is pure and may not import the runtime's own; this one is tested
 * against it. Use: `new Digest().update(bytes).update(more).hex()`; after `hex` or `bytes` nothing may be added.
 */
export class Digest {
  private readonly state = Int32Array.from(initialState);
  private readonly schedule = new Int32Array(64);
  private readonly block = new Uint8Array(blockBytes);
  private filled = 0;
  private length = 0;
  private finished = false;

  update(bytes: Uint8Array): this {
    if (this.finished) throw new RangeError("a finished digest takes no more bytes");
    this.length += bytes.length;
    let at = 0;
    if (this.filled > 0) {
      at = Math.min(blockBytes - this.filled, bytes.length);
      this.block.set(bytes.subarray(0, at), this.filled);
      this.filled += at;
      if (this.filled < blockBytes) return this;
      this.compress(this.block, 0);
      this.filled = 0;
    }
    for (; at + blockBytes <= bytes.length; at += blockBytes) this.compress(bytes, at);
    if (at < bytes.length) {
      this.block.set(bytes.subarray(at));
      this.filled = bytes.length - at;
    }
    return this;
  }

  /** The 32 bytes of the digest; finishes it. */
  bytes(): Uint8Array {
    if (!this.finished) this.finish();
    const out = new Uint8Array(32);
    const view = new DataView(out.buffer);
    for (let word = 0; word < 8; word += 1) view.setInt32(word * 4, this.state[word] as number);
    return out;
  }

  /** The digest as 64 lower-case hexadecimal digits; finishes it. */
  hex(): string {
    let text = "";
    for (const byte of this.bytes()) text += byte.toString(16).padStart(2, "0");
    return text;
  }

  private finish(): void {
    const tail = new Uint8Array(this.filled < 56 ? blockBytes : 2 * blockBytes);
    tail.set(this.block.subarray(0, this.filled));
    tail[this.filled] = 0x80;
    const view = new DataView(tail.buffer);
    view.setUint32(tail.length - 8, Math.floor(this.length / 2 ** 29));
    view.setUint32(tail.length - 4, (this.length % 2 ** 29) * 8);
    for (let at = 0; at < tail.length; at += blockBytes) this.compress(tail, at);
    this.finished = true;
  }

  private expand(bytes: Uint8Array, at: number): Int32Array {
    const w = this.schedule;
    for (let t = 0, p = at; t < 16; t += 1, p += 4)
      w[t] =
        ((bytes[p] as number) << 24) |
        ((bytes[p + 1] as number) << 16) |
        ((bytes[p + 2] as number) << 8) |
        (bytes[p + 3] as number);
    for (let t = 16; t < 64; t += 1) {
      const x = w[t - 15] as number;
      const y = w[t - 2] as number;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[t] = ((w[t - 16] as number) + s0 + (w[t - 7] as number) + s1) | 0;
    }
    return w;
  }

  private compress(bytes: Uint8Array, at: number): void {
    const w = this.expand(bytes, at);
    const { state } = this;
    // Eight plain variables: taking them from the array one by one lets the compiler keep them in registers.
    let a = state[0] as number;
    let b = state[1] as number;
    let c = state[2] as number;
    let d = state[3] as number;
    let e = state[4] as number;
    let f = state[5] as number;
    let g = state[6] as number;
    let h = state[7] as number;
    for (let t = 0; t < 64; t += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + (g ^ (e & (f ^ g))) + (roundConstants[t] as number) + (w[t] as number)) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) | (c & (a | b)))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    state[0] = (state[0] as number) + a;
    state[1] = (state[1] as number) + b;
    state[2] = (state[2] as number) + c;
    state[3] = (state[3] as number) + d;
    state[4] = (state[4] as number) + e;
    state[5] = (state[5] as number) + f;
    state[6] = (state[6] as number) + g;
    state[7] = (state[7] as number) + h;
  }
}

/** SHA-256 of all of `bytes`, as 64 lower-case hexadecimal digits. */
export function sha256(bytes: Uint8Array): string {
  return new Digest().update(bytes).hex();
}
