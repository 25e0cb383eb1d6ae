import type { BalanceRow, LedgerLeg, LedgerTransaction, PositionRow } from "#libs/adapters/postgres/batch.ts";
import { Rational } from "#libs/decimal/index.ts";
import type { Engine } from "#libs/engine/index.ts";
import { amountOf, contractsOf } from "#libs/engine/amounts.ts";
import type { Posting, Transaction } from "#libs/engine/ledger.ts";
import type { Machine } from "#libs/engine/machine.ts";

/** The account that stands for the outside world in ledger legs. */
const outside = "external";

/** What PostgreSQL keeps of a balance; of `rounding` with the fraction, 18 decimals down. */
export function balanceRow({ machine }: Engine, account: number, asset: number): BalanceRow {
  const amount = machine.ledger.balance(account, asset).toStringDown();
  return { account: machine.book.accountId(account), asset: machine.book.assetRules(asset).id, amount };
}

/** What PostgreSQL keeps of a position: zeros where there is none. */
export function positionRow({ machine }: Engine, account: number, instrument: number): PositionRow {
  const { book } = machine;
  const rules = book.instrumentRules(instrument);
  const names = { account: book.accountId(account), instrument: rules.id };
  const row = book.findRow(account, instrument);
  if (row < 0 || (book.qty(row) === 0n && book.margin(row) === 0n))
    return { ...names, qty: "0", cost: "0", margin: "0", mode: "cross", leverage: null, fundingEpoch: 0 };
  const asset = book.assetRules(book.settleIndex(instrument));
  return {
    ...names,
    qty: contractsOf(rules, book.qty(row)).toStringDown(),
    cost: amountOf(asset, book.cost(row)).toStringDown(),
    margin: amountOf(asset, book.margin(row)).toStringDown(),
    mode: book.isIsolated(row) ? "isolated" : "cross",
    leverage: book.chosenLeverage(row)?.toStringDown() ?? null,
    fundingEpoch: book.rowFundingEpoch(row),
  };
}

/** Everything that PostgreSQL keeps of an account. */
export function rowsOfAccount(engine: Engine, account: number): { balances: BalanceRow[]; positions: PositionRow[] } {
  const { book } = engine.machine;
  const balances: BalanceRow[] = [];
  const positions: PositionRow[] = [];
  for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row))
    balances.push(balanceRow(engine, account, book.cashAsset(row)));
  for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row))
    if (book.qty(row) !== 0n || book.margin(row) !== 0n)
      positions.push(positionRow(engine, account, book.rowInstrument(row)));
  return { balances, positions };
}

/** The ledger's transactions of one entry as rows; what 18 decimals cannot hold goes to `rounding`, so legs sum to zero. */
export function ledgerRows(
  { machine }: Engine,
  entry: number,
  transactions: readonly Transaction[],
): LedgerTransaction[] {
  return transactions.map(({ kind, postings }) => {
    const legs: LedgerLeg[] = [];
    const lost = new Map<number, Rational>();
    for (const posting of postings) {
      const amount = posting.amount.toStringDown();
      if (posting.leg === "accrued" || machine.book.accountId(Math.max(0, posting.account)) === "rounding")
        lose(lost, posting.asset, posting.amount.minus(Rational.parse(amount)));
      legs.push(legRow(machine, posting, amount));
    }
    for (const [asset, rest] of lost) if (!rest.isZero()) giveToRounding(machine, legs, asset, rest);
    return { entry, kind, legs };
  });
}

function lose(lost: Map<number, Rational>, asset: number, rest: Rational): void {
  if (!rest.isZero()) lost.set(asset, (lost.get(asset) ?? Rational.zero).plus(rest));
}

function legRow(machine: Machine, posting: Posting, amount: string): LedgerLeg {
  const { instrument } = posting;
  return {
    account: posting.account < 0 ? outside : machine.book.accountId(posting.account),
    asset: machine.book.assetRules(posting.asset).id,
    leg: posting.leg,
    instrument: instrument < 0 ? null : machine.book.instrumentRules(instrument).id,
    amount,
  };
}

function giveToRounding(machine: Machine, legs: LedgerLeg[], asset: number, rest: Rational): void {
  const id = machine.book.assetRules(asset).id;
  legs.push({ account: "rounding", asset: id, leg: "cash", instrument: null, amount: rest.toStringDown() });
}
