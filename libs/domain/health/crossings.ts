import { Rational } from "#libs/decimal/index.ts";
import type { Motion } from "./motion.ts";
import type { Standing } from "./thresholds.ts";

/** Which way of the price hurts: where two crossings are equally near, that one is taken. */
export type Adverse = "down" | "up";

/** `f = E_M − k·MM` along an open interval: the signs of its limits towards both ends, null at an end without limit, and its zero. */
interface Piece {
  readonly near: number | null;
  readonly far: number | null;
  /** Of its slope; where that is flat, `level` is the sign of f. */
  readonly slope: number;
  readonly level: number;
  readonly zero: () => Rational;
  /** Without maintenance margin there is no ratio that could be at or below anything. */
  readonly judged: boolean;
}

interface Sample {
  readonly t: Rational;
  readonly standing: Standing;
}

interface Interval {
  readonly near: Rational;
  /** Zero, or null for infinity, where nothing is left to cross. */
  readonly far: Rational | null;
  /** Two standings of the interval, which tell the slope, and that at `far`, where it may jump; looked up when first needed. */
  readonly inside: () => readonly [Sample, Sample];
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

/** A motion along its own variable `t`, which is 1 at the prices as they are. */
interface Path {
  readonly breaks: readonly Rational[];
  readonly jumps: boolean;
  readonly at: (t: Rational) => Standing;
  readonly start: () => Standing;
}

/** The intervals from 1 outward, down to zero or up to infinity. */
function intervals({ breaks, jumps, at, start }: Path, down: boolean): readonly Interval[] {
  const stops = down
    ? breaks.filter((point) => point.below(Rational.one)).toReversed()
    : breaks.filter((point) => point.above(Rational.one));
  let near = Rational.one;
  return [...stops, down ? Rational.zero : null].map((far) => {
    const from = near;
    const points = lazily(() => (down ? pointsBetween(far ?? Rational.zero, from) : pointsBetween(from, far)));
    const sample = (t: Rational): Sample => ({ t, standing: at(t) });
    const inside = lazily((): readonly [Sample, Sample] => {
      const [first, second] = points();
      // Where nothing jumps the end that is known already lies on the piece too.
      const known = !jumps && from === Rational.one && start().mm.sign > 0;
      return [known ? { t: from, standing: start() } : sample(first), sample(second)];
    });
    if (far !== null) near = far;
    return { near: from, far, inside, end: lazily(() => at(far ?? points()[1])) };
  });
}

/** Signs come from products alone, because quotients make long fractions; only the zero needs one. */
function pieceOf({ near, far, inside }: Interval, k: Rational): Piece {
  const [one, other] = inside();
  const [low, high] = [slack(one.standing, k), slack(other.standing, k)];
  const [rise, run] = [high.minus(low), other.t.minus(one.t)];
  const level = low.times(run);
  const sign = (t: Rational | null): number | null =>
    t === null ? null : level.plus(rise.times(t.minus(one.t))).sign * run.sign;
  return {
    near: sign(near),
    far: sign(far),
    slope: rise.sign * run.sign,
    level: low.sign,
    zero: () => one.t.minus(level.dividedBy(rise)),
    judged: one.standing.mm.sign > 0,
  };
}

/** Whether f ≤ 0 just inside the piece, seen from the end towards which it has `sign`; `inward` is f's direction from there. */
function insideAt(sign: number | null, inward: number, judged: boolean): boolean {
  if (!judged) return false;
  // At an end without limit the slope alone decides, and a flat piece by its level, which the caller passes.
  return sign === null || sign === 0 ? inward <= 0 : sign < 0;
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
    const away = down ? -piece.slope : piece.slope;
    const nearInside = insideAt(piece.near, away, piece.judged);
    if (nearInside !== state) return interval.near;
    const open = away === 0 ? piece.level : away;
    const farInside = insideAt(piece.far, piece.far === null ? open : -away, piece.judged);
    if (farInside !== nearInside) return piece.zero();
    if (interval.far === null || interval.far.isZero()) return null;
    // Without jumps the standing at the end is the limit of the piece; only where the limit is zero must it be looked up.
    state = jumps || piece.far === 0 || !piece.judged ? within(interval.end(), k) : farInside;
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
  const path: Path = { breaks, jumps: motion.jumps, at, start };
  const paths = {
    lower: lazily(() => intervals(path, !reciprocal)),
    higher: lazily(() => intervals(path, reciprocal)),
  };
  const search = (way: readonly Interval[], down: boolean, limit: Rational | null, k: Rational): Rational | null => {
    const found = outward(way, { down, limit }, motion.jumps, start(), k);
    return found === null ? null : turned(found);
  };
  return (k) => {
    const lower = search(paths.lower(), !reciprocal, null, k);
    // A crossing above counts only up to the same distance.
    const limit = lower === null ? null : turned(Rational.ofInteger(2).minus(lower));
    return nearer(lower, search(paths.higher(), reciprocal, limit, k), adverse);
  };
}
