import type { Book } from "./book.ts";
import { Box } from "./box.ts";
import type { CompiledRules } from "./compiled-rules.ts";
import type { FundingWindows } from "./funding-windows.ts";
import { powerOfTwoBelow } from "./float-bits.ts";

/** Past this multiple of its pace nothing widens any more: prices stop at −50 % and +100 % before. */
const stretchMax = 10;
/** How far the band along the pool's favour goes beyond the one against it, where nothing waits there. */
const favour = 4;
/** A bound within this share of the slack is tight enough; the search aims at four tenths of it. */
const tightness = 0.004;
/** What bands of slow factors may use up of the slack where there are positions; where there are none they are all there is. */
const slowShare = 0.4;
const stepsMax = 24;
const loosenSteps = 6;

/** What waits for a pool on either side of its present ratio. */
export type Reach =
  /** Nothing it depends on can bring it to a threshold: a pool without debts or positions. */
  | "free"
  /** Both neighbouring thresholds are certainly not reached: `against` and `along` say how far the bands go. */
  | "clear"
  /** A threshold is reached, or floats cannot exclude it. */
  | "reached"
  /** The pool owes more than the share of its equity at which debts are converted: any move may matter. */
  | "owing"
  /** A price is missing. */
  | "unpriced";

/**
 * Finds how far the factors of one pool may move before the next threshold below (a warning not yet given, an intervention) or
 * above (the ratio at which a given warning may be given again) can possibly be reached. One object serves all pools.
 */
export class Bands {
  readonly box: Box;
  private readonly book: Book;
  private readonly compiled: CompiledRules;
  private readonly scale: number;
  /** Multiples of each factor's pace. */
  against = 0;
  along = 0;
  /** Multiple of the pace of slow factors. */
  private slow = 0;
  /** What the box is stretched by at present. */
  private stretchedAgainst = NaN;
  private stretchedAlong = NaN;
  /** Whether the pool has debts and the rules convert them at a share of equity. */
  private converts = false;
  /** The thresholds in force; `above` is 0 when no warning stands given. */
  below = 0;
  above = 0;

  /** `scale` other than 1 makes bands that are wrong, for the test that must notice. */
  constructor(book: Book, compiled: CompiledRules, windows: FundingWindows, scale: number) {
    this.book = book;
    this.compiled = compiled;
    this.scale = scale;
    this.box = new Box(book, compiled, windows);
  }

  /** Reads the pool and searches; if its thresholds are clear, the box stands at the ends of its bands afterwards. */
  find(pool: number): Reach {
    const { box, compiled } = this;
    this.against = 0;
    this.along = 0;
    const warned = this.book.warned(pool);
    this.stretchedAgainst = NaN;
    this.slow = 0;
    this.converts = false;
    const next = compiled.warnings[warned];
    this.below = next === undefined ? compiled.partial.float : Math.max(next.float, compiled.partial.float);
    this.above = warned === 0 ? 0 : (compiled.rearms[Math.min(warned, compiled.rearms.length) - 1]?.float ?? 0);
    if (!box.read(pool, this.below)) return "unpriced";
    const debtless = box.debt === 0;
    if (box.positionCount === 0 && this.above === 0 && debtless) return "free";
    let down = box.equity - this.below * box.maintenance - box.error(this.below);
    const up = this.above === 0 ? Infinity : this.above * box.maintenance - box.equity - box.error(this.above);
    if (!(down > 0 && up > 0) || (this.above !== 0 && box.maintenance === 0)) return "reached";
    if (!debtless && compiled.convertAt !== null) {
      this.converts = true;
      this.restretch(0);
      down = this.downward();
      if (!(down > 0)) return "owing";
    }
    this.search(down, up);
    if (this.scale !== 1) this.restretch(this.slow * this.scale);
    this.stretch(this.against * this.scale, this.along * this.scale);
    return "clear";
  }

  private stretch(against: number, along: number): void {
    if (against === this.stretchedAgainst && along === this.stretchedAlong) return;
    this.stretchedAgainst = against;
    this.stretchedAlong = along;
    this.box.stretch(against, along);
  }

