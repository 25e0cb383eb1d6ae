import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { TradingReply } from "#libs/contracts/live/venue.ts";
import type { Resting } from "./book.ts";
import { type DoneEffect, Floor, type ShardSequence } from "./floor.ts";
import { restoreRules, type Retired } from "./listing.ts";

/** A floor as JSON: what a snapshot file holds. */
export interface FloorState {
  readonly version: 2;
  readonly rules: { readonly version: number; readonly document: RuleDocument };
  readonly expired: readonly string[];
  readonly retired: readonly Retired[];
  readonly t: number;
  readonly orderCount: number;
  readonly tradeCount: number;
  readonly factsAt: number;
  readonly shards: readonly (readonly [shard: string, sequence: ShardSequence])[];
  /** In order of age: put back one after the other, they stand as they stood. */
  readonly orders: readonly Resting[];
  readonly positions: readonly (readonly [account: string, instrument: string, lots: number])[];
  readonly blocks: readonly (readonly [account: string, where: string, saga: string])[];
  readonly effects: readonly (readonly [id: string, done: DoneEffect])[];
  readonly answered: readonly (readonly [key: string, reply: TradingReply])[];
}

export function stateOf(floor: Floor): FloorState {
  return {
    version: 2,
    rules: { version: floor.ruleVersion, document: floor.document },
    expired: [...floor.expired].sort(),
    retired: [...floor.retired.values()],
    t: floor.t,
    orderCount: floor.orderCount,
    tradeCount: floor.tradeCount,
    factsAt: floor.factsAt,
    shards: [...floor.shards].map(([shard, sequence]) => [shard, { ...sequence }]),
    orders: [...floor.orders.values()].map((one) => ({ ...one })).sort((left, right) => left.no - right.no),
    positions: floor.positions.rows(),
    blocks: [...floor.blocks].flatMap(([account, blocks]) =>
      [...blocks].map(([where, saga]) => [account, where, saga] as const),
    ),
    effects: [...floor.effects],
    answered: [...floor.answered],
  };
}

/** Throws where the state names a shard that is not configured. */
export function floorFrom(state: FloorState, shards: readonly string[]): Floor {
  const floor = new Floor(shards);
  restoreRules(floor, state.rules.version, state.rules.document, state.retired);
  for (const instrument of state.expired) floor.expired.add(instrument);
  floor.t = state.t;
  floor.orderCount = state.orderCount;
  floor.tradeCount = state.tradeCount;
  floor.factsAt = state.factsAt;
  for (const [shard, sequence] of state.shards) {
    if (!floor.shards.has(shard)) throw new Error(`the journal has entries of shard ${shard}, which is not configured`);
    floor.shards.set(shard, { ...sequence });
  }
  for (const order of state.orders) floor.rest({ ...order });
  floor.positions.restore(state.positions);
  for (const [account, where, saga] of state.blocks) {
    const blocks = floor.blocks.get(account) ?? new Map<string, string>();
    floor.blocks.set(account, blocks.set(where, saga));
  }
  for (const [id, done] of state.effects) floor.effects.set(id, done);
  for (const [key, reply] of state.answered) floor.answered.set(key, reply);
  return floor;
}
