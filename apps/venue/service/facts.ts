import type { FactBatch } from "#libs/contracts/live/margin.ts";
import { Rational } from "#libs/decimal/index.ts";
import { isSystemAccount } from "#libs/domain/rule-set/types.ts";
import type { Moved } from "../matching/commands.ts";
import type { Floor } from "../matching/floor.ts";

type Fact = FactBatch["facts"][number];

/** What of a batch of facts a venue must know: sagas that are over, and positions that changed hands without a trade here. */
export function readFacts(floor: Floor, facts: readonly Fact[]): { ended: string[]; moved: Moved[] } {
  const ended: string[] = [];
  const moved: Moved[] = [];
  for (const fact of facts) {
    if (fact.fact === "liquidation.ended" && typeof fact["saga"] === "string") ended.push(fact["saga"]);
    if (fact.fact === "adl.filled") moved.push(...bothSides(floor, fact, fact["account"], fact["against"]));
    if (fact.fact === "liquidation.step") {
      const { counterparty } = fact;
      // What closed against the market closed here: the venue has those fills already.
      if (typeof counterparty === "string" && !isSystemAccount(counterparty))
        moved.push(...bothSides(floor, fact, fact["account"], counterparty));
    }
  }
  return { ended, moved };
}

/** `account` did `side`, `other` the opposite. */
function bothSides(floor: Floor, fact: Fact, account: unknown, other: unknown): Moved[] {
  const { instrument, side, qty } = fact;
  if (typeof account !== "string" || typeof other !== "string" || typeof qty !== "string") return [];
  const grid = typeof instrument === "string" ? floor.grids.get(instrument) : undefined;
  if (grid === undefined) return [];
  const lots = Number(Rational.parse(qty).floorIn(grid.lot)) * (side === "buy" ? 1 : -1);
  return [
    { account, instrument: grid.id, lots },
    { account: other, instrument: grid.id, lots: -lots },
  ];
}
