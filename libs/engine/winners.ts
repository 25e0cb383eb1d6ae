import type { Winner } from "#libs/domain/settlement/bad-debt.ts";
import { unrealisedProfit } from "#libs/domain/positions/value.ts";
import { amountOf, contractsOf } from "./amounts.ts";
import type { Machine } from "./machine.ts";
import { markOf } from "./pools.ts";

/** Winners of one instrument by position row, as first looked for in a frame; derived. */
export interface WinnersOfFrame {
  frame: number;
  readonly byInstrument: Map<number, ReadonlyMap<number, Winner>>;
}

/** A position in profit with what it can pay at most; null where it does not win. */
function winnerOf(machine: Machine, row: number): Winner | null {
  const { book, market } = machine;
  const account = book.rowAccount(row);
  if (account < 0 || book.isSystem(account) || book.qty(row) === 0n) return null;
  const instrument = book.rowInstrument(row);
  const rules = machine.instrument(instrument);
  const settle = book.assetRules(book.settleIndex(instrument));
  const qty = contractsOf(rules, book.qty(row));
  const profit = unrealisedProfit(rules, qty, amountOf(settle, book.cost(row)), markOf(machine, instrument));
  if (profit.sign <= 0) return null;
  const isolated = book.isIsolated(row);
  const pool = isolated ? book.isolatedPool(row) : book.crossPool(account);
  const { fullEquity } = machine.poolHealthOf(book.poolView(pool));
  return {
    account: machine.accountName(account),
    mode: isolated ? "isolated" : "cross",
    profit,
    fullEquity: fullEquity.dividedBy(market.index(settle.id)),
  };
}

/**
 * LIQ-19: positions in profit on an instrument, but for one account's: they bear a debt that no fund covers. A frame may leave many
 * small debts, so what no entry has touched since the frame is looked at once.
 */
export function winnersOf(machine: Machine, instrument: number, except: number): Winner[] {
  const { book } = machine;
  const found: Winner[] = [];
  const keep = (row: number, winner: Winner | null): void => {
    if (winner !== null && book.rowAccount(row) !== except) found.push(winner);
  };
  const changed = machine.changedPools;
  if (changed === null) {
    for (const row of book.rowsOf(instrument)) keep(row, winnerOf(machine, row));
    return found;
  }
  const poolOf = (row: number): number =>
    book.isIsolated(row) ? book.isolatedPool(row) : book.crossPool(book.rowAccount(row));
  for (const [row, winner] of untouchedWinners(machine, instrument))
    if (book.rowAccount(row) >= 0 && !changed.has(poolOf(row))) keep(row, winner);
  for (const pool of changed) {
    const own = book.poolRow(pool);
    const account = book.poolAccount(pool);
    if (account < 0) continue;
    const row = own >= 0 ? own : book.findRow(account, instrument);
    if (row < 0 || book.rowInstrument(row) !== instrument || poolOf(row) !== pool) continue;
    keep(row, winnerOf(machine, row));
  }
  return found;
}

function untouchedWinners(machine: Machine, instrument: number): ReadonlyMap<number, Winner> {
  if (machine.winners.frame !== machine.frame) machine.winners = { frame: machine.frame, byInstrument: new Map() };
  const known = machine.winners.byInstrument.get(instrument);
  if (known !== undefined) return known;
  const made = new Map<number, Winner>();
  for (const row of machine.book.rowsOf(instrument)) {
    const winner = winnerOf(machine, row);
    if (winner !== null) made.set(row, winner);
  }
  machine.winners.byInstrument.set(instrument, made);
  return made;
}
