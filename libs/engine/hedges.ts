import { Rational } from "#libs/decimal/index.ts";
import { hedgedContracts as offsets, underlyingExposure } from "#libs/domain/adl/hedges.ts";
import { contractsOf } from "./amounts.ts";
import type { BookCandidate } from "./adl-ranking.ts";
import { entityOf } from "./entities.ts";
import type { Machine } from "./machine.ts";
import { markOf } from "./pools.ts";

/** ADL-13: contracts of a position that offset the same owner's exposure in that underlying; all accounts of an entity are one owner. */
export function hedgedContracts(machine: Machine, candidate: BookCandidate): Rational {
  const { book } = machine;
  const instrument = book.rowInstrument(candidate.row);
  const rules = machine.instrument(instrument);
  let elsewhere = Rational.zero;
  const same: { readonly row: number; readonly qty: Rational }[] = [];
  for (const account of ownedTogether(machine, candidate.account)) {
    elsewhere = elsewhere.plus(collateralExposure(machine, account, rules.base));
    for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) {
      const lots = book.qty(row);
      const other = book.rowInstrument(row);
      if (lots === 0n || machine.instrument(other).base !== rules.base) continue;
      const qty = contractsOf(machine.instrument(other), lots);
      if (other === instrument && qty.sign === candidate.qty.sign) same.push({ row, qty });
      else elsewhere = elsewhere.plus(underlyingExposure(machine.instrument(other), qty, markOf(machine, other)));
    }
  }
  const perContract = underlyingExposure(rules, Rational.one, markOf(machine, instrument));
  const hedged = offsets(
    same.map((one) => one.qty),
    perContract,
    elsewhere,
  );
  const at = same.findIndex((one) => one.row === candidate.row);
  return hedged[at] ?? Rational.zero;
}

/** Cash of the underlying is exposure to it too: a spot holding hedged by a short. */
function collateralExposure(machine: Machine, account: number, base: string): Rational {
  const asset = machine.book.assetIndex(base);
  return asset < 0 ? Rational.zero : machine.ledger.balance(account, asset);
}

function ownedTogether(machine: Machine, account: string): number[] {
  const entity = machine.rules.entities.get(entityOf(machine, account));
  const members = entity === undefined ? [account] : entity.accounts;
  return members.map((one) => machine.book.findAccount(one)).filter((one) => one >= 0);
}
