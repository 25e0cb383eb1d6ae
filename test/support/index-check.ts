import { Rational } from "#libs/decimal/index.ts";
import { intervention, warn } from "#libs/domain/health/thresholds.ts";
import type { Book } from "#libs/engine/book.ts";
import { CompiledRules } from "#libs/engine/compiled-rules.ts";
import { Judge } from "#libs/engine/judge.ts";
import { TriggerIndex } from "#libs/engine/trigger-index.ts";
import type { Band } from "#libs/engine/trigger-index.ts";
import { endsOf, standingAt, worstCorner } from "#test/support/band-corners.ts";
import type { Corner } from "#test/support/band-corners.ts";
import type { Chance } from "#test/support/generated-books.ts";
import {
  generatedAccount,
  generatedMarket,
  movePrices,
  plainHealth,
  settleNear,
} from "#test/support/generated-books.ts";

/** A book with its index and judge, and the pools that stand armed. */
export class Watched {
  readonly book: Book;
  readonly compiled: CompiledRules;
  readonly index: TriggerIndex;
  readonly judge: Judge;
  readonly armed = new Set<number>();

  constructor(book: Book, bandScale = 1) {
    this.book = book;
    this.compiled = new CompiledRules(book);
    this.index = new TriggerIndex(book, this.compiled, { bandScale });
    this.judge = new Judge(book, this.compiled);
  }

  /** Does with a pool what the engine does when it looks at it: warnings, then a saga or new bands. */
  look(pool: number): void {
    const { stage, standing } = this.judge.judge(pool);
    this.book.setWarned(pool, standing);
    if (stage > 0) {
      this.index.disarm(pool);
      this.armed.delete(pool);
      return;
    }
    this.index.arm(pool);
    this.armed.add(pool);
  }

  /** Tells the index of factors that moved; the pools popped. */
  tell(factors: readonly number[]): number[] {
    const popped: number[] = [];
    for (const factor of factors) this.index.factorChanged(factor, this.book.market.factors[factor] as number, popped);
    return popped;
  }

  /** Whether the plain rules would do anything to a pool now: a stage, a warning given, a warning re-armed. */
  due(pool: number): boolean {
    return isDue(this.book, pool, plainHealth(this.book, pool));
  }
}

interface Standing {
  readonly maintenanceEquity: Rational;
  readonly mm: Rational;
}

function isDue(book: Book, pool: number, standing: Standing): boolean {
  if (intervention(standing, book.rules) !== "none") return true;
  const given = book.rules.warnings.map((_level, at) => at < book.warned(pool));
  return warn(standing, given, book.rules).given.some((after, at) => after !== given[at]);
}

/** Pools by chance, most of them near some threshold, all looked at once. */
export function watchedBook(chance: Chance, accounts: number, bandScale = 1): Watched {
  const watched = new Watched(generatedMarket(chance), bandScale);
  const { book } = watched;
  for (let account = 0; account < accounts; account += 1) {
    for (const pool of generatedAccount(chance, book)) {
      if (chance.is(0.8)) settleNear(book, pool, chance.pick([1.06, 1.07, 1.09, 1.12, 1.2, 1.3, 1.6, 2, 3, 6]));
      watched.look(pool);
    }
  }
  return watched;
}

/** What the corners of bands say about them. */
export interface CornerReport {
  /** Pools whose bands were tried. */
  pools: number;
  /** Pools at whose corners the plain rules would act. */
  crossed: number;
  /** Pools whose slack at the worst corner is at most half a percent of what it is now. */
  tight: number;
}

/** Tries the corners of every armed pool's bands against the plain rules: the worst ones that can be found, and some by chance. */
export function tryCorners(chance: Chance, watched: Watched, report: CornerReport): void {
  const { book, index } = watched;
  for (const pool of watched.armed) {
    const bands = index.bands(pool);
    if (bands.length === 0) continue;
    report.pools += 1;
    const [below, above] = levels(book, pool);
    const down = worstCorner(book, pool, bands, below, 1);
    const corners: Corner[] = [down.corner];
    const now = plainHealth(book, pool);
    const slack = now.maintenanceEquity.minus(below.times(now.mm));
    if (above !== null) corners.push(worstCorner(book, pool, bands, above, -1).corner);
    for (let at = 0; at < 3; at += 1) corners.push(randomCorner(chance, book, bands));
    const crossed = corners.some((corner) => {
      const { equity, mm } = standingAt(book, pool, corner);
      return isDue(book, pool, { maintenanceEquity: equity, mm });
    });
    if (crossed) report.crossed += 1;
    if (down.slack.atMost(slack.times(Rational.parse("0.005")))) report.tight += 1;
  }
}

/** The next threshold below, and the re-arm level above where a warning stands given. */
export function levels(book: Book, pool: number): readonly [Rational, Rational | null] {
  const { warnings, warningRearm, liquidation } = book.rules;
  const warned = book.warned(pool);
  const given = warnings[warned - 1];
  return [
    warnings[warned] ?? liquidation.partialAt,
    given === undefined ? null : given.times(Rational.one.plus(warningRearm)),
  ];
}

function randomCorner(chance: Chance, book: Book, bands: readonly Band[]): Corner {
  const corner = new Map<number, number>();
  for (const band of bands) if (chance.is(0.8)) corner.set(band.factor, chance.pick(endsOf(book, band)));
  return corner;
}

/** Whether a factor's present value is outside of a band; bands that any move leaves have their ends crossed. */
function isLeft(watched: Watched, band: Band): boolean {
  const value = watched.book.market.factors[band.factor] as number;
  return !(value >= band.low && value <= band.high);
}

/** What a run of frames found wrong, as sentences; empty when index and full scan agree after every frame. */
export function runFrames(chance: Chance, watched: Watched, frames: number): string[] {
  const wrong: string[] = [];
  for (let frame = 0; frame < frames; frame += 1) {
    const before = new Map([...watched.armed].map((pool) => [pool, watched.index.bands(pool)] as const));
    const values = watched.book.market.factors.slice();
    const told = movePrices(chance, watched.book, chance.pick([0.1, 0.5, 1]));
    const popped = watched.tell(told);
    const moved = new Set(told.filter((factor) => watched.book.market.factors[factor] !== values[factor]));
    if (new Set(popped).size !== popped.length) wrong.push(`frame ${frame}: a pool was popped twice`);
    const found = new Set(popped);
    for (const [pool, bands] of before) {
      const left = bands.some((band) => moved.has(band.factor) && isLeft(watched, band));
      if (left !== found.has(pool))
        wrong.push(`frame ${frame}: pool ${pool} ${left ? "left a band unseen" : "was popped inside its bands"}`);
      if (!found.has(pool) && watched.due(pool)) wrong.push(`frame ${frame}: pool ${pool} is due and was not found`);
    }
    for (const pool of popped) watched.look(pool);
  }
  return wrong;
}
