import type { HaltRecord } from "#libs/domain/breakers/halts.ts";
import { amountOf, contractsOf } from "./amounts.ts";
import type { Machine } from "./machine.ts";
import { type Saga, stageOfState } from "./sagas/saga.ts";

/** What is kept of the state outside, as decimal strings. Everything here only reads. */
export interface AccountRows {
  readonly balances: readonly { readonly asset: string; readonly amount: string }[];
  readonly positions: readonly {
    readonly instrument: string;
    readonly qty: string;
    readonly cost: string;
    readonly margin: string;
    readonly mode: "cross" | "isolated";
    /** null: none chosen. */
    readonly leverage: string | null;
    readonly fundingEpoch: number;
  }[];
}

/** Balances other than zero and rows that hold anything, a setting included, of an account; in order of id. */
export function rowsOfAccount(machine: Machine, id: string): AccountRows {
  const { book } = machine;
  const account = book.findAccount(id);
  const balances: AccountRows["balances"][number][] = [];
  const positions: AccountRows["positions"][number][] = [];
  if (account < 0) return { balances, positions };
  for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row)) {
    const balance = machine.ledger.balance(account, book.cashAsset(row));
    if (balance.isZero()) continue;
    balances.push({ asset: book.assetRules(book.cashAsset(row)).id, amount: balance.toStringDown() });
  }
  for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) {
    const leverage = book.chosenLeverage(row);
    const holds = book.qty(row) !== 0n || book.cost(row) !== 0n || book.margin(row) !== 0n;
    if (!holds && !book.isIsolated(row) && leverage === null) continue;
    const rules = machine.instrument(book.rowInstrument(row));
    const asset = book.assetRules(book.settleIndex(book.rowInstrument(row)));
    positions.push({
      instrument: rules.id,
      qty: contractsOf(rules, book.qty(row)).toStringDown(),
      cost: amountOf(asset, book.cost(row)).toStringDown(),
      margin: amountOf(asset, book.margin(row)).toStringDown(),
      mode: book.isIsolated(row) ? "isolated" : "cross",
      leverage: leverage?.toStringDown() ?? null,
      fundingEpoch: book.rowFundingEpoch(row),
    });
  }
  balances.sort((left, right) => (left.asset < right.asset ? -1 : 1));
  positions.sort((left, right) => (left.instrument < right.instrument ? -1 : 1));
  return { balances, positions };
}

/** Accounts whose cash, margin, position, mode or leverage the last entry changed, system accounts included. */
export function touchedAccounts(machine: Machine): string[] {
  const accounts = new Set(machine.touched.accounts);
  for (const { postings } of machine.ledger.transactions)
    for (const { account } of postings) if (account >= 0) accounts.add(account);
  return [...accounts].map((account) => machine.accountName(account));
}

/** Effects that the last entry has answered or made needless. */
export function answeredEffects(machine: Machine): readonly string[] {
  return machine.touched.answered;
}

export interface SagaRow {
  readonly saga: string;
  readonly account: string;
  /** null: the cross pool. */
  readonly instrument: string | null;
  /** Of the transition table, or `ended`. */
  readonly state: string;
  readonly stage: number;
  readonly step: number;
  readonly startedAt: number;
  /** E_M / MM when it began; null: no requirement. */
  readonly ratio: string | null;
  /** The effect whose outcome it waits for. */
  readonly effect: string | null;
}

/** Sagas that the last entry has touched; those it has ended once more, as `ended`. */
export function sagaRows(machine: Machine): SagaRow[] {
  return [...machine.touched.sagas].map(([saga, instrument]) => sagaRow(machine, saga, instrument));
}

/** Every saga that runs. */
export function openSagaRows(machine: Machine): SagaRow[] {
  return [...machine.sagas.values()].map((saga) => sagaRow(machine, saga, machine.poolInstrument(saga.pool)));
}

function sagaRow(machine: Machine, saga: Saga, instrument: string | null): SagaRow {
  const ended = machine.sagas.get(saga.slot) !== saga;
  return {
    saga: saga.id,
    account: machine.accountName(saga.account),
    instrument,
    state: ended ? "ended" : saga.state,
    stage: ended ? 0 : stageOfState[saga.state],
    step: saga.step,
    startedAt: saga.startedAt,
    ratio: saga.ratioAtStart ?? null,
    effect: ended ? null : saga.effect,
  };
}

/** The halts in force. The list is another object whenever it has changed. */
export function haltRows(machine: Machine): readonly HaltRecord[] {
  return machine.halts;
}
