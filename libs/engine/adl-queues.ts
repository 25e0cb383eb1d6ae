import type { PositionAnswer } from "#libs/contracts/answers.ts";
import { isCandidate, type Ranked } from "#libs/domain/adl/ranking.ts";
import { adlScore, compareForAdl } from "#libs/domain/adl/score.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { type BookCandidate, candidateOf } from "./adl-ranking.ts";
import { contractsOf } from "./amounts.ts";
import type { Machine } from "./machine.ts";
import { roughPoolWorth, roughRoom } from "./rough-worth.ts";

/** A position of a side. Its score certainly lies between `low` and `high`; NaN: floats cannot tell. */
interface Queued {
  readonly row: number;
  readonly account: number;
  readonly lots: bigint;
  readonly low: number;
  readonly high: number;
}

/** A place in a queue; the score, which is the position's own, stands beside. */
export type Standing = Omit<NonNullable<PositionAnswer["adl"]>, "score">;

/** Who stands where in the queue of one side, as `rankSide` would say, at the cost of floats where they decide. As of when it was made. */
export class AdlQueue {
  readonly #rules: InstrumentRules;
  readonly #order: readonly Queued[];
  /** By row; from 0. */
  readonly #at = new Map<number, number>();
  /** Lots before each place, and of all. */
  readonly #ahead: bigint[] = [];
  #total = 0n;

  constructor(machine: Machine, instrument: number, rows: readonly number[]) {
    this.#rules = machine.instrument(instrument);
    const exact = new Exact(machine);
    this.#order = rows
      .flatMap((row) => queued(machine, instrument, row) ?? [])
      .sort((left, right) => exact.compare(left, right));
    for (const [at, { row, lots }] of this.#order.entries()) {
      this.#at.set(row, at);
      this.#ahead.push(this.#total);
      this.#total += lots;
    }
  }

  /** Of the position that an account has in a row; null: it was not in the queue. */
  standing(row: number, account: number): Standing | null {
    const at = this.#at.get(row);
    const one = at === undefined ? undefined : this.#order[at];
    if (at === undefined || one === undefined || one.account !== account) return null;
    const ahead = this.#ahead[at] as bigint;
    // Up to the next fifth of the side, its own quantity included (ADL-04).
    const fifths = ((ahead + one.lots) * 5n + this.#total - 1n) / this.#total;
    return { rank: at + 1, bucket: Number(fifths) * 20, ahead: contractsOf(this.#rules, ahead).toStringDown() };
  }

  /** Rows of the first `n`, first to go first. */
  first(n: number): number[] {
    return this.#order.slice(0, n).map(({ row }) => row);
  }
}

/** Candidates computed exactly, each at most once. */
class Exact {
  readonly #machine: Machine;
  readonly #known = new Map<number, Ranked<BookCandidate>>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  of(row: number): Ranked<BookCandidate> {
    const known = this.#known.get(row);
    if (known !== undefined) return known;
    const candidate = candidateOf(this.#machine, row);
    const ranked = { ...candidate, score: adlScore(candidate) };
    this.#known.set(row, ranked);
    return ranked;
  }

  /** ADL-03: higher scores first. Floats decide only where the two cannot overlap. */
  compare(left: Queued, right: Queued): number {
    if (left.low > right.high) return -1;
    if (left.high < right.low) return 1;
    return compareForAdl(this.of(left.row), this.of(right.row));
  }
}

function queued(machine: Machine, instrument: number, row: number): Queued | null {
  const { book } = machine;
  const pool = book.poolOf(row);
  if (machine.liquidating(pool)) return null;
  const worth = roughPoolWorth(machine, pool);
  if (worth.most <= 0) return null;
  const lots = book.qty(row);
  const place = { row, account: book.rowAccount(row), lots: lots < 0n ? -lots : lots };
  if (worth.least > 0) return { ...place, ...roughScore(machine, instrument, row, worth) };
  if (!isCandidate(candidateOf(machine, row))) return null;
  return { ...place, low: Number.NaN, high: Number.NaN };
}

type Bounds = Pick<Queued, "low" | "high">;
const unknown: Bounds = { low: Number.NaN, high: Number.NaN };

/** ADL-01, ADL-02 with an error bound; nothing is said of a profit that may as well be none. */
function roughScore(
  machine: Machine,
  instrument: number,
  row: number,
  worth: { readonly least: number; readonly most: number },
): Bounds {
  const { book } = machine;
  const { market } = book;
  const rules = book.instrumentRules(instrument);
  const mark = market.factors[market.markFactor(instrument)] as number;
  const price = market.factors[market.indexFactor(book.settleIndex(instrument))] as number;
  const size = book.exposureF[row] as number;
  const value = rules.kind === "inverse" ? -size / mark : size * mark;
  const cost = book.costF[row] as number;
  const profit = value - cost;
  const error = roughRoom * (Math.abs(value) + Math.abs(cost));
  if (!(Math.abs(profit) > error) || !(Math.abs(cost) > 0)) return unknown;
  const [small, large] = [Math.abs(profit) - error, Math.abs(profit) + error];
  const notional = Math.abs(value) * price;
  const [less, more] = [1 - 2 * roughRoom, 1 + 2 * roughRoom];
  if (profit > 0) {
    const per = notional / Math.abs(cost);
    return { low: ((small * per) / worth.most) * less, high: ((large * per) / worth.least) * more };
  }
  const per = 1 / (Math.abs(cost) * notional);
  return { low: -large * worth.most * per * more, high: -small * worth.least * per * less };
}

export type Side = "long" | "short";

/** Queues of deleveraging, of both sides of an instrument; null: of that one nothing is told. */
export interface AdlQueues {
  of(instrument: number, side: Side): AdlQueue | null;
}

export const noQueues: AdlQueues = { of: () => null };

/** The queues of some instruments as of now, in one pass over the book; one without a mark has none. */
export function adlQueues(machine: Machine, instruments: ReadonlySet<number>): AdlQueues {
  const { book } = machine;
  const rows = new Map<number, Record<Side, number[]>>();
  for (const instrument of instruments)
    if (book.market.markPrice(instrument) !== null) rows.set(instrument, { long: [], short: [] });
  for (let row = 0; row < book.rowLimit; row += 1) {
    const exposure = book.exposureF[row] as number;
    if (exposure === 0) continue;
    const account = book.rowAccount(row);
    if (account < 0 || book.isSystem(account)) continue;
    rows.get(book.rowInstrument(row))?.[exposure > 0 ? "long" : "short"].push(row);
  }
  const queues = new Map<number, Record<Side, AdlQueue>>();
  for (const [instrument, { long, short }] of rows)
    queues.set(instrument, {
      long: new AdlQueue(machine, instrument, long),
      short: new AdlQueue(machine, instrument, short),
    });
  return { of: (instrument, side) => queues.get(instrument)?.[side] ?? null };
}
