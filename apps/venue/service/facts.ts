import type { FactBatch } from "#libs/contracts/live/margin.ts";
import { Rational } from "#libs/decimal/index.ts";
import { isSystemAccount } from "#libs/domain/rule-set/types.ts";
import type { Moved } from "../matching/commands.ts";
import type { Floor } from "../matching/floor.ts";

type Fact = FactBatch["facts"][number];

export interface News {
  readonly ended: string[];
  readonly moved: Moved[];
  readonly expired: string[];
}

/**
 * What of a batch of facts a venue must know: sagas that are over, instruments that have expired, and positions that changed
 * without a trade here.
 */
export function readFacts(floor: Floor, facts: readonly Fact[]): News {
  const ended: string[] = [];
  const moved: Moved[] = [];
  const expired: string[] = [];
  for (const fact of facts) {
    if (fact.fact === "instrument.expired" && typeof fact["instrument"] === "string") expired.push(fact["instrument"]);
    if (fact.fact === "fill" && fact["reason"] === "expiry") moved.push(...oneSide(floor, fact, fact["account"]));
    if (fact.fact === "liquidation.ended" && typeof fact["saga"] === "string") ended.push(fact["saga"]);
    if (fact.fact === "adl.filled") moved.push(...bothSides(floor, fact, fact["account"], fact["against"]));
    if (fact.fact === "liquidation.step") {
      const { counterparty } = fact;
      // What closed against the market closed here: the venue has those fills already.
      if (typeof counterparty === "string" && !isSystemAccount(counterparty))
        moved.push(...bothSides(floor, fact, fact["account"], counterparty));
    }
  }
  return { ended, moved, expired };
}

/** `account` did `side`. */
function oneSide(floor: Floor, fact: Fact, account: unknown): Moved[] {
  const { instrument, side, qty } = fact;
  if (typeof account !== "string" || typeof qty !== "string") return [];
  const grid = typeof instrument === "string" ? floor.grids.get(instrument) : undefined;
  if (grid === undefined) return [];
  return [
    { account, instrument: grid.id, lots: Number(Rational.parse(qty).floorIn(grid.lot)) * (side === "buy" ? 1 : -1) },
  ];
}

/** … and `other` the opposite. */
function bothSides(floor: Floor, fact: Fact, account: unknown, other: unknown): Moved[] {
  return oneSide(floor, fact, account).flatMap((one) =>
    typeof other === "string" ? [one, { ...one, account: other, lots: -one.lots }] : [],
  );
}

/** Where in a shard's log new rules stand, by the number of whoever wrote them. */
export interface RulesAt {
  readonly version: number;
  readonly source: string;
  readonly sourceSeq: number;
}

/** The last change of rules that a batch tells of; null: none. */
export function rulesIn(facts: readonly Fact[]): RulesAt | null {
  const changed = facts.findLast(({ fact }) => fact === "rules.changed");
  if (changed === undefined) return null;
  const { version, source, sourceSeq } = changed;
  if (typeof version !== "number" || typeof source !== "string" || typeof sourceSeq !== "number") return null;
  return { version, source, sourceSeq };
}
