import type { Side } from "#libs/contracts/log.ts";

export class LotsOverflow extends Error {
  constructor(account: string, instrument: string) {
    super(`position of ${account} in ${instrument} leaves the exact range of numbers`);
    this.name = "LotsOverflow";
  }
}

/** What each account holds, in signed lots, by trades here and by what facts say. Sums stay exact below 2^53 and refuse beyond. */
export class Positions {
  readonly #held = new Map<string, Map<string, number>>();

  trade(account: string, instrument: string, side: Side, lots: number): void {
    this.move(account, instrument, side === "buy" ? lots : -lots);
  }

  /** `lots` signed. */
  move(account: string, instrument: string, lots: number): void {
    const now = this.held(account, instrument) + lots;
    if (!Number.isSafeInteger(now)) throw new LotsOverflow(account, instrument);
    let rows = this.#held.get(account);
    if (rows === undefined) this.#held.set(account, (rows = new Map()));
    if (now !== 0) return void rows.set(instrument, now);
    rows.delete(instrument);
    if (rows.size === 0) this.#held.delete(account);
  }

  held(account: string, instrument: string): number {
    return this.#held.get(account)?.get(instrument) ?? 0;
  }

  /** Somebody holds something in it. */
  any(instrument: string): boolean {
    for (const rows of this.#held.values()) if (rows.has(instrument)) return true;
    return false;
  }

  *accounts(): Generator<string> {
    yield* this.#held.keys();
  }

  *of(account: string): Generator<readonly [instrument: string, lots: number]> {
    yield* this.#held.get(account) ?? [];
  }

  /** `[account, instrument, lots]`, sorted: the same state gives the same text. */
  rows(): (readonly [string, string, number])[] {
    const rows = [...this.#held].flatMap(([account, held]) =>
      [...held].map(([instrument, lots]) => [account, instrument, lots] as const),
    );
    return rows.sort((left, right) => order(left[0], right[0]) || order(left[1], right[1]));
  }

  restore(rows: readonly (readonly [string, string, number])[]): void {
    for (const [account, instrument, lots] of rows) this.move(account, instrument, lots);
  }
}

const order = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

/** Lots that an order of `side` can take from `held` signed lots without passing through zero. */
export function reducible(held: number, side: Side): number {
  return side === "buy" ? Math.max(0, -held) : Math.max(0, held);
}
