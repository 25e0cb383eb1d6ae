import { Rational } from "#libs/decimal/index.ts";
import type { Motion } from "./motion.ts";
import type { Standing } from "./thresholds.ts";

/** Which way of the price hurts: where two crossings are equally near, that one is taken. */
export type Adverse = "down" | "up";

/** `f = E_M − k·MM` along an open interval, by its values towards both ends; null at an end without limit. */
interface Piece {
  readonly near: Rational | null;
  readonly far: Rational | null;
  /** f is `base + slope·t`. */
  readonly base: Rational;
  readonly slope: Rational;
  /** Without maintenance margin there is no ratio that could be at or below anything. */
  readonly judged: boolean;
}

interface Interval {
  readonly near: Rational;
  /** Zero, or null for infinity, where nothing is left to cross. */
  readonly far: Rational | null;
  readonly first: Rational;
  readonly second: Rational;
  /** The standings at `first` and `second`, which tell the slope, and at `far`, where it may jump; looked up when first needed. */
  readonly inside: () => readonly [Standing, Standing];
  readonly end: () => Standing;
}

const three = Rational.ofInteger(3);

/** HEALTH-10: whether the ratio is at or below k; without maintenance margin there is none (HEALTH-03). */
export function within({ maintenanceEquity, mm }: Standing, k: Rational): boolean {
  return mm.sign > 0 && maintenanceEquity.atMost(k.times(mm));
}

export function slack({ maintenanceEquity, mm }: Standing, k: Rational): Rational {
  return maintenanceEquity.minus(k.times(mm));
}

function lazily<Result>(make: () => Result): () => Result {
  let made: { readonly result: Result } | null = null;
  return () => (made ??= { result: make() }).result;
}

/** Two short fractions strictly between two numbers (null: infinity), because health at a long fraction is slow to compute. */
function pointsBetween(low: Rational, high: Rational | null): readonly [Rational, Rational] {
  if (high === null) {
    const whole = low.floorIn(Rational.one);
    return [Rational.ofInteger(whole + 1n), Rational.ofInteger(whole + 2n)];
  }
  const width = high.minus(low);
  let parts = 1n;
  while (width.times(Rational.ofInteger(parts)).below(three)) parts <<= 1n;
  const first = low.floorIn(Rational.fraction(1n, parts)) + 1n;
  return [Rational.fraction(first, parts), Rational.fraction(first + 1n, parts)];
}

/** The intervals from 1 outward in the variable `t`, down to zero or up to infinity. */
function intervals(breaks: readonly Rational[], down: boolean, at: (t: Rational) => Standing): readonly Interval[] {
  const stops = down
    ? breaks.filter((point) => point.below(Rational.one)).toReversed()
    : breaks.filter((point) => point.above(Rational.one));
  let near = Rational.one;
  return [...stops, down ? Rational.zero : null].map((far) => {
    const [first, second] = down ? pointsBetween(far ?? Rational.zero, near) : pointsBetween(near, far);
    const inside = lazily((): readonly [Standing, Standing] => [at(first), at(second)]);
    const interval = { near, far, first, second, inside, end: lazily(() => at(far ?? second)) };
    if (far !== null) near = far;
    return interval;
  });
}

function pieceOf({ near, far, first, second, inside }: Interval, k: Rational): Piece {
  const [one, other] = inside();
  const [low, high] = [slack(one, k), slack(other, k)];
  const slope = high.minus(low).dividedBy(second.minus(first));
  const base = low.minus(slope.times(first));
  const at = (t: Rational | null): Rational | null => (t === null ? null : base.plus(slope.times(t)));
  return { near: at(near), far: at(far), base, slope, judged: one.mm.sign > 0 };
}

/** Whether f ≤ 0 just inside the piece, seen from the end where it takes `value`; `inward` is f's direction from there. */
function insideAt(value: Rational | null, inward: number, judged: boolean): boolean {
  if (!judged) return false;
  // At an end without limit the slope alone decides, and a flat piece by its constant, which the caller passes.
  return value === null || value.isZero() ? inward <= 0 : value.sign < 0;
}

interface Search {
  /** Towards zero. */
  readonly down: boolean;
  /** What lies beyond is of no interest; null: everything is. */
  readonly limit: Rational | null;
}

/** The first boundary of `{f ≤ 0}` from 1 outward over `path`, as a value of `t`; null: none. */
function outward(
  path: readonly Interval[],
  { down, limit }: Search,
  jumps: boolean,
  start: Standing,
  k: Rational,
): Rational | null {
  let state = within(start, k);
  for (const interval of path) {
    if (limit !== null && (down ? interval.near.below(limit) : interval.near.above(limit))) return null;
    const piece = pieceOf(interval, k);
    const away = down ? -piece.slope.sign : piece.slope.sign;
    const nearInside = insideAt(piece.near, away, piece.judged);
    if (nearInside !== state) return interval.near;
    const open = away === 0 ? piece.base.sign : away;
    const farInside = insideAt(piece.far, piece.far === null ? open : -away, piece.judged);
    if (farInside !== nearInside) return piece.base.dividedBy(piece.slope).negated();
    if (interval.far === null || interval.far.isZero()) return null;
    // Without jumps the standing at the end is the limit of the piece; only where the limit is zero must it be looked up.
    state = jumps || piece.far?.isZero() === true || !piece.judged ? within(interval.end(), k) : farInside;
    if (state !== farInside) return interval.far;
  }
  return null;
}

/** Of the crossings below and above the price as it is, as factors, the nearer; at a tie the adverse one. */
export function nearer(below: Rational | null, above: Rational | null, adverse: Adverse): Rational | null {
  if (below === null || above === null) return below ?? above;
  const order = Rational.one.minus(below).compare(above.minus(Rational.one));
  return order < 0 || (order === 0 && adverse === "down") ? below : above;
}

/**
 * HEALTH-10 to HEALTH-12: for a motion that is not curved, a function from k to the factor nearest to 1 at which `E_M ≤ k·MM` begins or
 * ends. Exact: the roots are those of the affine pieces.
 */
export function affineCrossings(motion: Motion, adverse: Adverse): (k: Rational) => Rational | null {
  const reciprocal = motion.shape === "reciprocal";
  const turned = (t: Rational): Rational => (reciprocal ? Rational.one.dividedBy(t) : t);
  const at = (t: Rational): Standing => motion.at(turned(t));
  const breaks = reciprocal ? motion.breakpoints.map(turned).toReversed() : motion.breakpoints;
  const start = lazily(() => at(Rational.one));
  const paths = { lower: intervals(breaks, !reciprocal, at), higher: intervals(breaks, reciprocal, at) };
  const search = (path: readonly Interval[], down: boolean, limit: Rational | null, k: Rational): Rational | null => {
    const found = outward(path, { down, limit }, motion.jumps, start(), k);
    return found === null ? null : turned(found);
  };
  return (k) => {
    const lower = search(paths.lower, !reciprocal, null, k);
    // A crossing above counts only up to the same distance.
    const limit = lower === null ? null : turned(Rational.ofInteger(2).minus(lower));
    return nearer(lower, search(paths.higher, reciprocal, limit, k), adverse);
  };
}
