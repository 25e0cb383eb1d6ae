import type { Side } from "#libs/contracts/log.ts";

/** Signed lots of an account in an instrument. */
interface Held {
  /** Sum of its own fills on this venue. */
  traded: number;
  /** What deleveraging and providers moved without a trade here, learned from facts. */
  moved: number;
}

export class LotsOverflow extends Error {
  constructor(account: string, instrument: string) {
    super(`position of ${account} in ${instrument} leaves the exact range of numbers`);
    this.name = "LotsOverflow";
  }
}

/** What each account holds, in lots. Sums stay exact below 2^53 and refuse beyond. */
export class Positions {
  readonly #held = new Map<string, Map<string, Held>>();

  #row(account: string, instrument: string): Held {
    let rows = this.#held.get(account);
    if (rows === undefined) this.#held.set(account, (rows = new Map()));
    let row = rows.get(instrument);
    if (row === undefined) rows.set(instrument, (row = { traded: 0, moved: 0 }));
    return row;
  }

  trade(account: string, instrument: string, side: Side, lots: number): void {
    const row = this.#row(account, instrument);
    row.traded += side === "buy" ? lots : -lots;
    if (!Number.isSafeInteger(row.traded)) throw new LotsOverflow(account, instrument);
    this.#forget(account, instrument, row);
  }

  /** `lots` signed. */
  move(account: string, instrument: string, lots: number): void {
    const row = this.#row(account, instrument);
    row.moved += lots;
    if (!Number.isSafeInteger(row.moved)) throw new LotsOverflow(account, instrument);
    this.#forget(account, instrument, row);
  }

  #forget(account: string, instrument: string, row: Held): void {
    if (row.traded !== 0 || row.moved !== 0) return;
    const rows = this.#held.get(account);
    rows?.delete(instrument);
    if (rows?.size === 0) this.#held.delete(account);
  }

  /** Signed lots that the account has, all in all. */
  held(account: string, instrument: string): number {
    const row = this.#held.get(account)?.get(instrument);
    return row === undefined ? 0 : row.traded + row.moved;
  }

  *accounts(): Generator<string> {
    yield* this.#held.keys();
  }

  /** Signed lots, all in all. */
  *of(account: string): Generator<readonly [instrument: string, lots: number]> {
    for (const [instrument, { traded, moved }] of this.#held.get(account) ?? [])
      if (traded + moved !== 0) yield [instrument, traded + moved] as const;
  }

  /** `[account, instrument, traded, moved]`, sorted: the same state gives the same text. */
  rows(): (readonly [string, string, number, number])[] {
    const rows = [...this.#held].flatMap(([account, held]) =>
      [...held].map(([instrument, { traded, moved }]) => [account, instrument, traded, moved] as const),
    );
    return rows.sort((left, right) => order(left[0], right[0]) || order(left[1], right[1]));
  }

  restore(rows: readonly (readonly [string, string, number, number])[]): void {
    for (const [account, instrument, traded, moved] of rows) {
      const row = this.#row(account, instrument);
      row.traded = traded;
      row.moved = moved;
    }
  }
}

const order = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

/** Lots that an order of `side` can take from `held` signed lots without passing through zero. */
export function reducible(held: number, side: Side): number {
  return side === "buy" ? Math.max(0, -held) : Math.max(0, held);
}
