import {
  type BalanceRow,
  type Database,
  type PositionRow,
  readBalances,
  readPositions,
} from "#libs/adapters/postgres/index.ts";
import type { ReconcileReply, ReconcileRequest } from "#libs/contracts/live/margin.ts";
import type { Engine } from "#libs/engine/index.ts";
import { limits } from "./limits.ts";
import { rowsOfAccount } from "./state-rows.ts";

interface Page {
  readonly after: string;
  /** Last account of the page; null: every one after `after`. */
  readonly upTo: string | null;
  readonly compared: number;
  /** `kind account name` → what is held. */
  readonly held: ReadonlyMap<string, string>;
}

interface Asked {
  readonly request: ReconcileRequest;
  readonly resolve: (reply: ReconcileReply) => void;
  readonly reject: (error: Error) => void;
}

/** A comparison of a page of accounts under way: memory was read when a batch closed, tables are read when it is committed. */
export interface Captured {
  compare(db: Database, shard: string, appliedSeq: number): Promise<void>;
}

const afterEveryId = "~";
const waitingMax = 16;

/** Compares memory with the tables at one position: no commit comes between the two readings. */
export class Reconciler {
  readonly #engine: Engine;
  readonly #waiting: Asked[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async ask(request: ReconcileRequest): Promise<ReconcileReply> {
    if (this.#waiting.length >= waitingMax) throw new Error("too many comparisons wait");
    return new Promise((resolve, reject) => this.#waiting.push({ request, resolve, reject }));
  }

  /** Called when a batch closes; null: nobody asks. */
  capture(): Captured | null {
    const asked = this.#waiting.shift();
    if (asked === undefined) return null;
    const page = pageOf(this.#engine, asked.request);
    return {
      async compare(db, shard, appliedSeq) {
        try {
          const differences = await differencesOf(db, shard, page);
          asked.resolve({ appliedSeq, compared: page.compared, differences, next: page.upTo });
        } catch (error) {
          asked.reject(error instanceof Error ? error : new Error(String(error)));
        }
      },
    };
  }
}

function pageOf(engine: Engine, { after = "", limit = limits.reconcileAccounts }: ReconcileRequest): Page {
  const { book } = engine.machine;
  const ids: string[] = [];
  for (let account = 0; account < book.accountCount; account += 1) {
    const id = book.accountId(account);
    if (id > after) ids.push(id);
  }
  ids.sort();
  const page = ids.slice(0, limit);
  const held = new Map<string, string>();
  for (const id of page) {
    const { balances, positions } = rowsOfAccount(engine, book.findAccount(id));
    note(held, balances, positions);
  }
  return { after, upTo: ids.length > page.length ? (page.at(-1) ?? null) : null, compared: page.length, held };
}

function note(into: Map<string, string>, balances: readonly BalanceRow[], positions: readonly PositionRow[]): void {
  for (const { account, asset, amount } of balances)
    if (amount !== "0") into.set(`balance ${account} ${asset}`, amount);
  for (const { account, instrument, ...held } of positions) {
    const { qty, cost, margin, mode, leverage, fundingEpoch } = held;
    into.set(`position ${account} ${instrument}`, [qty, cost, margin, mode, leverage ?? "-", fundingEpoch].join(" "));
  }
}

async function differencesOf(db: Database, shard: string, page: Page): Promise<string[]> {
  const range = { from: page.after, to: page.upTo ?? afterEveryId };
  const stored = new Map<string, string>();
  const inPage = ({ account }: { readonly account: string }): boolean => account > page.after;
  note(
    stored,
    (await readBalances(db, shard, range)).filter(inPage),
    (await readPositions(db, shard, range)).filter(inPage),
  );
  return differences(page.held, stored).slice(0, limits.reconcileDifferences);
}

export function differences(held: ReadonlyMap<string, string>, stored: ReadonlyMap<string, string>): string[] {
  const keys = new Set([...held.keys(), ...stored.keys()]);
  return [...keys]
    .filter((key) => held.get(key) !== stored.get(key))
    .map((key) => `${key}: memory ${held.get(key) ?? "nothing"}, table ${stored.get(key) ?? "nothing"}`);
}
