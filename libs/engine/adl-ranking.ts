import { Rational } from "#libs/decimal/index.ts";
import { type Candidate, type Ranked, rank } from "#libs/domain/adl/ranking.ts";
import type { Score } from "#libs/domain/adl/score.ts";
import { evaluatePool } from "#libs/domain/health/evaluate.ts";
import { notional, unrealisedProfit } from "#libs/domain/positions/value.ts";
import { amountOf, contractsOf } from "./amounts.ts";
import { markOf, type Machine } from "./machine.ts";

/** A ranked position with where it lives in the book. */
export interface BookCandidate extends Candidate {
  readonly row: number;
  readonly pool: number;
}

/** The position of a row as ADL sees it; `E_full` is its pool's. */
export function candidateOf(machine: Machine, row: number): BookCandidate {
  const { book, market } = machine;
  const instrument = book.rowInstrument(row);
  const rules = machine.instrument(instrument);
  const account = book.rowAccount(row);
  const pool = book.isIsolated(row) ? book.isolatedPool(row) : book.crossPool(account);
  const qty = contractsOf(rules, book.qty(row));
  const cost = amountOf(book.assetRules(book.settleIndex(instrument)), book.cost(row));
  const mark = markOf(machine, instrument);
  const system = book.isSystem(account);
  return {
    row,
    pool,
    account: machine.accountName(account),
    mode: book.isIsolated(row) ? "isolated" : "cross",
    qty,
    notionalUsd: notional(rules, qty, mark).times(market.index(rules.settle)),
    profit: unrealisedProfit(rules, qty, cost, mark),
    cost,
    fullEquityUsd: system ? Rational.zero : evaluatePool(book.poolView(pool), market, machine.rules).fullEquity,
    liquidating: machine.liquidating(pool),
    system,
  };
}

interface KeptRanking {
  readonly ranking: readonly Ranked<BookCandidate>[];
  /** Row → place, from 0. */
  readonly places: ReadonlyMap<number, number>;
}

/** One ranking per instrument, side and frame serves every saga of the frame (ADL-17). */
export class Rankings {
  #frame = -1;
  readonly #kept = new Map<string, KeptRanking>();

  /** The ranking of a side, made when it is first needed in a frame. */
  of(machine: Machine, instrument: number, side: "long" | "short"): readonly Ranked<BookCandidate>[] {
    return this.#ranking(machine, instrument, side).ranking;
  }

  /** Where a position stands: 1 goes first; 0 and no score where it was not ranked. */
  place(machine: Machine, instrument: number, side: "long" | "short", row: number): { readonly rank: number; readonly score: Score } {
    const { ranking, places } = this.#ranking(machine, instrument, side);
    const at = places.get(row);
    const ranked = at === undefined ? undefined : ranking[at];
    return at === undefined || ranked === undefined ? { rank: 0, score: Rational.zero } : { rank: at + 1, score: ranked.score };
  }

  #ranking(machine: Machine, instrument: number, side: "long" | "short"): KeptRanking {
    if (this.#frame !== machine.frame) {
      this.#kept.clear();
      this.#frame = machine.frame;
    }
    const key = `${instrument} ${side}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const ranking = rankSide(machine, instrument, side);
    const made = { ranking, places: new Map(ranking.map((one, at) => [one.row, at])) };
    this.#kept.set(key, made);
    return made;
  }
}

/** The ranking of a side as of now: for answers, which must not see a frozen one. */
export function rankSide(machine: Machine, instrument: number, side: "long" | "short"): readonly Ranked<BookCandidate>[] {
  const { book } = machine;
  const rows = book.rowsOf(instrument).filter((row) => {
    const lots = book.qty(row);
    return !book.isSystem(book.rowAccount(row)) && (side === "long" ? lots > 0n : lots < 0n);
  });
  return rank(rows.map((row) => candidateOf(machine, row)));
}
