/**
 * A seeded source of chance: sfc32 (Chris Doty-Humphrey's small fast counting generator), 128 bits of state.
 * The same seed gives the same numbers on every machine; nothing here reads a clock or the platform's own chance.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  #spare: number | null = null;

  /** Streams with the same seed and another `stream` are independent: one per account, so that any account can be drawn alone. */
  constructor(seed: number, stream: number = 0) {
    this.#a = mixed(seed >>> 0, 0x9e3779b9);
    this.#b = mixed(stream >>> 0, 0x85ebca6b);
    this.#c = mixed(Math.floor(stream / 0x1_0000_0000) ^ Math.floor(seed / 0x1_0000_0000), 0xc2b2ae35);
    for (let round = 0; round < 12; round += 1) this.bits();
  }

  /** 32 random bits as a number in [0, 2^32). */
  bits(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1), on a grid of 2^-32. */
  unit(): number {
    return this.bits() / 0x1_0000_0000;
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * this.unit();
  }

  /** A whole number in [0, count). */
  below(count: number): number {
    return Math.floor(this.unit() * count);
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  /** Standard normal, by the polar method, which needs no angle. */
  normal(): number {
    const spare = this.#spare;
    if (spare !== null) {
      this.#spare = null;
      return spare;
    }
    for (;;) {
      const x = this.uniform(-1, 1);
      const y = this.uniform(-1, 1);
      const square = x * x + y * y;
      if (square === 0 || square >= 1) continue;
      const scale = Math.sqrt((-2 * Math.log(square)) / square);
      this.#spare = y * scale;
      return x * scale;
    }
  }

  /** `median` is the value half of the draws are below; `spread` the standard deviation of the logarithm. */
  lognormal(median: number, spread: number): number {
    return median * Math.exp(spread * this.normal());
  }

  /** At least `least`; the smaller `shape`, the heavier the tail. */
  pareto(least: number, shape: number): number {
    return least / Math.pow(1 - this.unit(), 1 / shape);
  }

  /** Uniform in the logarithm: as likely between 2 and 4 as between 4 and 8. */
  logUniform(low: number, high: number): number {
    return low * Math.exp(this.unit() * Math.log(high / low));
  }
}

/** Spreads the bits of a seed that people choose (0, 1, 2 …) over the whole word. */
function mixed(value: number, salt: number): number {
  let word = (value ^ salt) | 0;
  word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
  word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
  return (word ^ (word >>> 15)) | 0;
}

/** Draws one of several values by weight. Weights need not sum to one; at least one must be positive. */
export class Categorical<Value> {
  readonly #values: readonly Value[];
  readonly #cumulative: readonly number[];

  constructor(weighted: Iterable<readonly [value: Value, weight: number]>) {
    const values: Value[] = [];
    const cumulative: number[] = [];
    let total = 0;
    for (const [value, weight] of weighted) {
      if (!(weight > 0)) continue;
      total += weight;
      values.push(value);
      cumulative.push(total);
    }
    if (values.length === 0) throw new RangeError("a categorical draw needs a positive weight");
    this.#values = values;
    this.#cumulative = cumulative;
  }

  draw(random: Random): Value {
    const at = random.unit() * (this.#cumulative.at(-1) as number);
    let low = 0;
    let high = this.#values.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at < (this.#cumulative[middle] as number)) high = middle;
      else low = middle + 1;
    }
    return this.#values[low] as Value;
  }
}
