import { journalOfEntries, ledgerOfAccount } from "#libs/adapters/postgres/index.ts";
import { linesOf } from "#libs/journal/index.ts";
import type { Asked } from "../http/door.ts";
import { beforeOf, pageSize } from "../http/door.ts";
import { limits } from "../limits.ts";
import { type Parts, shardOfAccount } from "../parts.ts";

interface FillFact {
  readonly seq: number;
  readonly t: number;
  readonly fact: string;
  readonly account: string;
  readonly instrument: string;
  readonly side: string;
  readonly qty: string;
  readonly price: string;
  readonly realised?: string;
  readonly order?: string;
  readonly reason?: string;
}

/**
 * The newest fills of an account: fills stand in the journal alone, and the ledger knows in which of its batches. `before`: an entry. The
 * last entry of a page may be cut off in the midst of its legs, so the next page begins with it again.
 */
export async function accountFills(parts: Parts, account: string, query: Asked["query"]) {
  const { db } = parts;
  const shard = await shardOfAccount(parts, account);
  const limit = Math.min(pageSize(query), limits.fillsMax);
  const lines = await ledgerOfAccount(db, shard, account, { before: beforeOf(query), limit: limits.pageMax });
  const entries = [...new Set(lines.filter(({ kind }) => kind === "fill").map(({ entry }) => entry))].slice(0, limit);
  const found: FillFact[] = [];
  for (const batch of await journalOfEntries(db, shard, entries))
    for (const line of linesOf(batch.facts.toString("utf8"))) {
      if (!line.includes('"fact":"fill"') || !line.includes(`"${account}"`)) continue;
      const fact = JSON.parse(line) as FillFact;
      if (fact.fact === "fill" && fact.account === account) found.push(fact);
    }
  const fills = found
    .sort((left, right) => right.seq - left.seq)
    .map(({ seq, t, instrument, side, qty, price, realised, order, reason }) => ({
      seq,
      t,
      instrument,
      side,
      qty,
      price,
      ...(realised === undefined ? {} : { realised }),
      ...(order === undefined ? {} : { order }),
      ...(reason === undefined ? {} : { reason }),
    }));
  const more = entries.length === limit || lines.length === limits.pageMax;
  return { fills, before: more ? (entries.at(-1) ?? lines.at(-1)?.entry ?? null) : null };
}
