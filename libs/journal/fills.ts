import { committedFacts, journalPages, journalStartOfFact, type Queryable } from "#libs/adapters/postgres/index.ts";
import { linesOf } from "./format.ts";

/** What a fact says of one side of a trade. */
export interface JournaledFill {
  readonly account: string;
  readonly instrument: string;
  readonly side: "buy" | "sell";
  readonly qty: string;
  readonly price: string;
  /** UTC ms. */
  readonly t: number;
  /** Of the order that it filled; absent: a liquidation, or an expiry. */
  readonly order?: string;
}

/** Fills among the newest `factsMost` facts of a shard, in order. Fills stand in the journal alone: there are too many for a table. */
export async function* recentFills(db: Queryable, shard: string, factsMost: number): AsyncGenerator<JournaledFill> {
  const newest = (await committedFacts(db)).get(shard) ?? 0;
  const after = Math.max(0, newest - factsMost);
  const start = await journalStartOfFact(db, shard, after);
  if (start === null) return;
  for await (const page of journalPages(db, shard, start))
    for (const batch of page)
      for (const line of linesOf(batch.facts.toString("utf8"))) {
        if (!line.includes('"fact":"fill"')) continue;
        const fact = JSON.parse(line) as JournaledFill & { readonly seq: number; readonly fact: string };
        if (fact.fact === "fill" && fact.seq > after) yield fact;
      }
}
