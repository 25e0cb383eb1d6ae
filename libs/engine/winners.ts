import type { Winner } from "#libs/domain/settlement/bad-debt.ts";
import { unrealisedProfit } from "#libs/domain/positions/value.ts";
import { amountOf, contractsOf } from "./amounts.ts";
import type { Machine } from "./machine.ts";
import { markOf } from "./pools.ts";

/** Winners by instrument and position row, each with the count of changes of its pool it was computed at; derived. */
export interface WinnersOfFrame {
  frame: number;
  readonly byInstrument: Map<number, Map<number, Known>>;
}

interface Known {
  readonly pool: number;
  readonly changes: number;
  readonly winner: Winner | null;
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
 * small debts, so a position is looked at again only after its pool has changed.
 */
export function winnersOf(machine: Machine, instrument: number, except: number): Winner[] {
  const { book, changedPools } = machine;
  if (changedPools === null)
    return book
      .rowsOf(instrument)
      .flatMap((row) => (book.rowAccount(row) === except ? [] : (winnerOf(machine, row) ?? [])));
  const known = winnersOfFrame(machine, instrument);
  for (const [pool, changes] of changedPools) {
    const row = rowOfPool(machine, pool, instrument);
    const before = known.get(row);
    if (row >= 0 && (before?.changes !== changes || before.pool !== pool))
      known.set(row, { pool, changes, winner: winnerOf(machine, row) });
  }
  const found: Winner[] = [];
  for (const [row, { pool, winner }] of known)
    if (winner !== null && book.rowAccount(row) !== except && rowOfPool(machine, pool, instrument) === row)
      found.push(winner);
  return found;
}

/** The row of a pool on an instrument; −1 where it has none. */
function rowOfPool(machine: Machine, pool: number, instrument: number): number {
  const { book } = machine;
  const account = book.poolAccount(pool);
  if (account < 0) return -1;
  const row = book.findRow(account, instrument);
  if (row < 0) return -1;
  return book.poolOf(row) === pool ? row : -1;
}

function winnersOfFrame(machine: Machine, instrument: number): Map<number, Known> {
  if (machine.winners.frame !== machine.frame) machine.winners = { frame: machine.frame, byInstrument: new Map() };
  const known = machine.winners.byInstrument.get(instrument);
  if (known !== undefined) return known;
  const { book } = machine;
  const made = new Map<number, Known>();
  for (const row of book.rowsOf(instrument)) {
    const pool = book.poolOf(row);
    made.set(row, { pool, changes: machine.changesInFrame(pool) ?? 0, winner: winnerOf(machine, row) });
  }
  machine.winners.byInstrument.set(instrument, made);
  return made;
}
