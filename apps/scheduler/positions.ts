import { type Database, factCursor, factsOfNames, moveFactCursor } from "#libs/adapters/postgres/index.ts";
import type { Reconciliation } from "#libs/adapters/postgres/index.ts";
import type { Fact } from "#libs/contracts/log.ts";
import { lookLimits } from "./looks.ts";

const reader = "positions";
const factsAtOnce = 500;
const pagesMax = 20;

/**
 * INV-11: what the matching engine attests about its positions, range of slots by range. A range that differed stays a difference until
 * it is attested again without one.
 */
export class Positions {
  /** Shard → range of slots → what differed there when it was attested last. */
  readonly #differing = new Map<string, Map<string, string>>();

  async look(db: Database, shard: string): Promise<Reconciliation> {
    const differing = this.#differing.get(shard) ?? new Map<string, string>();
    this.#differing.set(shard, differing);
    let compared = 0;
    let after = await factCursor(db, reader, shard);
    for (let page = 0; page < pagesMax; page += 1) {
      const { facts, upTo, full } = await factsOfNames(db, shard, after, names, factsAtOnce);
      for (const fact of facts) compared += take(differing, fact);
      after = upTo;
      if (!full) break;
    }
    await moveFactCursor(db, reader, shard, after);
    const differences = [...differing.values()].slice(0, lookLimits.differencesMax);
    return { shard, kind: "positions", appliedSeq: 0, compared, differences };
  }
}

const names = ["positions.attested", "positions.differ"] as const;
const shownMax = 5;

interface Difference {
  readonly account: string;
  readonly instrument: string;
  readonly venue: string;
  readonly engine: string;
}

/** How many accounts it compared. */
function take(differing: Map<string, string>, fact: Fact): number {
  const slots = `${String(fact["from"])} to ${String(fact["to"])}`;
  if (fact.fact === "positions.attested") differing.delete(slots);
  else {
    const shown = ((fact["differences"] ?? []) as readonly Difference[]).slice(0, shownMax);
    const said = shown.map((one) => `${one.account} ${one.instrument} venue ${one.venue} engine ${one.engine}`);
    differing.set(slots, `slots ${slots}, ${String(fact["count"])} positions: ${said.join(", ")}`);
  }
  return typeof fact["accounts"] === "number" ? fact["accounts"] : 0;
}
