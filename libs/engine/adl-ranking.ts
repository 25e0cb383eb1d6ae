import { Rational } from "#libs/decimal/index.ts";
import { type Candidate, type Ranked, rank } from "#libs/domain/adl/ranking.ts";
import type { Score } from "#libs/domain/adl/score.ts";
import { evaluatePool } from "#libs/domain/health/evaluate.ts";
import { notional, unrealisedProfit } from "#libs/domain/positions/value.ts";
import { amountOf, contractsOf } from "./amounts.ts";
import type { Machine } from "./machine.ts";
import { markOf } from "./pools.ts";

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
  const pool = book.poolOf(row);
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

/** Candidates as last computed, each with the count of changes of its pool it was computed at. */
export interface CandidatesOfFrame {
  frame: number;
  readonly byRow: Map<number, { readonly changes: number; readonly candidate: BookCandidate }>;
}

/** A position of a pool that the frame's entries have changed, computed again only after another change. */
export function candidateNow(machine: Machine, row: number, pool: number): BookCandidate {
  if (machine.candidates.frame !== machine.frame) machine.candidates = { frame: machine.frame, byRow: new Map() };
  const changes = machine.changesInFrame(pool);
  if (changes === null) return candidateOf(machine, row);
  const known = machine.candidates.byRow.get(row);
  if (known !== undefined && known.changes === changes && known.candidate.pool === pool) return known.candidate;
  const candidate = candidateOf(machine, row);
  machine.candidates.byRow.set(row, { changes, candidate });
  return candidate;
}

/** The rankings of one frame, by instrument number and side: frozen when first needed, so they are part of the state. */
export interface Rankings {
  frame: number;
  kept: Map<string, readonly Ranked<BookCandidate>[]>;
  /** Hashes of those that have been published whole. */
  hashes: Map<string, string>;
}

export const noRankings = (frame: number): Rankings => ({ frame, kept: new Map(), hashes: new Map() });

export const rankingKey = (instrument: number, side: "long" | "short"): string => `${instrument} ${side}`;

/** ADL-17: one ranking per instrument, side and frame serves every saga of the frame. */
export function rankingOf(
  machine: Machine,
  instrument: number,
  side: "long" | "short",
): readonly Ranked<BookCandidate>[] {
  if (machine.rankings.frame !== machine.frame) machine.rankings = noRankings(machine.frame);
  const { rankings } = machine;
  const key = rankingKey(instrument, side);
  const kept = rankings.kept.get(key);
  if (kept !== undefined) return kept;
  const made = rankSide(machine, instrument, side);
  rankings.kept.set(key, made);
  return made;
}

/** Derived from a kept ranking: row → place, from 0. */
const placesOf = new WeakMap<readonly Ranked<BookCandidate>[], ReadonlyMap<number, number>>();

/** Where a position stands in the frame's ranking: 1 goes first; 0 and no score where it was not ranked. */
export function placeOf(
  machine: Machine,
  instrument: number,
  side: "long" | "short",
  row: number,
): { readonly rank: number; readonly score: Score } {
  const ranking = rankingOf(machine, instrument, side);
  const places = placesOf.get(ranking) ?? new Map(ranking.map((one, at) => [one.row, at]));
  placesOf.set(ranking, places);
  const at = places.get(row);
  const ranked = at === undefined ? undefined : ranking[at];
  return at === undefined || ranked === undefined
    ? { rank: 0, score: Rational.zero }
    : { rank: at + 1, score: ranked.score };
}

/** The ranking of a side as of now: for answers, which must not see a frozen one. */
export function rankSide(
  machine: Machine,
  instrument: number,
  side: "long" | "short",
): readonly Ranked<BookCandidate>[] {
  const { book } = machine;
  const rows = book.rowsOf(instrument).filter((row) => {
    const lots = book.qty(row);
    return !book.isSystem(book.rowAccount(row)) && (side === "long" ? lots > 0n : lots < 0n);
  });
  return rank(rows.map((row) => candidateOf(machine, row)));
}
