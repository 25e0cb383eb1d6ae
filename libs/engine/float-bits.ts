const scratch = new Float32Array(1);
const scratchBits = new Int32Array(scratch.buffer);

/** Of the 23 bits behind the point ten are kept: 1024 keys within a factor of two. */
const keyShift = 13;

/** Orders floats as integers, coarsely, by the bits of the nearest 32-bit float; monotone, negative ones included. */
export function keyOf(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0] as number;
  return (bits ^ ((bits >> 31) & 0x7fffffff)) >> keyShift;
}

/** The 32-bit float next to `value` inwards: not below it, or with `up` false not above it. */
export function roundInward(value: number, up: boolean): number {
  const near = Math.fround(value);
  if (up ? near >= value : near <= value) return near;
  scratch[0] = near;
  let bits = scratchBits[0] as number;
  if (near === 0) bits = up ? 1 : -0x7fffffff;
  else bits += near > 0 === up ? 1 : -1;
  scratchBits[0] = bits;
  return scratch[0];
}

/** The largest power of two that is not above a positive number (as a 32-bit float): the bits behind the point cleared. */
export function powerOfTwoBelow(value: number): number {
  scratch[0] = value;
  scratchBits[0] = (scratchBits[0] as number) & 0x7f800000;
  return scratch[0];
}
