import type { BalanceRow, PositionRow } from "#libs/adapters/postgres/batch.ts";
import type { Engine } from "#libs/engine/index.ts";
import { rowsOfAccount } from "./rows.ts";

/** Rows by a key that names them, as one text each: what two sides must agree on. */
export type Named = ReadonlyMap<string, string>;

/** What the engine holds of the next accounts in order of their ids. */
export interface HoldingsPage {
  /** The page covers the ids above `after`, and up to `upTo` (null: all that there are). */
  readonly after: string;
  readonly upTo: string | null;
  readonly ids: readonly string[];
  readonly held: Named;
}

/** Every id sorts before it. */
export const afterEveryId = "~";

/** Ids of every account that the engine knows, in the order of the tables; kept, since accounts only come. */
export class AccountOrder {
  readonly #engine: Engine;
  #ids: readonly string[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get ids(): readonly string[] {
    const { book } = this.#engine.machine;
    const fresh: string[] = [];
    for (let account = this.#ids.length; account < book.accountCount; account += 1) fresh.push(book.accountId(account));
    if (fresh.length > 0) this.#ids = [...this.#ids, ...fresh].sort();
    return this.#ids;
  }
}

/** `ids`: all of them, in order; those that are no account of the engine hold nothing. */
export function holdingsPage(engine: Engine, ids: readonly string[], after: string, limit: number): HoldingsPage {
  const first = firstAbove(ids, after);
  const page = ids.slice(first, first + limit);
  const held = new Map<string, string>();
  for (const id of page) {
    const account = engine.machine.book.findAccount(id);
    if (account < 0) continue;
    const { balances, positions } = rowsOfAccount(engine, account);
    nameRows(held, balances, positions);
  }
  const last = page.at(-1);
  const upTo = last === undefined || first + limit >= ids.length ? null : last;
  return { after, upTo, ids: page, held };
}

function firstAbove(ids: readonly string[], after: string): number {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] as string) > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The same of rows as the tables have them; those of accounts up to `after` are not the page's. */
export function storedHoldings(
  page: HoldingsPage,
  balances: readonly BalanceRow[],
  positions: readonly PositionRow[],
): Named {
  const stored = new Map<string, string>();
  const inPage = ({ account }: { readonly account: string }): boolean => account > page.after;
  nameRows(stored, balances.filter(inPage), positions.filter(inPage));
  return stored;
}

function nameRows(into: Map<string, string>, balances: readonly BalanceRow[], positions: readonly PositionRow[]): void {
  for (const { account, asset, amount } of balances)
    if (amount !== "0") into.set(`balance ${account} ${asset}`, amount);
  for (const { account, instrument, qty, cost, margin, mode, leverage, fundingEpoch } of positions)
    into.set(
      `position ${account} ${instrument}`,
      `${qty} cost ${cost} margin ${margin} ${mode} leverage ${leverage ?? "none"} epoch ${fundingEpoch}`,
    );
}

/** What only one side has, and what they say differently. */
export function differences(held: Named, stored: Named, most: number): string[] {
  const found: string[] = [];
  const note = (key: string): void => {
    if (found.length < most)
      found.push(`${key}: engine ${held.get(key) ?? "nothing"}, table ${stored.get(key) ?? "nothing"}`);
  };
  for (const [key, text] of held) if (stored.get(key) !== text) note(key);
  for (const key of stored.keys()) if (!held.has(key)) note(key);
  return found;
}
