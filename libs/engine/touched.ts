import type { Saga } from "./sagas/saga.ts";

/**
 * What the entry being applied has touched, for those who write it down elsewhere. It begins anew with every entry and decides
 * nothing: neither hashed nor kept in snapshots.
 */
export class Touched {
  readonly #accounts = new Set<number>();
  /** With the instrument of its pool, whose row may be gone when it has ended; null: a cross pool. */
  readonly #sagas = new Map<Saga, string | null>();
  readonly #answered: string[] = [];
  #withdrawals = 0;

  begin(): void {
    if (this.#accounts.size > 0) this.#accounts.clear();
    if (this.#sagas.size > 0) this.#sagas.clear();
    this.#answered.length = 0;
    this.#withdrawals = 0;
  }

  /** An account whose position or settings have changed; whose money has, its postings say. */
  account(account: number): void {
    this.#accounts.add(account);
  }
  get accounts(): ReadonlySet<number> {
    return this.#accounts;
  }

  saga(saga: Saga, instrument: string | null): void {
    this.#sagas.set(saga, instrument);
  }
  get sagas(): ReadonlyMap<Saga, string | null> {
    return this.#sagas;
  }

  answer(effect: string): void {
    this.#answered.push(effect);
  }
  /** Effects that are open no longer. */
  get answered(): readonly string[] {
    return this.#answered;
  }

  /** Counts the orders withdrawn by the entry. */
  nextWithdrawal(): number {
    this.#withdrawals += 1;
    return this.#withdrawals;
  }
}
