import { Rational } from "#libs/decimal/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { rankingOf } from "../adl-ranking.ts";
import { contractsOf } from "../amounts.ts";
import type { Machine } from "../machine.ts";
import { markOf } from "../pools.ts";
import { allocation, closeAgainst, publish } from "../sagas/deleveraging.ts";

/**
 * ADL-19: an operator closes part of a position at its mark against those at the head of the queue, in any state of a breaker. Nobody's equity
 * changes by more than roundings; whoever is being liquidated is left to that.
 */
export function applyDeleverage(machine: Machine, entry: Extract<EntryBody, { k: "deleverage" }>): void {
  const { book } = machine;
  const { account: id, instrument: name, qty } = entry;
  const refuse = (code: string): void =>
    void machine.fact("deleverage.rejected", { account: id, instrument: name, qty, codes: [code] });
  const account = book.findAccount(id);
  const instrument = book.instrumentIndex(name);
  const row = account < 0 ? -1 : book.findRow(account, instrument);
  const need = Rational.parse(qty);
  const held = row < 0 ? Rational.zero : contractsOf(machine.instrument(instrument), book.qty(row));
  if (!held.abs().atLeast(need)) return refuse("position_too_small");
  if (machine.liquidating(book.poolOf(row))) return refuse("pool_liquidating");
  const side = held.sign > 0 ? "short" : "long";
  const price = markOf(machine, instrument);
  const policy = machine.instrument(instrument).adlPolicy;
  const terms = { instrument, side, need, price, policy, ranking: rankingOf(machine, instrument, side) } as const;
  const { result, asked } = allocation(machine, terms);
  if (result.allocation.length === 0) return refuse("no_counterparty");
  const publication = publish(machine, null, terms, asked, result);
  // One entry writes a bounded number of accounts: what is left is for another command.
  for (const [at, one] of result.allocation.slice(0, machine.rules.accountsPerEntryMax).entries()) {
    const other = book.internAccount(one.account);
    const closing = { account, instrument, price, need, publication, saga: null, step: at + 1, liquidation: false };
    closeAgainst(machine, closing, { account: other, row: book.row(other, instrument), qty: one.qty });
  }
}
