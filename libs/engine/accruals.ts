import { Rational } from "#libs/decimal/index.ts";
import { OutOfRange } from "./columns.ts";
import { nearestFloat } from "./floats.ts";
import type { Reader, Writer } from "./writer.ts";

/** So many payments may wait unbooked per instrument; `settle` entries must book them before. */
export const unsettledEpochsMax = 1000;

/**
 * FUND-03: the funding payments of one instrument. Epoch e is the state after e payments; a position remembers the
 * epoch it was booked at, and what it owes since is the sum of the payments after it.
 */
export class Accruals {
  /** Number of payments that are no longer kept: nobody needs them. */
  private base = 0;
  private readonly increments: Rational[] = [];
  /** By kept epoch: sum of the payments after it, filled from the newest backwards when asked for. */
  private sums: Rational[] = [Rational.zero];
  private floats: number[] = [0];

  get epoch(): number {
    return this.base + this.increments.length;
  }

  /** Adds a payment; throws `OutOfRange` with nothing changed when too many wait already. */
  add(increment: Rational): void {
    if (this.increments.length >= unsettledEpochsMax)
      throw new OutOfRange("unsettled funding payments", BigInt(this.epoch), BigInt(unsettledEpochsMax));
    this.increments.push(increment.reduced());
    this.sums = [Rational.zero];
    this.floats = [0];
  }

  /** What +1 contract owes for the payments after `epoch`, settle asset; throws `RangeError` for one not kept. */
  since(epoch: number): Rational {
    const back = this.back(epoch);
    for (let known = this.sums.length; known <= back; known += 1) {
      const increment = this.increments[this.increments.length - known] as Rational;
      const sum = (this.sums[known - 1] as Rational).plus(increment).reduced();
      this.sums.push(sum);
      this.floats.push(nearestFloat(sum));
    }
    return this.sums[back] as Rational;
  }

  /** The float nearest to `since(epoch)`. */
  sinceFloat(epoch: number): number {
    const back = this.back(epoch);
    if (back >= this.floats.length) this.since(epoch);
    return this.floats[back] as number;
  }

  /** Forgets the payments up to `epoch`, which no open position may be older than. */
  rebase(epoch: number): void {
    const forgotten = Math.min(epoch, this.epoch) - this.base;
    if (forgotten <= 0) return;
    this.increments.splice(0, forgotten);
    this.base += forgotten;
    this.sums.length = Math.min(this.sums.length, this.increments.length + 1);
    this.floats.length = this.sums.length;
  }

  private back(epoch: number): number {
    if (epoch < this.base || epoch > this.epoch) throw new RangeError(`no funding epoch ${epoch} is kept`);
    return this.epoch - epoch;
  }

  save(writer: Writer): void {
    writer.natural(this.base);
    writer.natural(this.increments.length);
    for (const increment of this.increments) writer.rational(increment);
  }

  static load(reader: Reader): Accruals {
    const accruals = new Accruals();
    accruals.base = reader.natural();
    const count = reader.count();
    for (let at = 0; at < count; at += 1) accruals.increments.push(reader.rational());
    return accruals;
  }
}
