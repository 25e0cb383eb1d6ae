import { type Database, readBalances, readPositions } from "#libs/adapters/postgres/index.ts";
import type { ReconcileReply, ReconcileRequest } from "#libs/contracts/live/margin.ts";
import type { Engine } from "#libs/engine/index.ts";
import {
  AccountOrder,
  afterEveryId,
  differences,
  type HoldingsPage,
  holdingsPage,
  storedHoldings,
} from "#libs/journal/index.ts";
import { limits } from "./limits.ts";

interface Asked {
  readonly request: ReconcileRequest;
  readonly resolve: (reply: ReconcileReply) => void;
  readonly reject: (error: Error) => void;
}

/** A comparison of a page of accounts under way: memory was read when a batch closed, tables are read when it is committed. */
export interface Captured {
  compare(db: Database, shard: string, appliedSeq: number): Promise<void>;
}

const waitingMax = 16;

/** Compares memory with the tables at one position: no commit comes between the two readings. */
export class Reconciler {
  readonly #engine: Engine;
  readonly #order: AccountOrder;
  readonly #waiting: Asked[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#order = new AccountOrder(engine);
  }

  async ask(request: ReconcileRequest): Promise<ReconcileReply> {
    if (this.#waiting.length >= waitingMax) throw new Error("too many comparisons wait");
    return new Promise((resolve, reject) => this.#waiting.push({ request, resolve, reject }));
  }

  /** Called when a batch closes; null: nobody asks. */
  capture(): Captured | null {
    const asked = this.#waiting.shift();
    if (asked === undefined) return null;
    const { after = "", limit = limits.reconcileAccounts } = asked.request;
    const page = holdingsPage(this.#engine, this.#order.ids, after, limit);
    return {
      async compare(db, shard, appliedSeq) {
        try {
          const found = await differencesOf(db, shard, page);
          asked.resolve({ appliedSeq, compared: page.ids.length, differences: found, next: page.upTo });
        } catch (error) {
          asked.reject(error instanceof Error ? error : new Error(String(error)));
        }
      },
    };
  }
}

async function differencesOf(db: Database, shard: string, page: HoldingsPage): Promise<string[]> {
  const range = { from: page.after, to: page.upTo ?? afterEveryId };
  const stored = storedHoldings(page, await readBalances(db, shard, range), await readPositions(db, shard, range));
  return differences(page.held, stored, limits.reconcileDifferences);
}
