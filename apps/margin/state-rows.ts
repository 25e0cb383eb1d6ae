import type { BalanceRow, PositionRow } from "#libs/adapters/postgres/index.ts";
import type { Engine } from "#libs/engine/index.ts";
import type { Transaction } from "#libs/engine/ledger.ts";
import { balanceRow, positionRow } from "#libs/journal/index.ts";

/** Which balances and positions entries have touched since they were last read. */
export class TouchedRows {
  readonly #engine: Engine;
  /** account → assets, account → instruments. */
  readonly #assets = new Map<number, Set<number>>();
  readonly #instruments = new Map<number, Set<number>>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  transactions(transactions: readonly Transaction[]): void {
    for (const { postings } of transactions) {
      for (const posting of postings) {
        if (posting.account < 0) continue;
        if (posting.leg === "cash") add(this.#assets, posting.account, posting.asset);
        else if (posting.instrument >= 0) add(this.#instruments, posting.account, posting.instrument);
      }
    }
  }

  /** An entry that may change a position without a posting: a mode, a settlement of nothing. */
  named(account: string, instrument: string): void {
    const { book } = this.#engine.machine;
    const number = book.findAccount(account);
    const at = book.instrumentIndex(instrument);
    if (number >= 0 && at >= 0) add(this.#instruments, number, at);
  }

  /** Every position of an instrument: funding epochs may move without a payment. */
  everybody(instrument: string): void {
    const { book } = this.#engine.machine;
    const at = book.instrumentIndex(instrument);
    if (at >= 0) for (const row of book.rowsOf(at)) add(this.#instruments, book.rowAccount(row), at);
  }

  /** Reads what was touched, as it is now. */
  read(balances: Map<string, BalanceRow>, positions: Map<string, PositionRow>): void {
    for (const [account, assets] of this.#assets)
      for (const asset of assets) balances.set(`${account} ${asset}`, balanceRow(this.#engine, account, asset));
    for (const [account, instruments] of this.#instruments)
      for (const instrument of instruments)
        positions.set(`${account} ${instrument}`, positionRow(this.#engine, account, instrument));
    this.#assets.clear();
    this.#instruments.clear();
  }
}

function add(map: Map<number, Set<number>>, key: number, value: number): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([value]));
  else known.add(value);
}
