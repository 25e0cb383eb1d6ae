import { Rational } from "#libs/decimal/index.ts";
import type { Adverse } from "./crossings.ts";
import { nearer, slack, within } from "./crossings.ts";
import type { Motion } from "./motion.ts";
import type { Standing } from "./thresholds.ts";

/** Prices are searched to this step. */
const priceStep = Rational.ofUnits(1n, 18);
const two = Rational.ofInteger(2);
/** Steps from the price as it is to zero and to its double, then doublings (halvings) beyond. */
const stepsPerUnit = 32;
const doublings = 40;
/** A dip is narrowed this often before it is taken not to cross: to less than 1e-6 of its width. */
const narrowings = 40;

interface Sample {
  readonly factor: Rational;
  readonly standing: Standing;
}

/** Factors from 1 outward: an even grid, then a geometric one, and every breakpoint. */
function grid(breaks: readonly Rational[], down: boolean): readonly Rational[] {
  const unit = BigInt(stepsPerUnit);
  const found: Rational[] = [];
  for (let step = 1n; step < unit; step += 1n) found.push(Rational.fraction(down ? unit - step : unit + step, unit));
  for (let power = 0n; power <= doublings; power += 1n)
    found.push(down ? Rational.fraction(1n, unit << power) : Rational.ofInteger(2n << power));
  for (const point of breaks) if (down ? point.below(Rational.one) : point.above(Rational.one)) found.push(point);
  const sorted = found.sort((left, right) => left.compare(right));
  return down ? sorted.reverse() : sorted;
}

/** HEALTH-17: the last price, in steps of 1e-18, at which the ratio is within k, between two factors of which one is and one is not. */
function bisect(motion: Motion, mark: Rational, near: Rational, far: Rational, k: Rational): Rational {
  const nearWithin = within(motion.at(near), k);
  let [low, high] = [near.times(mark), far.times(mark)];
  for (;;) {
    const middle = low.plus(high).dividedBy(two).floorTo(priceStep);
    const strictly = middle.above(Rational.min(low, high)) && middle.below(Rational.max(low, high));
    if (!strictly) return (nearWithin ? low : high).dividedBy(mark);
    if (within(motion.at(middle.dividedBy(mark)), k) === nearWithin) low = middle;
    else high = middle;
  }
}

/** A factor between the outer two of three samples on one side of k that is on the other side, if the middle one leads to it. */
function hidden(motion: Motion, samples: readonly [Sample, Sample, Sample], k: Rational): Rational | null {
  const inside = within(samples[1].standing, k);
  const height = (standing: Standing): Rational => (inside ? slack(standing, k).negated() : slack(standing, k));
  const [first, middle, last] = samples.map(({ standing }) => height(standing)) as [Rational, Rational, Rational];
  if (middle.above(first) || middle.above(last)) return null;
  let [from, to] = [samples[0].factor, samples[2].factor];
  for (let round = 0; round < narrowings; round += 1) {
    const third = to.minus(from).dividedBy(Rational.ofInteger(3));
    const [left, right] = [from.plus(third).reduced(), to.minus(third).reduced()];
    const [atLeft, atRight] = [motion.at(left), motion.at(right)];
    if (within(atLeft, k) !== inside) return left;
    if (within(atRight, k) !== inside) return right;
    if (height(atLeft).atMost(height(atRight))) to = right;
    else from = left;
  }
  return null;
}

function outward(motion: Motion, mark: Rational, down: boolean, k: Rational): Rational | null {
  const start: Sample = { factor: Rational.one, standing: motion.at(Rational.one) };
  const state = within(start.standing, k);
  let [before, last]: [Sample | null, Sample] = [null, start];
  for (const factor of grid(motion.breakpoints, down)) {
    if (factor.equals(last.factor)) continue;
    const sample: Sample = { factor, standing: motion.at(factor) };
    if (within(sample.standing, k) !== state) return bisect(motion, mark, last.factor, factor, k);
    const dip = before === null ? null : hidden(motion, [before, last, sample], k);
    if (dip !== null && before !== null) return bisect(motion, mark, before.factor, dip, k);
    [before, last] = [last, sample];
  }
  return null;
}

/**
 * HEALTH-17: the crossings of a motion without affine pieces, searched outward on a grid that holds every jump, then bisected exactly on
 * prices of 18 decimals. A double crossing narrower than the grid is found where the samples around it dip.
 */
export function curvedCrossings(motion: Motion, mark: Rational, adverse: Adverse): (k: Rational) => Rational | null {
  return (k) => nearer(outward(motion, mark, true, k), outward(motion, mark, false, k), adverse);
}