  /** What is certainly left above the lower threshold everywhere in the box. */
  private downward(): number {
    const { box } = this;
    const slack = box.lowest(this.below) - box.error(this.below);
    if (!this.converts) return slack;
    const share = this.compiled.convertAt ?? 0;
    return Math.min(slack, box.leastAboveDebt(share) - Math.max(1, share) * box.error(0));
  }

  /** What is certainly left below the upper threshold everywhere in the box. */
  private upward(): number {
    return -this.box.highest(this.above) - this.box.error(this.above);
  }

  /** Searches both sides from the slack that the pool has now. What it leaves in the fields has been found to hold. */
  private search(down: number, up: number): void {
    const loss = this.loosen(Math.min(down, up));
    if (this.above === 0) {
      this.against = this.widest(true, favour, down - loss);
      this.along = this.against * favour;
      if (this.against > 0) return;
    } else {
      this.against = this.widest(true, 1, down - loss);
      this.along = this.widest(false, 1, up - loss);
      // Each side was found with the other fixed; if together they do not hold, the smaller one may for both.
      if (this.holds(this.against, this.along)) return;
      const least = Math.min(this.against, this.along);
      this.against = this.along = least;
      if (this.holds(least, least)) return;
    }
    this.against = this.along = 0;
    if (!this.holds(0, 0)) this.restretch(0);
  }

  private holds(against: number, along: number): boolean {
    this.stretch(against, along);
    return this.downward() > 0 && (this.above === 0 || this.upward() > 0);
  }

  /**
   * Gives the slow factors their bands before the others are searched, in powers of two: so they seldom change when the pool is armed
   * again, and the entries that wait on them stay where they are. Returns about what they take from the slack.
   */
  private loosen(slack: number): number {
    const { box } = this;
    const share = box.sensitivity === 0 ? 0.9 : slowShare;
    let slow = powerOfTwoBelow(Math.min(stretchMax, slack / box.sensitivity));
    for (let step = 0; step < loosenSteps; step += 1, slow /= 4) {
      const loss = this.loosenBy(slow);
      if (loss <= share * slack) return loss;
    }
    return this.loosenBy(0);
  }

  private loosenBy(slow: number): number {
    this.slow = slow;
    this.stretchedAgainst = NaN;
    return this.box.slacken(slow, this.above === 0 ? favour : 1);
  }

  private restretch(slow: number): void {
    this.loosenBy(slow);
    this.stretch(0, 0);
  }

  /** Slack left when the side searched is stretched by `stretch`. */
  private slackAt(lower: boolean, ratio: number, stretch: number): number {
    if (lower) {
      this.stretch(stretch, stretch * ratio);
      return this.downward();
    }
    this.stretch(this.against, stretch);
    return this.upward();
  }

  /**
   * The largest stretch, up to tightness, that leaves slack: by secants from the inside, then between a stretch that holds and
   * one that does not. `start` is about the slack without stretch. Returns a stretch that was found to hold, or 0.
   */
  private widest(lower: boolean, ratio: number, start: number): number {
    if (!(start > 0)) return 0;
    const target = start * tightness * 0.4;
    let inside = 0;
    let insideSlack = start;
    let outside = stretchMax;
    let outsideSlack = NaN;
    let guess = Math.min(stretchMax, (start - target) / this.box.sensitivity);
    for (let step = 0; step < stepsMax; step += 1) {
      const slack = this.slackAt(lower, ratio, guess);
      if (slack > 0) {
        if (slack <= start * tightness || guess >= stretchMax) return guess;
        const slope = (insideSlack - slack) / (guess - inside);
        inside = guess;
        insideSlack = slack;
        if (!(outsideSlack <= 0)) {
          guess = slope > 0 ? Math.min(stretchMax, guess + (slack - target) / slope) : stretchMax;
          continue;
        }
      } else {
        outside = guess;
        outsideSlack = slack;
      }
      const span = outside - inside;
      if (span <= inside * 2 ** -20) return inside;
      const share = (insideSlack - target) / (insideSlack - outsideSlack);
      // Secants alone may creep along a bend: every third step halves the span.
      guess = inside + span * (step % 3 === 2 ? 0.5 : Math.min(0.9995, Math.max(0.02, share)));
    }
    return inside;
  }
}
