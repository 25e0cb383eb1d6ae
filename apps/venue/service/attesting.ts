import { slotCount } from "#libs/contracts/live/shards.ts";
import type { Venue } from "./venue.ts";

export const attestEveryMs = 2_500;

/** Says for a range of slots after the other what their accounts hold, so that both sides are compared over and over. */
export function attestInTurn(venue: Venue, everyMs = attestEveryMs): { stop(): void } {
  const { shards } = venue.floor.owners;
  const next = new Map(shards.map((shard, at) => [shard, firstSlot(at, shards.length)]));
  const timer = setInterval(() => {
    for (const [at, shard] of shards.entries()) {
      const [first, end] = [firstSlot(at, shards.length), firstSlot(at + 1, shards.length)];
      const from = next.get(shard) as number;
      const { reply } = venue.write({ c: "attest", shard, from, to: end });
      const { to } = reply as { to: number };
      next.set(shard, to >= end ? first : to);
    }
  }, everyMs);
  return { stop: () => clearInterval(timer) };
}

/** Each shard holds an equal run of slots (`shardOf`). */
const firstSlot = (at: number, shards: number): number => Math.ceil((at * slotCount) / shards);
