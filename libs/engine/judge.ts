import type { Book } from "./book.ts";
import type { CompiledRules, Threshold } from "./compiled-rules.ts";
import { Integers } from "./integers.ts";
import { comparePools as compareIds } from "./pending-pools.ts";
import { Screen } from "./screen.ts";

/** What a judgement calls for. One object is overwritten by every judgement: read it before the next. */
export interface Verdict {
  /** 0 nothing, 2 partial liquidation, 3 full; a pool without requirement and below zero is 3 as well (HEALTH-01). */
  readonly stage: 0 | 2 | 3;
  /** How many warning levels, from the highest, the pool stands at or below (HEALTH-04). */
  readonly warnings: number;
  /** How many warnings stand given after this judgement: the new ones, and those whose ratio is not back far enough above (HEALTH-05). */
  readonly standing: number;
}

/**
 * Judges pools by the float screen, and by exact integers wherever the screen cannot prove the sign. The verdict is always that of
 * the plain rules.
 */
export class Judge {
  readonly integers: Integers;
  private readonly book: Book;
  private readonly compiled: CompiledRules;
  private readonly screen: Screen;
  private readonly other: Integers;
  private readonly verdict = { stage: 0 as Verdict["stage"], warnings: 0, standing: 0 };
  /** The pool whose numbers the integers hold, within one judgement. */
  private exactPool = -1;
  /** Pools judged, and those of them that needed exact numbers. */
  screened = 0;
  exactFallbacks = 0;

  constructor(book: Book, compiled: CompiledRules) {
    this.book = book;
    this.compiled = compiled;
    this.screen = new Screen(book, compiled);
    this.integers = new Integers(book, compiled);
    this.other = new Integers(book, compiled);
  }

  /** HEALTH-01 to HEALTH-05 for one pool at the present prices. Throws `PriceMissing` when one it needs is not known. */
  judge(pool: number): Verdict {
    this.screened += 1;
    this.exactPool = -1;
    if (!this.screen.evaluate(pool)) this.exact(pool);
    return this.verdictOf(pool);
  }

  private verdictOf(pool: number): Verdict {
    const { compiled, verdict } = this;
    const { warnings } = compiled;
    let count = 0;
    while (count < warnings.length && this.atOrBelow(pool, warnings[count] as Threshold)) count += 1;
    verdict.warnings = count;
    // Interventions lie below every warning; without warnings, or at or below them all, they are looked at themselves.
    const low = count === warnings.length;
    const partial = low && this.atOrBelow(pool, compiled.partial);
    verdict.stage = !partial ? 0 : this.atOrBelow(pool, compiled.full) ? 3 : 2;
    let standing = Math.max(count, Math.min(this.book.warned(pool), warnings.length));
    while (standing > count && this.rearmed(pool, compiled.rearms[standing - 1] as Threshold)) standing -= 1;
    verdict.standing = standing;
    return verdict;
  }

  /** Orders two pools by `E_M / MM`, worst first, by exact cross-multiplication; ties by account id, cross before isolated, instrument id. */
  compareRatios(left: number, right: number): number {
    const a = this.integers.evaluate(left);
    const b = this.other.evaluate(right);
    this.exactPool = -1;
    const aRank = rankWithoutMargin(a);
    const bRank = rankWithoutMargin(b);
    if (aRank !== bRank) return aRank - bRank;
    if (aRank === 0) {
      const one = a.equityNumerator * a.maintenanceDenominator * b.equityDenominator * b.maintenanceNumerator;
      const two = b.equityNumerator * b.maintenanceDenominator * a.equityDenominator * a.maintenanceNumerator;
      if (one !== two) return one < two ? -1 : 1;
    }
    return compareIds(this.book, left, right);
  }

  /** `E_M ≤ k·MM`, where MM > 0 or E_M < 0. */
  private atOrBelow(pool: number, threshold: Threshold): boolean {
    const side = this.side(pool, threshold);
    // MM is never negative: strictly below means one of the two; at equality, which is always exact, only MM > 0 can be.
    return side < 0 || (side === 0 && this.integers.maintenanceNumerator > 0n);
  }

  /** The ratio is at the level or above it; with no requirement: E_M is not below zero. */
  private rearmed(pool: number, level: Threshold): boolean {
    return this.side(pool, level) >= 0;
  }

  /** The sign of `E_M − k·MM`: the screen's where it is proven, else exact, and then the integers hold the pool's numbers. */
  private side(pool: number, threshold: Threshold): number {
    if (this.exactPool !== pool) {
      const proven = this.screen.side(threshold.float);
      if (proven !== 0) return proven;
      this.exact(pool);
    }
    return this.integers.sign(threshold.exact);
  }

  private exact(pool: number): void {
    this.exactFallbacks += 1;
    this.integers.evaluate(pool);
    this.exactPool = pool;
  }

  /** The same verdict by exact numbers alone, the screen left out: what the self-audit compares with. */
  judgeExactly(pool: number): Verdict {
    this.integers.evaluate(pool);
    this.exactPool = pool;
    return this.verdictOf(pool);
  }
}

/** Pools without requirement stand outside the ratios: below them all when E_M < 0, else above. */
function rankWithoutMargin(integers: Integers): -1 | 0 | 1 {
  if (integers.maintenanceNumerator > 0n) return 0;
  return integers.equityNumerator < 0n ? -1 : 1;
}
